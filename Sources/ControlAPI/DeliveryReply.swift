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
    @Nullable package var repository: String?
    /// The app whose own hook it came to; nil: the account's.
    @Nullable package var hook_app: String?
    /// What it said of each ref.
    package var changes: [ChangeReply]
    /// The fields of its head, without secrets.
    package var headers: [String]

    package init(
        id: Int64, account: String?, event: String?, requestID: String?, remoteAddress: String, receivedAt: Timestamp, answer: Int,
        reason: String?, duplicateOf: Int64?, verdicts: [Verdict], repository: String?, hookApp: String?, refs: [PushedRef],
        headers: String?
    ) {
        self.repository = repository
        hook_app = hookApp
        changes = refs.map(ChangeReply.init)
        self.headers = headers?.split(separator: "\n").map(String.init) ?? []
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

    /// What it said, as it is explained for any configuration; nil: no push was read from it.
    package var pushes: [ExplainedPush] {
        guard let account, let repository else { return [] }
        return changes.map { change in
            ExplainedPush(account: account, hookApp: hook_app, wasDelivered: true, repository: repository, ref: change.pushed)
        }
    }

    /// What the change at this place of ``changes`` meant, by app. A delivery may name a ref twice: the verdicts of each app are in the order
    /// of the changes.
    package func results(ofChange place: Int) -> [String: Result] {
        let ref = changes[place].ref
        let earlier = changes[..<place].count { $0.ref == ref }
        let same = results.filter { $0.ref == ref && $0.app != nil }
        return Dictionary(grouping: same) { $0.app ?? "" }.compactMapValues { $0.dropFirst(earlier).first }
    }

    /// One ref that was moved.
    package struct ChangeReply: Codable, Sendable, Equatable {
        package var ref: String
        @Nullable package var old: String?
        @Nullable package var new: String?
        /// Why nobody can deploy it.
        @Nullable package var unusable: String?

        init(_ ref: PushedRef) {
            self.ref = ref.refText
            switch ref {
            case .change(let change):
                old = change.old?.hex
                new = change.new?.hex
            case .unusable(_, let reason):
                unusable = reason
            }
        }

        var pushed: PushedRef {
            guard unusable == nil, let (kind, name) = RefName.split(ref) else { return .unusable(ref: ref, reason: unusable ?? "") }
            return .reading(kind, name: name, old: old, new: new)
        }
    }

    /// What one change meant for one app, as the forge was told.
    package struct Result: Codable, Sendable, Equatable {
        @Nullable package var app: String?
        package var ref: String
        @Nullable package var commit: String?
        package var verdict: String
        @Nullable package var job: Int64?
        @Nullable package var reason: String?

        /// `deploy` where the configuration let the change pass, whatever the rules for duplicates made of it; else `ignore`.
        package var decision: String { wasMatched ? "deploy" : "ignore" }

        private var wasMatched: Bool {
            verdict == Verdict.Kind.queued.rawValue || (app != nil && reason.map(Verdict.isDuplicate) == true)
        }

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
