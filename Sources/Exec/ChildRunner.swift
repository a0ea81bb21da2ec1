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
    private let probe: any HealthProbe
    private let systemctl: Systemctl
    private let journals: OutputJournals
    private var running: [StepID: Task<StepOutcome, Never>] = [:]

    package init(
        executor: SerialQueueExecutor, state: StateDirectory, mirrors: GitMirrors, probe: any HealthProbe, systemctl: Systemctl,
        journals: @escaping OutputJournals = { _, _ in nil }
    ) {
        self.executor = executor
        self.state = state
        self.mirrors = mirrors
        self.probe = probe
        self.systemctl = systemctl
        self.journals = journals
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
            log = try StepLog(
                path: path, mask: LogMask(secrets: order.secrets), limit: order.app.logLimit, goesOn: order.again != nil,
                journal: journals(order.job, order.step.name))
            if let again = order.again { log.append(line: again) }
        } catch {
            return .failed(reason: "\(error)")
        }
        defer { log.close() }
        return await log.noting(isActivation: order.step.work == .activate) { try await perform(order, log: log) }
    }

    private func perform(_ order: StepOrder, log: StepLog) async throws -> StepOutcome {
        if order.step.work == .fetch { return try await mirrors.fetch(order, log: log) }
        guard let work = StepWork(order.step, of: order.app, mark: order.mark) else {
            // Not while the tree for it, or a cache, is being made.
            return try await mirrors.taking(order.app.root) { try await checkout(order, log: log) }
        }
        if case .command = work { try state.prepareHome(app: order.app.name) }
        return await work.perform(log: log, probe: probe, systemctl: systemctl)
    }

    private func checkout(_ order: StepOrder, log: StepLog) async throws -> StepOutcome {
        let outcome = try await GitTree(mirrors: mirrors, order: order, log: log).checkout()
        guard outcome == .succeeded else { return outcome }
        let (release, settings) = (order.release, order.app.releases)
        try release.link(settings.shared)
        try release.takeCaches(settings.cache)
        try release.writeRevision(order.job.commit, umask: order.app.umask)
        if let directory = settings.directory, !FileSystem.isDirectory(release.path + "/" + directory) {
            return .failed(reason: "there is no directory \(directory) in the commit (directory)")
        }
        return .succeeded
    }

    // MARK: Chores

    package func perform(_ chore: Chore, after order: StepOrder) async throws {
        switch chore {
        case .keepCaches(let wentLive):
            let names = order.app.releases.cache
            guard !names.isEmpty else { return }
            try await mirrors.taking(order.app.root) {
                // One that is live for want of a better one needs them too.
                guard wentLive || order.release.isLive else { return try order.release.giveCachesBack(names) }
                for name in names {
                    guard let copy = try order.release.copyCache(name) else { continue }
                    let outcome = try await ChildProcess.run(copy) { _ in }
                    guard outcome == .succeeded else {
                        throw ExecError(.file, "the cache \(name) of \(order.app.name) could not be copied")
                    }
                    try order.release.keepCopy(of: name)
                }
            }
        case .prepareTree:
            let log = try StepLog(path: "/dev/null", mask: LogMask(secrets: []), limit: 0)
            defer { log.close() }
            try await mirrors.taking(order.app.root) {
                try await GitTree(mirrors: mirrors, order: order, log: log).prepareSpare()
            }
        case .remove(let path):
            let release = ReleaseDirectory(root: order.app.root, path: path)
            try release.discard()
        case .notify(let command, let name):
            try state.prepareHome(app: order.app.name)
            let log = try StepLog(
                path: state.prepareNoticeLog(job: order.job.id, name: name), mask: LogMask(secrets: order.secrets),
                limit: order.app.logLimit, journal: journals(order.job, name))
            defer { log.close() }
            let outcome = await StepSupervisor(order.shell(command), limits: .init(step: .seconds(60), silence: nil), log: log).run()
            guard outcome == .succeeded else {
                throw ExecError(.file, outcome.failure(ofStep: name) ?? "\(name) did not succeed")
            }
        }
    }
}

extension StepCommand {
    /// The command as a process: the shell, with the umask the app asks for, the job's mark, and no core dumps, which would hold secrets.
    package func shell(umask: UInt16, mark: JobMark) -> Command {
        var environment = environment
        for (name, secret) in secrets {
            environment[name] = secret.withBytes { String(decoding: $0, as: UTF8.self) }
        }
        return StepOrder.withUmask(
            umask, "/bin/sh", ["-euc", script], environment, directory: directory, mark: mark, dumpsCore: false)
    }
}

extension StepOrder {
    func shell(_ step: StepCommand) -> Command { step.shell(umask: app.umask, mark: mark) }

    /// A program under a umask, and with a mark if there is one; the shell in front of it replaces itself, so the program has both
    /// before it can start anything.
    static func withUmask(
        _ umask: UInt16, _ program: String, _ arguments: [String], _ environment: [String: String], directory: String?,
        mark: JobMark? = nil, dumpsCore: Bool = true
    ) -> Command {
        let commands = ["umask 0\(String(umask, radix: 8))", dumpsCore ? nil : "ulimit -c 0", mark?.script, "exec \"$0\" \"$@\""]
        let script = commands.compactMap(\.self).joined(separator: "; ")
        return Command("/bin/sh", ["-c", script, program] + arguments, environment: environment, directory: directory, mark: mark)
    }

    /// Whatever must not be seen in this step's output: all the app and its account have, whether or not this step got it.
    var secrets: [Secret] {
        Array(app.secrets.values) + account.hookSecrets + (app.hookSecrets ?? []) + account.gitSecrets
    }
}
