/// The life of one job, from the queue to its end.
///
/// ```
///                    start                       stepEnded (last step ok)
///        queued ───────────────▶ running(step) ─────────────────────────▶ ended(succeeded)
///          │                      │  ▲  │  │
///          │                      │  └──┘  ├─ stepEnded (failed, limit) ─▶ ended(failed), or reverting when it was activated
///          │                      │  step   └─ stepEnded (concluded) ─────▶ ended(superseded | skipped)
///          │                      │  ok     stepEnded (lost, outdated) ────▶ startAnew, putBack (so from reverting)
///          │     cancel, halt,    │
///          │     jobLimitReached  ▼
///          │                stopping(step, why) ── stepEnded ── cancel ───▶ ended(cancelled), or reverting
///          │                                          ├──────── job limit ▶ ended(failed), or reverting
///          │                                          └──────── halt ─────▶ putBack (queued again)
///          │                reverting(step, after) ── stepEnded, last ────▶ ended(as it came to it, with what became of the revert)
///          │                      │  ▲  └─ stepEnded ─┐
///          │                      │  └────────────────┘ next step, whether or not this one went well
///          │     halt, limit      ▼
///          │                stoppingRevert ────────── stepEnded ── halt ──▶ putBack; the next start goes on with it
///          │                                          └──────── job limit ▶ ended
///          ├─ cancel ─────────────────────────────────────────────────────▶ ended(cancelled)
///          └─ supersede ──────────────────────────────────────────────────▶ ended(superseded)
/// ```
///
/// Transitions and the method that makes each:
///
/// - queued → running, reverting: ``start(at:)``
/// - queued → ended(cancelled): ``cancel()``
/// - queued → ended(superseded): ``supersede(by:)``
/// - running → running (next step), reverting: ``stepEnded(_:)``
/// - running, reverting → queued (startAnew, putBack): ``stepEnded(_:)``
/// - running → ended(succeeded | failed | superseded | skipped): ``stepEnded(_:)``
/// - running → stopping, reverting → stoppingRevert: ``cancel()`` (not while it reverts), ``halt()``, ``jobLimitReached()``
/// - stopping → ended(cancelled | failed), reverting, queued: ``stepEnded(_:)``
/// - stopping(halt) → stopping(cancel): ``cancel()``
/// - reverting, stoppingRevert → reverting, ended, queued: ``stepEnded(_:)``
///
/// What is true in each state: in `queued` nothing of the job runs; in `running(n)` the steps before n succeeded and n was told to run; in
/// `stopping` and `stoppingRevert` a step was told to stop and has not answered; in `reverting` the job has failed or was cancelled with
/// its release live, and a step that goes back was told to run; in `ended` nothing runs and there is a reason. Every event in every
/// state is answered: what cannot happen there changes nothing (``Action/nothing``), because a cancel, a limit and the end of a step
/// may cross each other on their way here.
package struct JobMachine: Sendable, Equatable {
    /// What the caller must do after an event; the machine itself does nothing.
    package enum Action: Sendable, Equatable {
        case run(step: Int)
        /// The job comes to this end, but first goes back to the release before: write it down and run the step.
        case revert(step: Int, after: JobEnd)
        case stop(step: Int)
        case end(JobEnd)
        /// Queue the job again; this attempt does not count.
        case putBack
        /// What runs was lost: queue the job again; this attempt counts.
        case startAnew
        case nothing

        /// The step to run, whichever way it goes.
        package var step: Int? {
            switch self {
            case .run(let step), .revert(let step, _): step
            case .stop, .end, .putBack, .startAnew, .nothing: nil
            }
        }
    }

    private enum State: Sendable, Equatable {
        case queued
        case running(step: Int)
        case stopping(step: Int, why: Stop)
        case reverting(step: Int, Revert)
        case stoppingRevert(step: Int, Revert, why: Stop)
        case ended
    }

    private enum Stop: Sendable, Equatable {
        case cancel(by: String?)
        case jobLimit, halt
    }

    /// How the job will end, and what went wrong on the way back.
    fileprivate struct Revert: Sendable, Equatable {
        let end: JobEnd
        var switchedBack = false
        var trouble: String?
    }

    private var state = State.queued
    package let job: Int64
    /// For the reasons; of an annotated tag it is known only after the fetch.
    package var commit: CommitID
    private let plan: Plan
    private let steps: [PlannedStep]

    package init(job: Int64, commit: CommitID, plan: Plan) {
        self.job = job
        self.commit = commit
        self.plan = plan
        steps = plan.allSteps
    }

    /// A worker claimed the job. `step` is 0, or the first one that had not ended when a daemon died with the job activated.
    ///
    /// - Parameter end: how a job ends that was going back to the release before; `step` is one of those then.
    package mutating func start(at step: Int = 0, reverting end: JobEnd? = nil) -> Action {
        guard case .queued = state else { return .nothing }
        if let end {
            let revert = Revert(end: end, switchedBack: step > plan.steps.count)
            return step < steps.count ? run(step, revert) : conclude(revert)
        }
        guard step < plan.steps.count else { return self.end(succeeded) }
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
        case .reverting(let step, let revert):
            return revertStepEnded(step, outcome, revert)
        case .stoppingRevert(let step, let revert, let why):
            return stoppedRevertEnded(step, outcome, revert, why)
        }
    }

    /// Somebody wants the job gone. One that goes back already is on its way out.
    ///
    /// - Parameter requester: nil: a newer push takes its place.
    package mutating func cancel(by requester: String? = nil) -> Action {
        switch state {
        case .queued:
            return end(.cancelledWhileQueued(by: requester))
        case .running(let step):
            state = .stopping(step: step, why: .cancel(by: requester))
            return .stop(step: step)
        case .stopping(let step, .halt):
            state = .stopping(step: step, why: .cancel(by: requester))
            return .nothing
        case .stopping, .reverting, .stoppingRevert, .ended:
            return .nothing
        }
    }

    /// Whether a step runs, so that its end is still to be waited for; false also when the last one has ended and that is being noted.
    package var isUnderWay: Bool {
        switch state {
        case .running, .stopping, .reverting, .stoppingRevert: true
        case .queued, .ended: false
        }
    }

    /// Whether a step was told to stop, so that none must be started.
    package var isStopping: Bool {
        switch state {
        case .stopping, .stoppingRevert: true
        case .queued, .running, .reverting, .ended: false
        }
    }

    /// A newer job of the same app and ref takes its place in the queue; a running job is never superseded by a push.
    package mutating func supersede(by newer: Int64) -> Action {
        guard case .queued = state else { return .nothing }
        return end(.superseded(by: newer))
    }

    /// The job's `timeout` has passed since it started, or since it began to go back.
    package mutating func jobLimitReached() -> Action {
        stop(.jobLimit)
    }

    /// The daemon stops and will not wait any longer.
    package mutating func halt() -> Action {
        stop(.halt)
    }

    private mutating func stop(_ why: Stop) -> Action {
        switch state {
        case .running(let step):
            state = .stopping(step: step, why: why)
            return .stop(step: step)
        case .reverting(let step, let revert):
            state = .stoppingRevert(step: step, revert, why: why)
            return .stop(step: step)
        case .queued, .stopping, .stoppingRevert, .ended:
            return .nothing
        }
    }

    // MARK: Forward

    private mutating func runningStepEnded(_ step: Int, _ outcome: StepOutcome) -> Action {
        if let action = leaving(outcome) { return action }
        if case .concluded(let conclusion) = outcome { return end(conclusion) }
        if let failure = outcome.failure(ofStep: steps[step].name) { return fail(JobEnd(.failed, failure), done: step) }
        guard step + 1 < plan.steps.count else { return end(succeeded) }
        state = .running(step: step + 1)
        return .run(step: step + 1)
    }

    /// What sends a job back to the queue though nobody asked for it.
    private mutating func leaving(_ outcome: StepOutcome) -> Action? {
        switch outcome {
        case .lost:
            state = .queued
            return .startAnew
        case .outdated:
            state = .queued
            return .putBack
        case .succeeded, .exited, .signalled, .exceeded, .stopped, .failed, .fetched, .concluded:
            return nil
        }
    }

    private mutating func stoppedStepEnded(_ step: Int, _ outcome: StepOutcome, _ why: Stop) -> Action {
        // The end of a step may cross the order to stop it: one that had done its work counts as done.
        let done = outcome == .succeeded ? step + 1 : step
        switch why {
        case .cancel(let requester):
            let who = requester.map { " by \($0)" } ?? ""
            return fail(JobEnd(.cancelled, "cancelled\(who) during step \"\(steps[step].name)\""), done: done)
        case .jobLimit:
            return fail(JobEnd(.failed, limit(at: step)), done: done)
        case .halt where step == plan.steps.count - 1 && outcome == .succeeded:
            // The last step was quicker than the order to stop: nothing is left to do again.
            return end(succeeded)
        case .halt:
            state = .queued
            return .putBack
        }
    }

    private func limit(at step: Int) -> String {
        StepOutcome.exceeded(.job(plan.timeout)).failure(ofStep: steps[step].name) ?? ""
    }

    /// A release that went live goes back or stays live; the reason must not let anybody believe otherwise.
    ///
    /// - Parameter done: how many steps had succeeded.
    private mutating func fail(_ failure: JobEnd, done: Int) -> Action {
        guard plan.steps[..<done].contains(where: { $0.stage == .activate }) else { return end(failure) }
        switch plan.onFailure {
        case .keep: return end(failure.adding("release \(plan.release.release) stays live"))
        case .stuck: return end(failure.adding("release \(plan.release.release) stays live, for there is no good one to go back to"))
        case .goBack:
            let first = run(plan.steps.count, Revert(end: failure))
            return first.step.map { .revert(step: $0, after: failure) } ?? first
        }
    }

    // MARK: Back

    private mutating func run(_ step: Int, _ revert: Revert) -> Action {
        state = .reverting(step: step, revert)
        return .run(step: step)
    }

    private mutating func revertStepEnded(_ step: Int, _ outcome: StepOutcome, _ revert: Revert) -> Action {
        if let action = leaving(outcome) { return action }
        let revert = revert.noting(outcome, of: steps[step])
        // Nothing of the old release may be started while the new one is live.
        guard revert.switchedBack, step + 1 < steps.count else { return conclude(revert) }
        return run(step + 1, revert)
    }

    private mutating func stoppedRevertEnded(_ step: Int, _ outcome: StepOutcome, _ revert: Revert, _ why: Stop) -> Action {
        if why == .halt, outcome != .succeeded || step + 1 < steps.count {
            state = .queued
            return .putBack
        }
        return conclude(revert.noting(why == .jobLimit && outcome != .succeeded ? .exceeded(.job(plan.timeout)) : outcome, of: steps[step]))
    }

    private mutating func conclude(_ revert: Revert) -> Action {
        guard case .goBack(let target) = plan.onFailure else { return end(revert.end) }
        guard revert.switchedBack else {
            let trouble = revert.trouble.map { ": " + $0 } ?? ""
            return end(revert.end.adding("release \(plan.release.release) stays live, because going back failed\(trouble)"))
        }
        let trouble = revert.trouble.map { ", but " + $0 } ?? ""
        return end(revert.end.adding("rolled back to release \(target.release)\(trouble)"))
    }

    private mutating func end(_ end: JobEnd) -> Action {
        state = .ended
        return .end(end)
    }

    private var succeeded: JobEnd {
        JobEnd(.succeeded, "\(commit.short) is live \(plan.isRollback ? "again " : "")as release \(plan.release.release)")
    }
}

