import Domain
import Exec
import Storage

/// Runs one job at a time, step by step, as the ``JobMachine`` says; what it does is in the ledger before the next step begins.
actor Worker {
    private let executor: SerialQueueExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let runner: any StepRunner
    private let ledger: Ledger
    private let reporter: Reporter
    private let clock: WallClock
    private let progress: @Sendable (StatusSentence.Running) async -> Void

    /// The job at hand.
    private var machine: JobMachine?
    private var current: StepID?
    private var isHalted = false

    /// - Parameters:
    ///   - executor: the queue on which this worker, and the runner if it wants to, does blocking work.
    ///   - progress: told what runs, whenever that changes.
    init(
        executor: SerialQueueExecutor, runner: any StepRunner, ledger: Ledger, reporter: Reporter, clock: WallClock,
        progress: @escaping @Sendable (StatusSentence.Running) async -> Void
    ) {
        self.executor = executor
        self.runner = runner
        self.ledger = ledger
        self.reporter = reporter
        self.clock = clock
        self.progress = progress
    }

    /// Runs the job to its end, or until it is put back because the daemon stops.
    func run(_ claimed: ClaimedJob, _ app: App, _ account: Account, environment: [String: String], home: String) async {
        var errand = Errand(claimed: claimed, app: app, account: account, environment: environment, home: home)
        var machine = JobMachine(job: errand.job.id, commit: errand.job.commit, plan: errand.plan)
        var action = machine.start(at: claimed.firstStep(of: errand.plan))
        if isHalted { _ = machine.halt() }
        self.machine = machine
        reporter.jobStarted(errand.job)
        let limit = Task { await endAtLimit(app.timeout) }
        defer { limit.cancel() }
        while case .run(let position) = action {
            let outcome = await perform(position, &errand)
            action = self.machine?.stepEnded(outcome) ?? .nothing
        }
        self.machine = nil
        await conclude(errand.job, action)
    }

    /// The daemon stops: the step that runs is ended and its job put back.
    func halt() async {
        isHalted = true
        await act(machine?.halt())
    }

    /// Somebody wants the job gone; the step that runs is ended. False when this worker does not have the job (yet).
    func cancel(job: Int64) async -> Bool {
        guard machine?.job == job else { return false }
        await act(machine?.cancel())
        return true
    }

    private func endAtLimit(_ limit: Duration) async {
        guard (try? await Task.sleep(for: limit)) != nil else { return }  // cancelled: the job ended before
        await act(machine?.jobLimitReached())
    }

    private func act(_ action: JobMachine.Action?) async {
        guard case .stop = action, let current else { return }
        await runner.stop(current)
    }

    private func perform(_ position: Int, _ errand: inout Errand) async -> StepOutcome {
        let order = errand.order(position)
        let began = clock.now
        await progress(StatusSentence.Running(app: order.app.name, commit: order.job.commit, step: order.step.name, since: began))
        await durably {
            if order.step.work == .checkout {
                try await self.ledger.releaseBegun(
                    job: order.job.id, app: order.app.name, commit: order.job.commit, path: order.releaseDirectory, at: began)
            }
            try await self.ledger.stepStarted(
                job: order.id.job, start: order.id.start, position: order.id.position, name: order.step.name, at: began)
        }
        let outcome = order.step.work == .fetch ? await fetch(order, &errand) : await outcome(of: order)
        let ended = clock.now
        await durably {
            if order.step.work == .activate, outcome == .succeeded {
                try await self.ledger.releaseActivated(job: order.job.id, app: order.app.name, at: ended)
            }
            try await self.ledger.stepEnded(
                job: order.id.job, start: order.id.start, position: order.id.position, outcome: outcome, at: ended)
        }
        reporter.stepEnded(order.job, step: order.step.name, outcome: outcome, took: ended.since(began))
        if order.step.work == .activate, outcome == .succeeded { reporter.released(order.job, path: order.releaseDirectory) }
        return outcome
    }

    /// Fetches until the ``OrderRules`` have made up their mind, and has the job go on with the commit they name.
    private func fetch(_ first: StepOrder, _ errand: inout Errand) async -> StepOutcome {
        var order = first
        var retry = FetchRetry()
        let began = clock.now
        while true {
            let outcome = await outcome(of: order)
            guard case .fetched(let fetched) = outcome else { return outcome }
            let elapsed = clock.now.since(began)
            let job = order.job
            let isOver = elapsed >= FetchRetry.patience
            let result = await durably { try await self.ledger.order(job, after: fetched, patienceIsOver: isOver, at: self.clock.now) }
            guard let result else { return .stopped }
            if let queued = result.queued { reporter.headQueued(queued) }
            switch result.next {
            case .goOn(let commit):
                errand.job.commit = commit
                machine?.commit = commit
                return .succeeded
            case .end(let end):
                return .concluded(end)
            case .fetchAgain:
                let delay = retry.delay(after: .missing, elapsed: elapsed) ?? .zero
                order.again = "\(job.commit.short) was not there yet; trying again after \(delay.inWords)"
                await wait(delay)
            }
        }
    }

    /// Waits, but not longer than until the job is to stop.
    private func wait(_ delay: Duration) async {
        let end = ContinuousClock.now + delay
        while machine?.isStopping != true, ContinuousClock.now < end {
            try? await Task.sleep(for: min(.milliseconds(100), end - .now))  // nobody cancels it
        }
    }

    private func outcome(of order: StepOrder) async -> StepOutcome {
        // The order to stop came while nothing ran that could have been stopped.
        guard machine?.isStopping != true else { return .stopped }
        current = order.id
        defer { current = nil }
        await runner.start(order)
        return await runner.wait(for: order.id)
    }

    private func conclude(_ job: Job, _ action: JobMachine.Action) async {
        let now = clock.now
        switch action {
        case .end(let end):
            await durably { try await self.ledger.finish(job: job.id, end, at: now) }
            reporter.jobEnded(job, end)
        case .putBack:
            await durably { try await self.ledger.putBack(job: job.id, at: now) }
            reporter.jobPutBack(job)
        case .run, .stop, .nothing:
            // Only an end or a put-back ends the loop above; the machine's tests enumerate that.
            preconditionFailure("job \(job.id) left its pipeline without an end")
        }
    }

    /// Writes to the ledger until it is written: what happened must be known before anything else happens. A full disk or a busy
    /// database holds the job here; when the daemon stops meanwhile, the next start examines the job anew, and this returns nil.
    @discardableResult
    private func durably<Result: Sendable>(_ write: @Sendable () async throws -> Result) async -> Result? {
        var delay: Duration = .milliseconds(100)
        while true {
            do {
                return try await write()
            } catch {
                reporter.ledgerTrouble("\(error)")
                if isHalted { return nil }
                try? await Task.sleep(for: delay)  // cancelled: try at once
                delay = min(delay * 2, .seconds(10))
            }
        }
    }
}

