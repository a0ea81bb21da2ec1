package import Domain
import Glibc

/// Runs steps as child processes of the daemon; git and the release directory are its own work.
///
/// It lives on the queue of the worker that uses it, so blocking file work has that worker's thread.
package actor ChildRunner: StepRunner {
    private let executor: SerialQueueExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let state: StateDirectory
    private let mirrors: GitMirrors
    private var running: [StepID: Task<StepOutcome, Never>] = [:]

    package init(executor: SerialQueueExecutor, state: StateDirectory, mirrors: GitMirrors) {
        self.executor = executor
        self.state = state
        self.mirrors = mirrors
    }

    package func start(_ order: StepOrder) {
        guard running[order.id] == nil else { return }
        running[order.id] = Task { await perform(order) }
    }

    package func wait(for id: StepID) async -> StepOutcome {
        guard let task = running[id] else { return .failed(reason: "the step was lost") }
        let outcome = await task.value
        running[id] = nil
        return outcome
    }

    package func stop(_ id: StepID) {
        running[id]?.cancel()
    }

    private func perform(_ order: StepOrder) async -> StepOutcome {
        let log: StepLog
        do {
            let path = try state.prepareLog(order.id, step: order.step.name)
            log = try StepLog(path: path, mask: LogMask(secrets: order.secrets), limit: order.app.logLimit, goesOn: order.again != nil)
            if let again = order.again { log.append(line: again) }
        } catch {
            return .failed(reason: "\(error)")
        }
        defer { log.close() }
        do {
            let outcome = try await perform(order, log: log)
            if let failure = log.failure { return .failed(reason: failure) }
            return outcome
        } catch let error as ExecError {
            log.append(line: "bittern: \(error.phrase)")
            return .failed(reason: error.phrase)
        } catch {
            return Task.isCancelled ? .stopped : .failed(reason: "\(error)")
        }
    }

    private func perform(_ order: StepOrder, log: StepLog) async throws -> StepOutcome {
        let release = ReleaseDirectory(root: order.app.root, path: order.releaseDirectory)
        switch order.step.work {
        case .fetch:
            return try await mirrors.fetch(order, log: log)
        case .checkout:
            try release.create(umask: order.app.umask)
            let outcome = try await mirrors.checkout(order, into: release.path, log: log)
            if outcome == .succeeded { try release.writeRevision(order.job.commit, umask: order.app.umask) }
            return outcome
        case .activate:
            try release.activate()
            log.append(line: "\(order.app.root)/current -> releases/\(order.job.id)-\(order.job.commit.short)")
            return .succeeded
        case .command(let step):
            try state.prepareHome(app: order.app.name)
            return await StepSupervisor(order.shell(step), limits: order.limits, log: log).run()
        }
    }
}

extension StepOrder {
    /// The step's command as a process: the shell, with the umask the app asks for and the job's mark.
    func shell(_ step: StepCommand) -> Command {
        var environment = step.environment
        for (name, secret) in step.secrets {
            environment[name] = secret.withBytes { String(decoding: $0, as: UTF8.self) }
        }
        let mark = JobMark(job: job.id, releaseDirectory: releaseDirectory)
        return Self.withUmask(app.umask, "/bin/sh", ["-euc", step.script], environment, directory: releaseDirectory, mark: mark)
    }

    /// A program under a umask, and with a mark if there is one; the shell in front of it replaces itself, so the program has both
    /// before it can start anything.
    static func withUmask(
        _ umask: UInt16, _ program: String, _ arguments: [String], _ environment: [String: String], directory: String?,
        mark: JobMark? = nil
    ) -> Command {
        let commands = ["umask 0\(String(umask, radix: 8))", mark?.script, "exec \"$0\" \"$@\""]
        let script = commands.compactMap(\.self).joined(separator: "; ")
        return Command("/bin/sh", ["-c", script, program] + arguments, environment: environment, directory: directory, mark: mark)
    }

    var limits: StepSupervisor.Limits {
        .init(step: step.timeout, silence: app.noOutputTimeout)
    }

    /// Whatever must not be seen in this step's output: all the app and its account have, whether or not this step got it.
    var secrets: [Secret] {
        Array(app.secrets.values) + account.hookSecrets + account.gitSecrets
    }
}
