import Domain
import Glibc
import Subprocess
import Synchronization
import SystemPackage

/// One child process in a session of its own, with the way it is ended declared before it starts.
///
/// swift-subprocess starts it with an empty signal mask and the default handlers, which a plain `posix_spawn` from a Dispatch thread
/// would not. When the surrounding task is cancelled, the whole session is asked to end and then made to.
enum ChildProcess {
    /// TERM first; whoever has not gone after this long is killed.
    static let grace: Duration = .seconds(8)

    /// Runs the command to its end and gives its output, both streams as one, to `sink`; also what it says after it was asked to
    /// end.
    ///
    /// What the command left running in its session is ended too, before this returns.
    /// - Throws: ``ExecError`` when it could not be started.
    static func run(_ command: Command, sink: @escaping @Sendable (UnsafeRawBufferPointer) -> Void) async throws -> StepOutcome {
        let session = Session()
        return try await withTaskCancellationHandler {
            // A task of its own, which nobody cancels: the library would close the pipe at once, and a command that says something
            // as it ends would die of that.
            try await Task { try await run(command, in: session, sink) }.value
        } onCancel: {
            session.end(grace: grace)
        }
    }

    private static func run(
        _ command: Command, in session: Session, _ sink: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
    ) async throws -> StepOutcome {
        var options = PlatformOptions()
        options.createSession = true
        defer { session.ended() }
        do {
            let result = try await Subprocess.run(
                .path(FilePath(command.executable)), arguments: Arguments(command.arguments),
                environment: .custom(command.environment.map { Array("\($0.key)=\($0.value)".utf8) + [0] }),
                workingDirectory: command.directory.map { FilePath($0) }, platformOptions: options,
                input: .none, output: .sequence, error: .combinedWithOutput
            ) { execution in
                session.began(execution.processIdentifier.value, grace: grace)
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
    /// lives, the kernel gives the group's number to nobody else. Dead members that nobody has waited for yet are none of ours: their
    /// parent, or init, may take its time.
    private static func endSession(of leader: pid_t) async {
        for signal in [SIGTERM, SIGKILL] {
            guard kill(-leader, signal) == 0 else { return }
            for _ in 0..<50 {
                guard Leftovers.isAlive(group: leader) else { return }
                try? await Task.sleep(for: .milliseconds(20))  // nobody cancels it
            }
        }
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

/// The session of a child process, and whether it is to end.
private final class Session: Sendable {
    private enum State {
        case starting(isToEnd: Bool)
        case running(leader: pid_t)
        case ended
    }

    private let state = Mutex(State.starting(isToEnd: false))

    func began(_ leader: pid_t, grace: Duration) {
        let isToEnd = state.withLock { state in
            defer { state = .running(leader: leader) }
            if case .starting(let isToEnd) = state { return isToEnd }
            return false
        }
        if isToEnd { end(grace: grace) }
    }

    func ended() {
        state.withLock { $0 = .ended }
    }

    /// Asks the whole session to end, and kills what has not gone after the grace.
    func end(grace: Duration) {
        let leader = state.withLock { state -> pid_t? in
            switch state {
            case .starting:
                state = .starting(isToEnd: true)
                return nil
            case .running(let leader):
                return leader
            case .ended:
                return nil
            }
        }
        guard let leader else { return }
        kill(-leader, SIGTERM)
        Task {
            try await Task.sleep(for: grace)
            state.withLock { if case .running = $0 { _ = kill(-leader, SIGKILL) } }
        }
    }
}
