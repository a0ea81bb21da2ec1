package import Domain
import Glibc

/// Does the work of steps and chores in this process: the daemon's, or that of a unit which was made for one of them.
package struct StepPerformer: Sendable {
    private let mirrors: GitMirrors
    private let probe: any HealthProbe
    private let systemctl: Systemctl
    /// An app's HOME.
    private let home: String
    /// Whether the order came from somebody who may have been taken over: then the release must be a release and the commit one that was
    /// fetched for its job.
    private let isConfined: Bool

    package init(mirrors: GitMirrors, probe: any HealthProbe, systemctl: Systemctl, home: String, isConfined: Bool = false) {
        self.mirrors = mirrors
        self.probe = probe
        self.systemctl = systemctl
        self.home = home
        self.isConfined = isConfined
    }

    // MARK: Steps

    /// Does it to the end, or until the task is cancelled. What goes wrong stands in the log, too.
    package func perform(_ order: StepOrder, log: StepLog) async -> StepOutcome {
        await log.noting(isActivation: order.step.work == .activate) { try await outcome(of: order, log) }
    }

    private func outcome(of order: StepOrder, _ log: StepLog) async throws -> StepOutcome {
        switch order.step.work {
        case .fetch:
            return try await mirrors.fetch(order, log: log)
        case .checkout:
            // Not while the tree for it, or a cache, is being made.
            return try await mirrors.taking(root: order.app.root) { try await checkout(order, log) }
        case .activate:
            try checkRelease(of: order)
            if let trouble = try order.release.activate() { log.append(line: "\(trouble)") }
            let target = FileSystem.target(ofLink: order.app.root + "/current") ?? ""
            log.append(line: "\(order.app.root)/current -> \(target)")
            return .succeeded
        case .command(let command):
            try checkPlace(of: command, order)
            let limits = StepSupervisor.Limits(step: order.step.timeout, silence: order.app.noOutputTimeout)
            return await StepSupervisor(order.shell(command), limits: limits, log: log).run()
        case .units(let units, let reload):
            return try await systemctl.run(reload ? .reload : .restart, units, log: log)
        case .health(let health, let command):
            if case .run = health.question { try checkPlace(of: command, order) }
            return await HealthWatch(health: health, probe: probe, log: log).run { limit in
                await StepSupervisor(order.shell(command), limits: .init(step: limit, silence: nil), log: log).run()
            }
        }
    }

    /// A release is called by the first digits of its commit alone; the rest would have to be believed.
    private func checkRelease(of order: StepOrder) throws {
        guard isConfined, !order.release.hasRevision(order.step.release.commit) else { return }
        throw ExecError(.file, "\(order.release.path) is no release of \(order.step.release.commit.hex), or its REVISION was changed")
    }

    /// A link may have been put in the place of a release.
    private func checkPlace(of command: StepCommand, _ order: StepOrder) throws {
        try checkRelease(of: order)
        guard isConfined, !order.release.holds(command.directory) else { return }
        throw ExecError(.file, "\(command.directory) does not lie in the release \(order.release.path); is a link in its place?")
    }

    private func checkout(_ order: StepOrder, _ log: StepLog) async throws -> StepOutcome {
        if isConfined { try checkCommit(of: order) }
        // All that there is to bring the fetch has brought.
        var offline = order
        offline.account = order.account.showing(Credentials())
        let outcome = try await GitTree(mirrors: mirrors, order: offline, log: log).checkout()
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

    private func checkCommit(of order: StepOrder) throws {
        guard !mirrors.hasFetched(order.job.commit, for: order), !order.release.isSiblingKept(of: order.job.commit) else { return }
        throw ExecError(.git, "no branch or tag that \(order.app.name) is configured for holds \(order.job.commit.short)")
    }

    // MARK: Chores

    /// - Parameter log: of a notice; the others say nothing.
    package func perform(_ chore: Chore, after order: StepOrder, log: StepLog) async throws {
        switch chore {
        case .keepCaches(let wentLive):
            try await mirrors.taking(root: order.app.root) { try await keepCaches(of: order, wentLive: wentLive) }
        case .prepareTree:
            try await mirrors.taking(root: order.app.root) {
                try await GitTree(mirrors: mirrors, order: order, log: log).prepareSpare()
            }
        case .remove(let release):
            try ReleaseDirectory(root: order.app.root, path: release.path).discard()
        case .notify(let position, let event, let live):
            let command = Plan.notice(
                order.app.releases.notices[position], event, app: order.app, job: order.job, live: live, environment: order.environment,
                home: home)
            let outcome = await StepSupervisor(order.shell(command), limits: .init(step: .seconds(60), silence: nil), log: log).run()
            let name = Chore.noticeName(position)
            guard outcome == .succeeded else {
                throw ExecError(.file, outcome.failure(ofStep: name) ?? "\(name) did not succeed")
            }
        case .clearCaches:
            try ReleaseDirectory.clearCaches(root: order.app.root)
        }
    }

    private func keepCaches(of order: StepOrder, wentLive: Bool) async throws {
        let names = order.app.releases.cache
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
}

extension StepLog {
    /// Turns what is thrown into an outcome, and says it in the log; a log that could not be written is a failure of its own.
    ///
    /// - Parameter isActivation: what is live is live, whether or not a line about it could be written.
    func noting(isActivation: Bool, _ work: () async throws -> StepOutcome) async -> StepOutcome {
        do {
            let outcome = try await work()
            if let failure, !isActivation { return .failed(reason: failure) }
            return outcome
        } catch let error as ExecError {
            append(line: "bittern: \(error.phrase)")
            return .failed(reason: error.phrase)
        } catch {
            return Task.isCancelled ? .stopped : .failed(reason: "\(error)")
        }
    }
}

extension StepCommand {
    /// The command as a process: the shell, with the umask the app asks for, the job's mark, and no core dumps, which would hold secrets.
    func shell(umask: UInt16, mark: JobMark) -> Command {
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
}