extension JobMachine.Revert {
    /// The first trouble is the one to tell.
    fileprivate func noting(_ outcome: StepOutcome, of step: PlannedStep) -> Self {
        var revert = self
        if step.stage == .switchBack { revert.switchedBack = outcome == .succeeded }
        revert.trouble = trouble ?? outcome.failure(ofStep: step.name)
        return revert
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

    /// The same end with more to its reason.
    func adding(_ more: String) -> JobEnd {
        JobEnd(state, reason + "; " + more, isVerdict: isVerdict, supersededBy: supersededBy)
    }

    package static func cancelledWhileQueued(by requester: String?) -> JobEnd {
        JobEnd(.cancelled, "cancelled\(requester.map { " by \($0)" } ?? "") while it was queued")
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

    /// Somebody named a commit that the ref does not hold, which says nothing of the ref's head.
    package static func notOn(_ commit: CommitID, _ ref: RefName) -> JobEnd {
        let sentence = "\(commit.short) is not on \(SafeText.shown(ref.full)) and was never released; name the branch that holds it"
        return JobEnd(.failed, sentence, isVerdict: false, supersededBy: nil)
    }

    private init(_ state: Job.State, _ reason: String, isVerdict: Bool, supersededBy: Int64?) {
        self.supersededBy = supersededBy
        self.state = state
        self.reason = reason
        self.isVerdict = isVerdict
    }
}
