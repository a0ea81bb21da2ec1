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

    package nonisolated var outlivesDaemon: Bool { false }

    package func start(_ order: StepOrder) {
        guard running[order.id] == nil else { return }
        running[order.id] = Task { await perform(order) }
    }

    package func wait(for id: StepID) async -> StepEnding? {
        guard let task = running[id] else { return StepEnding(.lost) }
        let outcome = await task.value
        running[id] = nil
        return StepEnding(outcome)
    }

    package func stop(_ id: StepID) {
        running[id]?.cancel()
    }

    /// Its steps end with their daemon.
    package func end(_ id: StepID) -> StepOutcome { .lost }

    /// Its steps end with the daemon.
    package func leave() {}

    private func perform(_ order: StepOrder) async -> StepOutcome {
        let log: StepLog
        do {
            let path = try state.prepareLog(order.id, step: order.step.name)
            log = try StepLog(
                path: path, mask: LogMask(secrets: order.secrets), limit: order.app.logLimit, goesOn: order.again != nil,
                journal: journals(order.job, order.step.name))
            if let again = order.again { log.append(line: again) }
            try state.prepareHome(app: order.app.name)
        } catch {
            return .failed(reason: "\(error)")
        }
        defer { log.close() }
        return await performer(for: order).perform(order, log: log)
    }

    private func performer(for order: StepOrder) -> StepPerformer {
        StepPerformer(mirrors: mirrors, probe: probe, systemctl: systemctl, home: state.home(app: order.app.name))
    }

    package func perform(_ chore: Chore, after order: StepOrder) async throws {
        let log: StepLog
        if case .notify(let position, _, _) = chore {
            let name = Chore.noticeName(position)
            try state.prepareHome(app: order.app.name)
            log = try StepLog(
                path: state.prepareNoticeLog(job: order.job.id, name: name), mask: LogMask(secrets: order.secrets),
                limit: order.app.logLimit, journal: journals(order.job, name))
        } else {
            log = try StepLog(path: "/dev/null", mask: LogMask(secrets: []), limit: 0)
        }
        defer { log.close() }
        try await performer(for: order).perform(chore, after: order, log: log)
    }
}
