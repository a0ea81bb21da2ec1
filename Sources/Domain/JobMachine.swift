/// The life of one job, from the queue to its end.
///
/// ```
///                    start                       stepEnded (last step ok)
///        queued ───────────────▶ running(step) ─────────────────────────▶ ended(succeeded)
///          │                      │  ▲  │  │
///          │                      │  └──┘  ├─ stepEnded (failed, limit) ─▶ ended(failed)
///          │                      │  step   └─ stepEnded (concluded) ─────▶ ended(superseded | skipped)
///          │                      │  ok
///          │     cancel, halt,    │
///          │     jobLimitReached  ▼
///          │                stopping(step, why) ── stepEnded ── cancel ───▶ ended(cancelled)
///          │                                          ├──────── job limit ▶ ended(failed)
///          │                                          └──────── halt ─────▶ putBack (queued again)
///          ├─ cancel ─────────────────────────────────────────────────────▶ ended(cancelled)
///          └─ supersede ──────────────────────────────────────────────────▶ ended(superseded)
/// ```
///
/// Transitions and the method that makes each:
///
/// - queued → running: ``start(at:)``
/// - queued → ended(cancelled): ``cancel()``
/// - queued → ended(superseded): ``supersede(by:)``
/// - running → running (next step): ``stepEnded(_:)``
/// - running → ended(succeeded | failed | superseded | skipped): ``stepEnded(_:)``
/// - running → stopping: ``cancel()``, ``halt()``, ``jobLimitReached()``
/// - stopping → ended(cancelled | failed), queued: ``stepEnded(_:)``
/// - stopping(halt) → stopping(cancel): ``cancel()``
///
/// What is true in each state: in `queued` nothing of the job runs and no release directory of it is live; in `running(n)` the steps
/// before n succeeded and n was told to run; in `stopping` a step was told to stop and has not answered; in `ended` nothing runs
/// and there is a reason. Every event in every state is answered: what cannot happen there changes nothing (``Action/nothing``),
/// because a cancel, a limit and the end of a step may cross each other on their way here.
package struct JobMachine: Sendable, Equatable {
    /// What the caller must do after an event; the machine itself does nothing.
    package enum Action: Sendable, Equatable {
        case run(step: Int)
        case stop(step: Int)
        case end(JobEnd)
        /// Queue the job again; this attempt does not count.
        case putBack
        case nothing
    }

    private enum State: Sendable, Equatable {
        case queued
        case running(step: Int)
        case stopping(step: Int, why: Stop)
        case ended
    }

    private enum Stop: Sendable, Equatable { case cancel, jobLimit, halt }

    private var state = State.queued
    package let job: Int64
    /// For the reasons; of an annotated tag it is known only after the fetch.
    package var commit: CommitID
    private let steps: [PlannedStep]
    private let timeout: Duration

    package init(job: Int64, commit: CommitID, plan: Plan) {
        self.job = job
        self.commit = commit
        steps = plan.steps
        timeout = plan.timeout
    }

    /// A worker claimed the job. `step` is 0, or the first one that had not ended when a daemon died with the job activated.
    package mutating func start(at step: Int = 0) -> Action {
        guard case .queued = state else { return .nothing }
        guard step < steps.count else { return end(succeeded) }
        state = .running(step: step)
        return .run(step: step)
    }

    /// The step that was told to run has ended, in whatever way.
    package mutating func stepEnded(_ outcome: StepOutcome) -> Action {
        switch state {
        case .queued, .ended:
            return .nothing
        case .running(let step):
            return runningStepEnded(step, outcome)
        case .stopping(let step, let why):
            return stoppedStepEnded(step, outcome, why)
        }
    }

    /// Somebody wants the job gone.
    package mutating func cancel() -> Action {
        switch state {
        case .queued:
            return end(JobEnd(.cancelled, "cancelled while it was queued"))
        case .running(let step):
            state = .stopping(step: step, why: .cancel)
            return .stop(step: step)
        case .stopping(let step, .halt):
            state = .stopping(step: step, why: .cancel)
            return .nothing
        case .stopping, .ended:
            return .nothing
        }
    }

    /// Whether a step was told to stop, so that none must be started.
    package var isStopping: Bool {
        if case .stopping = state { true } else { false }
    }

    /// A newer job of the same app and ref takes its place in the queue; a running job is never superseded by a push.
    package mutating func supersede(by newer: Int64) -> Action {
        guard case .queued = state else { return .nothing }
        return end(.superseded(by: newer))
    }

    /// The job's `timeout` has passed since it started.
    package mutating func jobLimitReached() -> Action {
        stop(.jobLimit)
    }

    /// The daemon stops and will not wait any longer.
    package mutating func halt() -> Action {
        stop(.halt)
    }

    private mutating func stop(_ why: Stop) -> Action {
        guard case .running(let step) = state else { return .nothing }
        state = .stopping(step: step, why: why)
        return .stop(step: step)
    }

    private mutating func runningStepEnded(_ step: Int, _ outcome: StepOutcome) -> Action {
        if case .concluded(let conclusion) = outcome { return end(conclusion) }
        if let failure = outcome.failure(ofStep: steps[step].name) { return end(failed(failure, at: step)) }
        guard step + 1 < steps.count else { return end(succeeded) }
        state = .running(step: step + 1)
        return .run(step: step + 1)
    }

    private mutating func stoppedStepEnded(_ step: Int, _ outcome: StepOutcome, _ why: Stop) -> Action {
        // The end of a step may cross the order to stop it: one that had done its work counts as done.
        let done = outcome == .succeeded ? step + 1 : step
        switch why {
        case .cancel:
            return end(JobEnd(.cancelled, "cancelled during step \"\(steps[step].name)\"" + afterActivation(done)))
        case .jobLimit:
            let limit = StepOutcome.exceeded(.job(timeout)).failure(ofStep: steps[step].name) ?? ""
            return end(failed(limit, at: done))
        case .halt where step == steps.count - 1 && outcome == .succeeded:
            // The last step was quicker than the order to stop: nothing is left to do again.
            return end(succeeded)
        case .halt:
            state = .queued
            return .putBack
        }
    }

    private mutating func end(_ end: JobEnd) -> Action {
        state = .ended
        return .end(end)
    }

    private var succeeded: JobEnd { JobEnd(.succeeded, "\(commit.short) is live as release \(job)") }

    private func failed(_ reason: String, at done: Int) -> JobEnd {
        JobEnd(.failed, reason + afterActivation(done))
    }

    /// A release that went live stays live; the reason must not let anybody believe otherwise.
    ///
    /// - Parameter done: how many steps had succeeded.
    private func afterActivation(_ done: Int) -> String {
        let activated = steps[..<done].contains { $0.stage == .activate }
        return activated ? "; release \(job) stays live" : ""
    }
}

