import Domain
import Exec
import ServiceLifecycle
import Storage

/// Has the ledger forget, and removes the logs of jobs, once they are older than the configuration wants them.
actor Janitor: Service {
    /// What was removed in one round.
    struct Removed: Sendable, Equatable {
        var deliveries = 0
        var jobs = 0
        /// Jobs whose logs were removed.
        var logs = 0
    }

    /// A start has better things to do first.
    static let patience: Duration = .seconds(60)
    private static let pause: Duration = .seconds(86_400)

    private let retention: @Sendable () -> Retention
    private let ledger: Ledger
    private let state: StateDirectory
    private let reporter: Reporter
    private let clock: WallClock
    private let patience: Duration
    /// Removing files blocks, and the threads of the pool are for those who answer.
    private let executor = SerialQueueExecutor(label: "janitor")

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - retention: asked before each round.
    ///   - patience: how long the first round waits.
    init(
        retention: @escaping @Sendable () -> Retention, ledger: Ledger, state: StateDirectory, reporter: Reporter, clock: WallClock,
        patience: Duration = patience
    ) {
        self.patience = patience
        self.retention = retention
        self.ledger = ledger
        self.state = state
        self.reporter = reporter
        self.clock = clock
    }

    /// Cleans once a day until the daemon stops.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            var pause = self.patience
            // Sleeping fails only when it is time to go.
            while (try? await Task.sleep(for: pause)) != nil {
                await self.cleanAndReport()
                pause = Self.pause
            }
        }
    }

    /// One round.
    func clean() async throws -> Removed {
        let (now, retention) = (clock.now, retention())
        return Removed(
            deliveries: try await ledger.forgetDeliveries(receivedBefore: now.advanced(by: .zero - retention.deliveries)),
            jobs: try await ledger.forgetJobs(endedBefore: now.advanced(by: .zero - retention.jobs)),
            logs: try await removeLogs(endedBefore: now.advanced(by: .zero - retention.logs)))
    }

    private func cleanAndReport() async {
        do {
            let removed = try await clean()
            if removed != Removed() { reporter.cleaned(deliveries: removed.deliveries, jobs: removed.jobs, logs: removed.logs) }
        } catch {
            // What was broken off because the daemon stops is taken up by the next one.
            if !Task.isCancelled { reporter.notCleaned("\(error)") }
        }
    }

    private func removeLogs(endedBefore moment: Timestamp) async throws -> Int {
        var removed = 0
        for job in try await ledger.pastJobs(among: state.jobsWithLogs(), endedBefore: moment) where !Task.isCancelled {
            try state.removeLogs(of: job)
            removed += 1
        }
        return removed
    }
}
