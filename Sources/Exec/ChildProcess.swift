import Domain
import Glibc
import Subprocess
import SystemPackage

/// One child process in a session of its own, with its teardown declared before it starts.
///
/// swift-subprocess starts it with an empty signal mask and the default handlers, which a plain `posix_spawn` from a Dispatch thread
/// would not. When the surrounding task is cancelled, the whole session is asked to end and then made to.
enum ChildProcess {
    /// TERM first; whoever has not gone after this long is killed.
    static let grace: Duration = .seconds(8)

    /// Runs the command to its end and gives its output, both streams as one, to `sink`.
    ///
    /// What the command left running in its session is ended too, before this returns.
    /// - Throws: ``ExecError`` when it could not be started.
    static func run(_ command: Command, sink: @Sendable (UnsafeRawBufferPointer) -> Void) async throws -> StepOutcome {
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [.gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: grace)]
        do {
            let result = try await Subprocess.run(
                .path(FilePath(command.executable)), arguments: Arguments(command.arguments),
                environment: .custom(command.environment.map { Array("\($0.key)=\($0.value)".utf8) + [0] }),
                workingDirectory: command.directory.map { FilePath($0) }, platformOptions: options,
                input: .none, output: .sequence, error: .combinedWithOutput
            ) { execution in
                for try await chunk in execution.standardOutput { chunk.withUnsafeBytes { sink($0) } }
            }
            await endSession(of: result.processIdentifier.value)
            return outcome(of: result.terminationStatus)
        } catch let error as SubprocessError {
            throw ExecError(.process, phrase(for: error, command))
        }
    }

    private static func outcome(of status: TerminationStatus) -> StepOutcome {
        switch status {
        case .exited(0): .succeeded
        case .exited(let status): .exited(status: status)
        case .signaled(let signal): .signalled(signal)
        }
    }

    /// The leader of the session is gone and waited for; its process group lives on only in what it left behind. While a member
    /// lives, the kernel gives the group's number to nobody else.
    private static func endSession(of leader: pid_t) async {
        guard kill(-leader, SIGTERM) == 0 else { return }
        for _ in 0..<50 where kill(-leader, 0) == 0 {
            try? await Task.sleep(for: .milliseconds(20))  // cancelled: go on at once
        }
        kill(-leader, SIGKILL)
    }

    private static func phrase(for error: SubprocessError, _ command: Command) -> String {
        switch error.code {
        case .executableNotFound: "\(command.executable) was not found; install it"
        case .failedToChangeWorkingDirectory: "the directory \(command.directory ?? "") cannot be entered"
        default:
            "\(command.executable) could not be run: \(error.underlyingError.map(String.init(describing:)) ?? String(describing: error.code))"
        }
    }
}
