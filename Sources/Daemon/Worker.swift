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
    private let ended: @Sendable () -> Void
    private let credentials: @Sendable (Account) async throws -> Account

    /// The job at hand.
    private var machine: JobMachine?
    private var current: StepID?
    private var isHalted = false
    /// What is done when a job has ended, and nobody waits for.
    private var chores: Task<Void, Never>?

    /// - Parameters:
    ///   - executor: the queue on which this worker, and the runner if it wants to, does blocking work.
    ///   - progress: told what runs, whenever that changes.
    ///   - ended: told of every end, when it is in the ledger.
    ///   - credentials: the account with what it shows to git at this moment.
    init(
        executor: SerialQueueExecutor, runner: any StepRunner, ledger: Ledger, reporter: Reporter, clock: WallClock,
        progress: @escaping @Sendable (StatusSentence.Running) async -> Void, ended: @escaping @Sendable () -> Void,
        credentials: @escaping @Sendable (Account) async throws -> Account = { $0 }
    ) {
        self.credentials = credentials
        self.ended = ended
        self.executor = executor
        self.runner = runner
        self.ledger = ledger.onOwnThread
        self.reporter = reporter
        self.clock = clock
        self.progress = progress
    }

    /// Runs the job to its end, or until it is put back because the daemon stops.
    ///
    /// - Parameter resumption: where it goes on that another daemon had begun.
    func run(
        _ claimed: ClaimedJob, _ app: App, _ account: Account, environment: [String: String], home: String, from resumption: Resumption?
    ) async {
        var errand = Errand(
            claimed: claimed, app: app, account: account.used(by: app), environment: environment, home: home)
        if claimed.job.cause == .rollback, claimed.target == nil {
            return await conclude(errand, .end(JobEnd(.failed, "release \(claimed.job.release ?? 0) is no longer kept")))
        }
        var machine = JobMachine(job: errand.job.id, commit: errand.job.commit, plan: errand.plan)
        var action = machine.start(at: resumption?.position ?? claimed.firstStep(of: errand.plan), reverting: claimed.reverting)
        if isHalted, !runner.outlivesDaemon { _ = machine.halt() }
        self.machine = machine
        if resumption == nil { reporter.jobStarted(errand.job) }
        errand.isBegun = resumption?.isBegun ?? false
        // Going back has as much time as going forward had.
        let isNew = resumption == nil || claimed.reverting != nil
        let elapsed = isNew ? .zero : clock.now.since(claimed.job.startedAt ?? clock.now)
        var limit = Task { await endAtLimit(app.timeout - elapsed) }
        while let position = action.step {
            if case .revert = action {
                // Going back has as much time as going forward had.
                limit.cancel()
                limit = Task { await endAtLimit(app.timeout) }
            }
            guard let next = await perform(position, &errand) else {
                // The step goes on without this daemon, and so does the job.
                limit.cancel()
                self.machine = nil
                return
            }
            action = next
        }
        limit.cancel()
        self.machine = nil
        await conclude(errand, action)
    }

    /// The daemon stops: the step that runs is ended and its job put back, unless steps go on without a daemon.
    func halt() async {
        isHalted = true
        chores?.cancel()
        guard !runner.outlivesDaemon else { return await runner.leave() }
        await act(machine?.halt())
    }

    /// Somebody wants the job gone; the step that runs is ended. False when this worker does not have the job yet, or no longer: how it
    /// ends is settled then and on its way to the ledger.
    func cancel(job: Int64, by requester: String) async -> Bool {
        guard let machine, machine.job == job, machine.isUnderWay else { return false }
        await act(self.machine?.cancel(by: requester))
        return true
    }

    private func endAtLimit(_ limit: Duration) async {
        guard (try? await Task.sleep(for: max(limit, .zero))) != nil else { return }  // cancelled: the job ended before
        await act(machine?.jobLimitReached())
    }

    private func act(_ action: JobMachine.Action?) async {
        guard case .stop = action, let current else { return }
        await runner.stop(current)
    }

    /// - Returns: nil: the daemon leaves the step to the next one.
    private func perform(_ position: Int, _ errand: inout Errand) async -> JobMachine.Action? {
        let order = errand.order(position)
        let began = clock.now
        let hash = errand.isFirstStep ? order.app.configurationHash : nil
        errand.isFirstStep = false
        await progress(StatusSentence.Running(app: order.app.name, commit: order.job.commit, step: order.step.name, since: began))
        let isBegun = errand.isBegun
        errand.isBegun = false
        await durably {
            guard !isBegun else { return }
            if order.step.work == .checkout {
                try await self.ledger.releaseBegun(
                    job: order.job.id, app: order.app.name, commit: order.job.commit, path: order.step.release.path, at: began)
            }
            try await self.ledger.stepStarted(
                job: order.id.job, start: order.id.start, position: order.id.position, name: order.step.name, configurationHash: hash,
                at: began)
        }
        guard let ending = order.step.work == .fetch ? await fetch(order, &errand) : await ending(of: order) else { return nil }
        let outcome = ending.outcome
        let action = machine?.stepEnded(outcome) ?? .nothing
        let ended = clock.now
        let end = errand.end(of: order.step, outcome, action)
        await durably {
            try await self.ledger.stepEnded(
                job: order.job, start: order.id.start, position: order.id.position, outcome: outcome, usage: ending.usage, end,
                at: ended)
        }
        reporter.stepEnded(order.job, step: order.step.name, ending, took: ended.since(began))
        if let release = end.activated {
            if end.revertedFrom != nil {
                reporter.rolledBack(order.job, to: release)
            } else {
                reporter.released(order.job, release: release)
            }
        }
        return action
    }

    /// Fetches until the ``OrderRules`` have made up their mind, and has the job go on with the commit they name.
    ///
    /// - Returns: nil: the daemon leaves it to the next one.
    private func fetch(_ first: StepOrder, _ errand: inout Errand) async -> StepEnding? {
        var order = first
        var retry = FetchRetry()
        let began = clock.now
        if let trouble = await takeCredentials(&order) { return StepEnding(.failed(reason: trouble)) }
        while true {
            guard let ending = await ending(of: order) else { return nil }
            guard case .fetched(let fetched) = ending.outcome else { return ending }
            let elapsed = clock.now.since(began)
            let job = order.job
            let isOver = elapsed >= FetchRetry.patience
            let result = await durably(isAsking: true) {
                try await self.ledger.order(job, after: fetched, patienceIsOver: isOver, at: self.clock.now)
            }
            guard let result else { return StepEnding(.stopped) }
            if let queued = result.queued { reporter.headQueued(queued) }
            switch result.next {
            case .goOn(let commit):
                errand.job.commit = commit
                machine?.commit = commit
                let skips = fetched.facts.flatMap { FilterRules(order.app.filters).skips($0, cause: job.cause) }
                return StepEnding(skips.map { .concluded($0) } ?? .succeeded, ending.usage)
            case .end(let end):
                return StepEnding(.concluded(end), ending.usage)
            case .fetchAgain:
                let delay = retry.delay(after: .missing, elapsed: elapsed) ?? .zero
                order.again = "\(job.commit.short) was not there yet; trying again after \(delay.inWords)"
                order.id.round += 1
                await wait(delay)
            }
        }
    }

    /// An OAuth consumer has to be given a token before git can show it.
    ///
    /// - Returns: why it was given none.
    private func takeCredentials(_ order: inout StepOrder) async -> String? {
        guard order.account.consumer != nil else { return nil }
        var retry = FetchRetry()
        let began = clock.now
        while true {
            do {
                order.account = try await credentials(order.account)
                if case .accessToken(let token) = order.account.rest { order.accessToken = token }
                return nil
            } catch {
                guard machine?.isStopping != true, !isLeaving,
                    let delay = retry.delay(after: .unreachable, elapsed: clock.now.since(began))
                else { return "no access token could be had for git: \(error)" }
                await wait(delay)
            }
        }
    }

    /// Waits, but not longer than until the job is to stop.
    private func wait(_ delay: Duration) async {
        let end = ContinuousClock.now + delay
        while machine?.isStopping != true, !isLeaving, ContinuousClock.now < end {
            try? await Task.sleep(for: min(.milliseconds(100), end - .now))  // nobody cancels it
        }
    }

    /// Whether steps go on without this daemon from here on.
    private var isLeaving: Bool { isHalted && runner.outlivesDaemon }

    /// - Returns: nil: the daemon leaves the step to the next one.
    private func ending(of order: StepOrder) async -> StepEnding? {
        // The order to stop came while nothing ran that could have been stopped.
        guard machine?.isStopping != true else { return StepEnding(.stopped) }
        current = order.id
        defer { current = nil }
        await runner.start(order)
        let ending = await runner.wait(for: order.id)
        guard ending?.outcome == .lost, order.step.work == .activate, machine?.isStopping != true else { return ending }
        // The link leads to the release or not, and to switch it once more is the same.
        var again = order
        again.id.round += 1
        current = again.id
        await runner.start(again)
        return await runner.wait(for: again.id)
    }

    private func conclude(_ errand: Errand, _ action: JobMachine.Action) async {
        let (job, now) = (errand.job, clock.now)
        switch action {
        case .end(let end):
            let notices = errand.app.releases.notices
            await durably { try await self.ledger.finish(job: job.id, end, notices: notices, at: now) }
            reporter.jobEnded(job, end)
            ended()
            guard !isHalted else { return }
            let chores = Task { await self.tidy(errand, after: end) }
            self.chores = chores
            await chores.value
            self.chores = nil
        case .putBack:
            let end = await durably { try await self.ledger.putBack(job: job.id, at: now) }
            reporter.jobPutBack(job, end ?? nil)
        case .startAnew:
            await startAnew(errand)
        case .run, .revert, .stop, .nothing:
            // Only an end, a put-back or a new start ends the loop above; the machine's tests enumerate that.
            preconditionFailure("job \(job.id) left its pipeline without an end")
        }
    }

    /// What the job ran was lost with the host or the runner, which counts as an attempt.
    private func startAnew(_ errand: Errand) async {
        let (job, now) = (errand.job, clock.now)
        if let end = job.givenUp(maxAttempts: errand.app.maxAttempts) {
            let notices = errand.app.releases.notices
            await durably { try await self.ledger.finish(job: job.id, end, notices: notices, at: now) }
            reporter.jobEnded(job, end)
            return ended()
        }
        let end = await durably { try await self.ledger.requeue(job: job.id, at: now) }
        reporter.jobLost(job, end ?? nil)
    }

    /// Keeps what the next job can use and removes what nobody needs any more. Whatever goes wrong is said, and changes nothing.
    private func tidy(_ errand: Errand, after end: JobEnd) async {
        let order = errand.order(0)
        if let built = errand.plan.steps.first(where: { $0.stage == .checkout }), end.state != .superseded, end.state != .skipped {
            let wentLive = end.state == .succeeded
            if !order.app.releases.cache.isEmpty {
                await trying(order) { try await self.runner.perform(.keepCaches(wentLive: wentLive), after: order.working(on: built)) }
            }
            if wentLive { await trying(order) { try await self.runner.perform(.prepareTree, after: order) } }
        }
        await trying(order) {
            let releases = try await self.ledger.releases(of: order.app.name)
            let needed = try await self.ledger.neededReleases(of: order.app.name)
            let directory = { (release: Release) in ReleaseDirectory(root: order.app.root, path: release.path) }
            // What was live on another server, or was removed by hand, is no release to go back to.
            for release in releases where end.state == .succeeded && directory(release).isLost && !Task.isCancelled {
                guard try await self.ledger.giveUpRelease(release.id, at: self.clock.now) else { continue }
                try await self.ledger.releaseRemoved(release.id)
                self.reporter.releaseLost(release)
            }
            for release in ReleaseRetention.removable(releases, keep: order.app.releases.keep, needed: needed)
            where directory(release).isOurs {
                guard !Task.isCancelled else { return }
                // First nobody may want it any more; somebody may have asked for it meanwhile.
                guard try await self.ledger.giveUpRelease(release.id, at: self.clock.now) else { continue }
                await self.trying(order) {
                    let target = ReleaseTarget(release: release.id, commit: release.commit, path: release.path, ref: nil)
                    try await self.runner.perform(.remove(target), after: order)
                    try await self.ledger.releaseRemoved(release.id)
                    self.reporter.releaseRemoved(release)
                }
            }
        }
    }

    private func trying(_ order: StepOrder, _ chore: () async throws -> Void) async {
        do {
            try await chore()
        } catch {
            if !Task.isCancelled { reporter.choreFailed(order.job, "\(error)") }
        }
    }

    /// Writes to the ledger until it is written: what happened must be known before anything else happens. A full disk or a busy
    /// database holds the job here; when the daemon stops meanwhile, the next start examines the job anew, and this returns nil.
    ///
    /// - Parameter isAsking: what is written is a question that need not be answered once the job is to stop.
    @discardableResult
    private func durably<Result: Sendable>(isAsking: Bool = false, _ write: @Sendable () async throws -> Result) async -> Result? {
        var delay: Duration = .milliseconds(100)
        while true {
            do {
                return try await write()
            } catch {
                reporter.ledgerTrouble("\(error)")
                if isHalted || (isAsking && machine?.isStopping == true) { return nil }
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
    /// Nothing of this start has run yet.
    var isFirstStep = true
    /// The ledger knows of the next step already.
    var isBegun = false

    init(claimed: ClaimedJob, app: App, account: Account, environment: [String: String], home: String) {
        job = claimed.job
        self.claimed = claimed
        self.app = app
        self.account = account
        self.environment = environment
        self.home = home
    }

    var plan: Plan {
        Plan(
            app: app, job: job, environment: environment, previous: claimed.previous, home: home, target: claimed.target,
            goBack: claimed.goBack)
    }

    func order(_ position: Int) -> StepOrder {
        var order = StepOrder(
            id: StepID(job: job.id, start: claimed.start, position: position), app: app, account: account, job: job,
            step: plan.allSteps[position],
            ownDirectory: Plan.releaseDirectory(root: app.root, job: job.id, commit: claimed.job.commit), environment: environment,
            live: claimed.previous)
        (order.target, order.goBack) = (claimed.target, claimed.goBack)
        order.isResumed = isBegun
        return order
    }

    /// What the end of a step changes beside itself.
    func end(of step: PlannedStep, _ outcome: StepOutcome, _ action: JobMachine.Action) -> Ledger.StepEnd {
        var end = Ledger.StepEnd()
        if step.work == .activate, outcome == .succeeded {
            end.activated = step.release.release
            if step.stage == .switchBack { end.revertedFrom = plan.release.release }
        }
        if case .revert(_, let reverting) = action { end.reverting = reverting }
        return end
    }
}

extension StepOrder {
    /// The same order for another step.
    fileprivate func working(on step: PlannedStep) -> StepOrder {
        var order = self
        order.step = step
        return order
    }
}

extension ClaimedJob {
    /// Where to begin: at the beginning, or, when the release was live already, after the last step that ended well.
    func firstStep(of plan: Plan) -> Int {
        let positions = plan.allSteps.indices
        if reverting != nil {
            return positions.first { $0 >= plan.steps.count && !succeededSteps.contains(plan.allSteps[$0].name) } ?? plan.allSteps.count
        }
        guard isActivated else { return 0 }
        let activate = plan.steps.firstIndex { $0.stage == .activate } ?? 0
        return plan.steps.indices.first { $0 > activate && !succeededSteps.contains(plan.steps[$0].name) } ?? plan.steps.count
    }
}
