package import Domain

/// What one change of a push means for one app, rule by rule.
package struct ExplanationReply: Codable, Sendable, Equatable {
    package var app: String
    package var ref: String
    /// Of a push that is only thought of none is known.
    @Nullable package var commit: String?
    package var rules: [Rule]
    /// `deploy` or `ignore`.
    package var verdict: String
    /// Why it is ignored.
    @Nullable package var reason: String?
    /// What was decided when the delivery came; nil where none did, or this app was not there.
    @Nullable package var then: DeliveryReply.Result?
    /// What the job became that it queued then.
    @Nullable package var job: JobReply?
    /// What holds a job back that is queued now.
    @Nullable package var hold: HoldReply?

    package init(
        _ explanation: Explanation, of push: ExplainedPush, then: DeliveryReply.Result? = nil, job: Job? = nil, hold: Hold? = nil
    ) {
        app = explanation.app
        ref = push.ref.refText
        commit = push.wasDelivered ? push.ref.commit?.hex : nil
        rules = explanation.rules.map(Rule.init)
        verdict = explanation.refusal == nil ? "deploy" : "ignore"
        reason = explanation.refusal
        self.then = then
        self.job = job.map(JobReply.init)
        self.hold = hold.map(HoldReply.init)
    }

    package struct Rule: Codable, Sendable, Equatable {
        package var name: String
        /// The value it looked at.
        package var seen: String
        package var passed: Bool
        @Nullable package var reason: String?

        init(_ rule: MatchRule) {
            name = rule.name
            seen = rule.seen
            passed = rule.passed
            reason = rule.reason
        }
    }
}

/// What came of a delivery that was run through matching again.
package struct ReplayReply: Codable, Sendable, Equatable {
    package var delivery: String
    package var results: [DeliveryReply.Result]

    package init(delivery: Int64, verdicts: [Verdict]) {
        self.delivery = String(delivery)
        results = verdicts.map(DeliveryReply.Result.init)
    }
}