/// How a job ended: a final state and the sentence that says why.
package struct JobEnd: Sendable, Equatable {
    package let state: Job.State
    package let reason: String
    /// Whether the end says something about the job's commit, so that the commit needs no other job. A superseded job says so
    /// only when its commit was live already.
    package let isVerdict: Bool
    /// The job that took its place, where there is one.
    package let supersededBy: Int64?

    package init(_ state: Job.State, _ reason: String) {
        self.state = state
        self.reason = reason
        isVerdict = state != .superseded
        supersededBy = nil
    }

    package static func superseded(by job: Int64) -> JobEnd {
        JobEnd(.superseded, "superseded by job \(job)", isVerdict: false, supersededBy: job)
    }

    /// The commit is live, so there was nothing to do.
    package static func alreadyLive(asRelease release: Int64) -> JobEnd {
        JobEnd(.superseded, "already live as release \(release)", isVerdict: true, supersededBy: nil)
    }

    /// The forge never showed the commit, which says nothing of it: it may yet come, and is to be deployed then.
    package static func neverAppeared(_ commit: CommitID, on ref: RefName) -> JobEnd {
        JobEnd(.failed, "\(commit.hex) never appeared on \(SafeText.shown(ref.full))", isVerdict: false, supersededBy: nil)
    }

    private init(_ state: Job.State, _ reason: String, isVerdict: Bool, supersededBy: Int64?) {
        self.supersededBy = supersededBy
        self.state = state
        self.reason = reason
        self.isVerdict = isVerdict
    }
}