/// A claimed job with everything its steps need. Its commit may become another name of itself: an annotated tag is peeled once it
/// was fetched, and whatever is made of the commit is made anew then.
private struct Errand: Sendable {
    var job: Job
    let claimed: ClaimedJob
    let app: App
    let account: Account
    let environment: [String: String]
    let home: String

    init(claimed: ClaimedJob, app: App, account: Account, environment: [String: String], home: String) {
        job = claimed.job
        self.claimed = claimed
        self.app = app
        self.account = account
        self.environment = environment
        self.home = home
    }

    var plan: Plan {
        Plan(app: app, job: job, environment: environment, previous: claimed.previous, home: home)
    }

    func order(_ position: Int) -> StepOrder {
        let plan = plan
        return StepOrder(
            id: StepID(job: job.id, start: claimed.start, position: position), app: app, account: account, job: job,
            step: plan.steps[position], releaseDirectory: plan.releaseDirectory, environment: environment, live: claimed.previous)
    }
}

extension ClaimedJob {
    /// Where to begin: at the beginning, or, when the release was live already, after the last step that ended well.
    func firstStep(of plan: Plan) -> Int {
        guard isActivated else { return 0 }
        let activate = plan.steps.firstIndex { $0.stage == .activate } ?? 0
        return plan.steps.indices.first { $0 > activate && !succeededSteps.contains($0) } ?? plan.steps.count
    }
}
