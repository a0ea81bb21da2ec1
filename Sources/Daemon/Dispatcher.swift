import Domain
import Exec
import ServiceLifecycle
import Storage
import Synchronization

/// Gives queued jobs to idle workers, at once when either appears.
actor Dispatcher: Service {
    private let executor = SerialQueueExecutor(label: "dispatcher")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let live: LiveConfiguration
    private let ledger: Ledger
    private let reporter: Reporter
    private let statusBoard: StatusBoard
    private let clock: WallClock
    private let state: StateDirectory
    private let workers: [Worker]
    private let changed: @Sendable () -> Void
    /// Whether steps end with the daemon, so that it waits for them.
    private let drains: Bool

    private var idle: [Int] {
        didSet { hasIdle.store(!idle.isEmpty, ordering: .sequentiallyConsistent) }
    }
    /// For those who push: with nobody to take a job there is nothing to dispatch, and whoever becomes idle looks for himself.
    private let hasIdle: Atomic<Bool>
    /// The worker of each job that runs.
    private var running: [Int64: (app: String, root: String, worker: Int)] = [:]
    /// Those that go on where the daemon before left them, before anything new is begun.
    private var resumed: [ResumedJob] = []
    private var isStopping = false
    /// Somebody does not want to wait for what runs.
    private var isHurried = false
    private var holdEnd: Task<Void, Never>?
    /// Apps whose jobs wait for space on a disk, and why.
    private(set) var shortages: [String: String] = [:]
    private var wakeUp: Task<Void, Never>?
    private static let pauseForSpace: Duration = .seconds(10)
    private let (wakings, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private var allIdle: CheckedContinuation<Void, Never>?

    /// - Parameter changed: called when jobs may have come to another state; from anywhere, any number of times.
    init(
        live: LiveConfiguration, ledger: Ledger, reporter: Reporter, statusBoard: StatusBoard, clock: WallClock,
        state: StateDirectory, workers: [Worker], drains: Bool, changed: @escaping @Sendable () -> Void = {}
    ) {
        self.changed = changed
        self.drains = drains
        self.live = live
        self.ledger = ledger.onOwnThread
        self.reporter = reporter
        self.statusBoard = statusBoard
        self.clock = clock
        self.state = state
        self.workers = workers
        idle = Array(workers.indices)
        hasIdle = Atomic(!workers.isEmpty)
    }

    /// The queue has changed. May be called from anywhere, any number of times.
    nonisolated func wake() {
        statusBoard.changed()
        if hasIdle.load(ordering: .sequentiallyConsistent) { waker.yield() }
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

    /// Jobs that are under way already; told before the first is dispatched.
    func resume(_ jobs: [ResumedJob]) {
        resumed += jobs
    }

    private func dispatch() async {
        while !isStopping, let worker = idle.last, !resumed.isEmpty {
            let job = resumed.removeFirst()
            await give(job.claimed, to: worker, from: job.resumption)
        }
        if !idle.isEmpty { await lookForSpace() }
        while !isStopping, let worker = idle.last {
            let claimed: ClaimedJob?
            do {
                claimed = try await ledger.claim(at: clock.now, except: Set(shortages.keys).union(appsInTheWay))
            } catch {
                reporter.ledgerTrouble("no job could be claimed: \(error)")
                return wakeLater()
            }
            guard let claimed else { break }
            await give(claimed, to: worker)
        }
        // While all are busy nothing can be let go.
        if !idle.isEmpty { await wakeWhenHoldEnds() }
    }

    /// Which apps must wait because a disk is nearly full: their releases', or Bittern's own, without which nothing can be done.
    private func lookForSpace() async {
        let configuration = live.current
        let least = configuration.minFree
        func shortage(at path: String) -> String? {
            guard let free = FileSystem.free(at: path), free < least else { return nil }
            return "only \(free >> 20) MB are free at \(path), and min_free wants \(least >> 20) MB"
        }
        var found: [String: String] = [:]
        let own = shortage(at: state.path)
        for app in configuration.apps { found[app.name] = own ?? shortage(at: app.root) }
        let isNew = !Set(found.keys).subtracting(shortages.keys).isEmpty
        if isNew, let (app, sentence) = found.min(by: { $0.key < $1.key }) {
            let whose = own == nil ? "jobs of \(found.count == 1 ? app : "\(found.count) apps")" : "all jobs"
            reporter.waitsForSpace("\(whose) wait: \(sentence)")
        }
        if found.isEmpty, !shortages.isEmpty { reporter.spaceIsBack() }
        shortages = found
        await statusBoard.jobsWait(because: found.values.min())
        if !found.isEmpty { wakeLater(after: Self.pauseForSpace) }
    }

    /// A hold that ends by itself lets jobs go of which nobody else will speak.
    private func wakeWhenHoldEnds() async {
        holdEnd?.cancel()
        // A ledger that cannot be read is asked again with the next waking.
        guard let end = try? await ledger.nextHoldEnd(after: clock.now) else { return }
        let delay = end.since(clock.now)
        holdEnd = Task {
            guard (try? await Task.sleep(for: delay + .milliseconds(1))) != nil else { return }  // cancelled: another one took over
            wake()
        }
    }

    /// The ledger could not be asked; nobody else will say when it can.
    private func wakeLater(after delay: Duration = .seconds(1)) {
        guard wakeUp == nil else { return }
        wakeUp = Task {
            try? await Task.sleep(for: delay)  // nobody cancels it
            wakeUp = nil
            wake()
        }
    }

    /// Apps whose root somebody works in under another name: a reload may rename an app whose job runs.
    private var appsInTheWay: [String] {
        live.current.apps.filter { app in running.values.contains { $0.root == app.root && $0.app != app.name } }.map(\.name)
    }

    /// Ends what waits for an app that a reload took away: nobody else would ever come to it, where the app is held.
    func abandonUnknown() async {
        let known = Set(live.current.apps.map(\.name))
        do {
            for job in try await ledger.jobs(app: nil, state: .queued, limit: 10_000) where !known.contains(job.app) {
                let end = Self.noLongerConfigured(job)
                if try await ledger.cancelQueued(job: job.id, end, at: clock.now) { reporter.jobEnded(job, end) }
            }
            changed()
        } catch {
            reporter.ledgerTrouble("\(error)")
        }
        wake()
    }

    private static func noLongerConfigured(_ job: Job) -> JobEnd {
        JobEnd(.failed, "\(job.app) is no longer configured")
    }

    private func give(_ claimed: ClaimedJob, to worker: Int, from resumption: Resumption? = nil) async {
        let configuration = live.current
        guard let app = configuration.apps.first(where: { $0.name == claimed.job.app }), let account = configuration.accounts[app.account]
        else {
            return await abandon(claimed.job)
        }
        changed()
        idle.removeAll { $0 == worker }
        running[claimed.job.id] = (app: app.name, root: app.root, worker: worker)
        Task {
            await workers[worker].run(
                claimed, app, account, environment: configuration.environment, home: state.home(app: app.name), from: resumption)
            await finished(claimed.job, worker: worker)
        }
    }

    private func finished(_ job: Job, worker: Int) async {
        idle.append(worker)
        running[job.id] = nil
        changed()
        await statusBoard.ended(app: job.app)
        // Once: two that end at the same moment both find everybody idle.
        if idle.count == workers.count {
            allIdle?.resume()
            allIdle = nil
        }
        wake()
    }

    /// The configuration no longer has the job's app.
    private func abandon(_ job: Job) async {
        let end = Self.noLongerConfigured(job)
        do {
            try await ledger.finish(job: job.id, end, at: clock.now)
            reporter.jobEnded(job, end)
            changed()
        } catch {
            reporter.ledgerTrouble("\(error)")
        }
    }

    /// Ends a job that waits, or asks the worker that runs it to.
    ///
    /// - Returns: false when the job has ended, or is on its way from the queue to a worker.
    func cancel(job: Int64, by requester: String) async throws -> Bool {
        let end = JobEnd.cancelledWhileQueued(by: requester)
        if try await ledger.cancelQueued(job: job, end, at: clock.now) {
            if let ended = try await ledger.job(job) { reporter.jobEnded(ended, end) }
            statusBoard.changed()
            changed()
            return true
        }
        guard let place = running[job] else { return false }
        return await workers[place.worker].cancel(job: job, by: requester)
    }

    /// Answers as soon as it is its turn: whoever waits for that knows that the dispatcher does not stand still.
    func tick() -> Bool { true }

    #if DEBUG
        /// Stops it for good, for tests of those who must notice.
        func freeze() {
            Freeze.standStill()
        }
    #endif

    /// A push queued jobs; those of apps that want it so take the place of what runs.
    nonisolated func accepted(_ delivery: AcceptedDelivery) {
        if !delivery.superseded.isEmpty { changed() }
        let impatientApps = live.inForce.impatientApps
        for verdict in delivery.verdicts where !impatientApps.isEmpty {
            guard let app = verdict.app, let job = verdict.job, impatientApps.contains(app) else { continue }
            Task { await cancelOlder(than: job, of: app) }
        }
        wake()
    }

    private func cancelOlder(than job: Int64, of app: String) async {
        for (old, place) in running where place.app == app && old < job {
            _ = await workers[place.worker].cancel(job: old, by: "job \(job)")
        }
    }

    /// Lets what runs finish for as long as `drain` allows, then ends it and has it put back.
    private func stop() async {
        isStopping = true
        holdEnd?.cancel()
        let drain = drains ? live.current.drain : .zero
        await statusBoard.stopping(within: drain)
        let drained = Task {
            if !isHurried, drains { try await Task.sleep(for: drain) }
            await halt()
        }
        await untilAllIdle()
        drained.cancel()
    }

    /// Ends what runs now; it is put back.
    func halt() async {
        isHurried = true
        guard isStopping else { return }
        for worker in workers { await worker.halt() }
    }

    private func untilAllIdle() async {
        guard idle.count < workers.count else { return }
        await withCheckedContinuation { allIdle = $0 }
    }
}
