import Domain
import Exec
import ServiceLifecycle
import Storage

/// Gives queued jobs to idle workers, at once when either appears.
actor Dispatcher: Service {
    private let configuration: Configuration
    private let ledger: Ledger
    private let reporter: Reporter
    private let statusBoard: StatusBoard
    private let clock: WallClock
    private let state: StateDirectory
    private let workers: [Worker]

    private var idle: [Int]
    private var isStopping = false
    private let (wakings, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private var allIdle: CheckedContinuation<Void, Never>?

    init(
        configuration: Configuration, ledger: Ledger, reporter: Reporter, statusBoard: StatusBoard, clock: WallClock,
        state: StateDirectory, workers: [Worker]
    ) {
        self.configuration = configuration
        self.ledger = ledger
        self.reporter = reporter
        self.statusBoard = statusBoard
        self.clock = clock
        self.state = state
        self.workers = workers
        idle = Array(workers.indices)
    }

    /// The queue has changed. May be called from anywhere, any number of times.
    nonisolated func wake() {
        waker.yield()
    }

    /// Dispatches until the daemon stops, then ends what runs and puts it back.
    func run() async throws {
        wake()
        await withGracefulShutdownHandler {
            for await _ in wakings { await dispatch() }
        } onGracefulShutdown: {
            self.waker.finish()
        }
        await stop()
    }

    private func dispatch() async {
        while !isStopping, let worker = idle.last {
            let claimed: ClaimedJob?
            do {
                claimed = try await ledger.claim(at: clock.now)
            } catch {
                reporter.ledgerTrouble("no job could be claimed: \(error)")
                return wakeLater()
            }
            guard let claimed else { break }
            await give(claimed, to: worker)
        }
        await statusBoard.queueChanged()
    }

    /// The ledger could not be asked; nobody else will say when it can.
    private func wakeLater() {
        Task {
            try await Task.sleep(for: .seconds(1))
            wake()
        }
    }

    private func give(_ claimed: ClaimedJob, to worker: Int) async {
        guard let app = configuration.apps.first(where: { $0.name == claimed.job.app }), let account = configuration.accounts[app.account]
        else {
            return await abandon(claimed.job)
        }
        idle.removeAll { $0 == worker }
        Task {
            await workers[worker].run(
                claimed, app, account, environment: configuration.environment, home: state.home(app: app.name))
            await finished(claimed.job, worker: worker)
        }
    }

    private func finished(_ job: Job, worker: Int) async {
        idle.append(worker)
        await statusBoard.ended(app: job.app)
        if idle.count == workers.count { allIdle?.resume() }
        wake()
    }

    /// The configuration no longer has the job's app.
    private func abandon(_ job: Job) async {
        let end = JobEnd(.failed, "\(job.app) is no longer configured")
        do {
            try await ledger.finish(job: job.id, end, at: clock.now)
            reporter.jobEnded(job, end)
        } catch {
            reporter.ledgerTrouble("\(error)")
        }
    }

    private func stop() async {
        isStopping = true
        await statusBoard.stopping()
        for worker in workers { await worker.halt() }
        guard idle.count < workers.count else { return }
        await withCheckedContinuation { allIdle = $0 }
    }
}
