/// Where a job goes on whose steps outlived the daemon that ran it.
package struct Resumption: Sendable, Equatable {
    /// In the plan.
    package var position: Int
    /// Whether the ledger knows of the step already; it may run, or have ended.
    package var isBegun: Bool

    package init(position: Int, isBegun: Bool) {
        self.position = position
        self.isBegun = isBegun
    }

    /// - Parameters:
    ///   - steps: of the start that is gone on with, by position.
    ///   - isReverting: whether the job goes back to the release before.
    ///   - first: where the start began.
    /// - Returns: nil when the steps are none of this plan's.
    package init?(of plan: Plan, after steps: [StepRecord], isReverting: Bool, first: Int) {
        guard let last = steps.last else {
            self.init(position: first, isBegun: false)
            return
        }
        guard plan.allSteps.indices.contains(last.position), plan.allSteps[last.position].name == last.name else { return nil }
        if isReverting, last.position < plan.steps.count {
            // What failed is written down together with the way back.
            self.init(position: plan.steps.count, isBegun: false)
            return
        }
        // Of one that did not succeed, and of what a fetch brought, the runner knows what the ledger does not say.
        let isDone = last.state == .succeeded && plan.allSteps[last.position].stage != .fetch
        self.init(position: isDone ? last.position + 1 : last.position, isBegun: !isDone)
    }
}
