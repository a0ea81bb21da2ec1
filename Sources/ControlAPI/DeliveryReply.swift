package import Domain

/// One webhook request as the ledger keeps it.
package struct DeliveryReply: Codable, Sendable, Equatable {
    package var id: String
    @Nullable package var account: String?
    @Nullable package var event: String?
    @Nullable package var request_id: String?
    package var remote_address: String
    package var received_at: String
    /// The HTTP status it was given.
    package var answer: Int
    /// Why it was refused.
    @Nullable package var reason: String?
    @Nullable package var duplicate_of: String?
    package var results: [Result]

    package init(
        id: Int64, account: String?, event: String?, requestID: String?, remoteAddress: String, receivedAt: Timestamp, answer: Int,
        reason: String?, duplicateOf: Int64?, verdicts: [Verdict]
    ) {
        self.id = String(id)
        self.account = account
        self.event = event
        request_id = requestID
        remote_address = remoteAddress
        received_at = receivedAt.rfc3339
        self.answer = answer
        self.reason = reason
        duplicate_of = duplicateOf.map(String.init)
        results = verdicts.map(Result.init)
    }

    /// What one change meant for one app, as the forge was told.
    package struct Result: Codable, Sendable, Equatable {
        @Nullable package var app: String?
        package var ref: String
        @Nullable package var commit: String?
        package var verdict: String
        @Nullable package var job: Int64?
        @Nullable package var reason: String?

        init(_ verdict: Verdict) {
            app = verdict.app
            ref = verdict.ref
            commit = verdict.commit?.hex
            self.verdict = verdict.kind.rawValue
            job = verdict.job
            reason = verdict.reason
        }
    }
}
