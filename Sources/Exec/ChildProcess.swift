import Domain
import Glibc
import Subprocess
import Synchronization
import SystemPackage

/// One child process in a session of its own, with the way it is ended declared before it starts.
///
/// swift-subprocess starts it with an empty signal mask and the default handlers, which a plain `posix_spawn` from a Dispatch thread
/// would not. When the surrounding task is cancelled, the whole tree of processes is asked to end and then made to: the session, and
/// what left it with the command's mark.
enum ChildProcess {
    /// TERM first; whoever has not gone after this long is killed.
    static let grace: Duration = .seconds(8)
    /// The same for what a command that ended by itself left running.
    private static let graceOfLeftovers: Duration = .seconds(1)
    /// How long to wait for what was killed; with ``grace`` it is less than 10 s.
    private static let patience: Duration = .milliseconds(1500)

    /// Runs the command to its end and gives its output, both streams as one, to `sink`; also what it says after it was asked to
    /// end.
    ///
    /// What the command left running is ended too, before this returns.
    /// - Throws: ``ExecError`` when it could not be started.
    static func run(_ command: Command, sink: @escaping @Sendable (UnsafeRawBufferPointer) -> Void) async throws -> StepOutcome {
        let session = Session(mark: command.mark)
        return try await withTaskCancellationHandler {
            // A task of its own, which nobody cancels: the library would close the pipe at once, and a command that says something
            // as it ends would die of that.
            try await Task { try await run(command, in: session, sink) }.value
        } onCancel: {
            session.end()
        }
    }

    private static func run(
        _ command: Command, in session: Session, _ sink: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
    ) async throws -> StepOutcome {
        var options = PlatformOptions()
        options.createSession = true
        defer { session.leaderEnded() }
        do {
            let result = try await Subprocess.run(
                .path(FilePath(command.executable)), arguments: Arguments(command.arguments),
                environment: .custom(command.environment.map { Array("\($0.key)=\($0.value)".utf8) + [0] }),
                workingDirectory: command.directory.map { FilePath($0) }, platformOptions: options,
                input: .none, output: .sequence, error: .combinedWithOutput
            ) { execution in
                session.began(execution.processIdentifier.value)
                for try await chunk in execution.standardOutput { chunk.withUnsafeBytes { sink($0) } }
            }
            // Nobody has the leader's number now but its group.
            let tree = ProcessTree(group: result.processIdentifier.value, mark: command.mark)
            if let (moment, asked) = session.leaderEnded() {
                await tree.end(asked: asked, grace: grace - moment.duration(to: .now), patience: patience)
            } else {
                await tree.end(grace: graceOfLeftovers, patience: patience)
            }
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
    /// When the processes were asked to end, and which.
    typealias Request = (moment: ContinuousClock.Instant, asked: ProcessTree.Addresses)

    private enum State {
        case starting(isToEnd: Bool)
        case running(leader: pid_t)
        case ending(leader: pid_t, Request)
        case ended
    }

    private let mark: JobMark?
    private let state = Mutex(State.starting(isToEnd: false))

    init(mark: JobMark?) {
        self.mark = mark
    }

    func began(_ leader: pid_t) {
        let isToEnd = state.withLock { state in
            defer { state = .running(leader: leader) }
            if case .starting(let isToEnd) = state { return isToEnd }
            return false
        }
        if isToEnd { end() }
    }

    /// - Returns: what was asked of the session before, if anything was.
    @discardableResult
    func leaderEnded() -> Request? {
        state.withLock { state in
            defer { state = .ended }
            if case .ending(_, let request) = state { return request }
            return nil
        }
    }

    /// Asks all processes to end, and kills the session when it has not gone after the grace; what left it is killed once
    /// the leader has ended.
    func end() {
        let isAsked = state.withLock { state in
            switch state {
            case .starting:
                state = .starting(isToEnd: true)
                return false
            case .running(let leader):
                // Under the lock, so that the leader's number is its own.
                state = .ending(leader: leader, (.now, ProcessTree(group: leader, mark: mark).send(SIGTERM)))
                return true
            case .ending, .ended:
                return false
            }
        }
        guard isAsked else { return }
        Task {
            try await Task.sleep(for: ChildProcess.grace)
            state.withLock { if case .ending(let leader, _) = $0 { _ = kill(-leader, SIGKILL) } }
        }
    }
}
