package import Domain
import GRDB

extension Ledger {
    /// Stores a verified delivery with its verdicts and jobs, all or nothing, and says what became of it.
    ///
    /// The duplicate rules are decided here, from the ledger alone: a change that was accounted before makes no second job for an
    /// app that had one from it, and is matched anew for an app that had none. Once that is said, everything is on disk.
    ///
    /// `answer` is called on the writer's thread, so it must not take its time. After a failure nothing is stored.
    package func accept(_ delivery: Delivery, answer: @escaping @Sendable (Result<AcceptedDelivery, LedgerError>) -> Void) {
        accepting.accept(delivery, answer: answer)
    }

    /// The same for whoever can wait.
    ///
    /// - Throws: ``LedgerError``; nothing is stored then.
    package func accept(_ delivery: Delivery) async throws -> AcceptedDelivery {
        try await withCheckedThrowingContinuation { continuation in
            accept(delivery) { continuation.resume(with: $0) }
        }
    }
}

/// One delivery's part of the accepting transaction.
struct Acceptance {
    private let database: Database
    private let delivery: Delivery
    private var superseded: [(job: Int64, app: String, by: Int64)] = []

    init(_ database: Database, _ delivery: Delivery) {
        self.database = database
        self.delivery = delivery
    }

    /// A change with the number under which it is accounted, and the delivery that accounted it first.
    private struct Accounted {
        let change: Int64
        let isNew: Bool
        let delivery: Int64?
    }

    mutating func run() throws -> AcceptedDelivery {
        // What the configuration alone says; only a duplicate turns out to be less work.
        let expectsWork = delivery.changes.contains { $0.matches.contains { $0.decision == .deploy } }
        let answer = expectsWork ? 202 : 200
        var first: First?
        // Rule (a): the same account, request id and body came before. The index says so in passing.
        if try !insertDelivery(key: delivery.requestKey, answer: answer) {
            first = try firstOfRequest()
            _ = try insertDelivery(duplicateOf: first?.original, key: nil, answer: answer)
        }
        let id = database.lastInsertedRowID
        // Before any ref of it is looked for.
        if let naming = delivery.naming, first == nil { try database.note(naming, account: delivery.account) }
        var verdicts: [Verdict] = []
        var firsts: [Int64?] = []
        for matched in delivery.changes {
            let accounted = try account(matched, delivery: id, first: first?.delivery)
            firsts.append(accounted.flatMap { $0.isNew ? nil : $0.delivery })
            for match in matched.matches {
                let verdict = try decide(match, on: matched, accounted, delivery: id)
                try insert(verdict, at: verdicts.count, change: accounted?.change, delivery: id)
                verdicts.append(verdict)
            }
        }
        // A delivery repeats another when each of its changes was accounted before.
        let repeated = first?.original ?? (firsts.contains { $0 == nil } ? nil : firsts.first ?? nil)
        let accepted = AcceptedDelivery(id: id, duplicateOf: repeated, verdicts: verdicts, superseded: superseded)
        if accepted.queuedAnything != expectsWork || repeated != first?.original { try correctDelivery(accepted) }
        return accepted
    }

    /// The delivery with the same request.
    private struct First {
        let delivery: Int64
        /// Itself; or what it repeated, because it may have been a duplicate of a delivery with another request id.
        let original: Int64
    }

    private func firstOfRequest() throws -> First? {
        try database.direct("SELECT id, coalesce(duplicate_of, id) FROM deliveries WHERE request_key = ?", delivery.requestKey) {
            First(delivery: $0.integer(0), original: $0.integer(1))
        }
    }

    /// - Returns: false when another delivery has the key; nothing is stored then.
    private func insertDelivery(duplicateOf original: Int64? = nil, key: [UInt8]?, answer: Int) throws -> Bool {
        try database.direct(
            """
            INSERT INTO deliveries
                (account, event, request_id, remote_address, received_at, verified, answer, repository, body_hash, body_size, duplicate_of,
                 request_key, hook_app, headers)
            VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (request_key) WHERE request_key IS NOT NULL DO NOTHING
            """, delivery.account, delivery.event, delivery.requestID, delivery.remoteAddress, delivery.receivedAt, answer,
            delivery.repository, delivery.bodyHash, delivery.bodySize, original, key, delivery.hookApp, delivery.headers)
        return database.changesCount > 0
    }

    private func correctDelivery(_ accepted: AcceptedDelivery) throws {
        try database.direct(
            "UPDATE deliveries SET answer = ?, duplicate_of = ? WHERE id = ?",
            accepted.queuedAnything ? 202 : 200, accepted.duplicateOf, accepted.id)
    }

    /// nil for a ref nobody can use. A deletion is accounted too: after it the same commit may be pushed anew.
    ///
    /// - Parameter first: the delivery that this one repeats by rule (a).
    private func account(_ matched: MatchedChange, delivery id: Int64, first: Int64?) throws -> Accounted? {
        guard case .change(let change) = matched.ref, let repository = matched.repository else { return nil }
        let ref = try known(change.ref, in: repository)
        // What is sent again was accounted when it first came; a find is left to the delivery that tells of it.
        if let first, let earlier = try accounted(change, ref: ref.number, by: first) { return earlier }
        if let found = try claimFind(of: change, last: ref.last, delivery: id) { return found }
        if let earlier = try earlier(change, last: ref.last, delivery: id) { return earlier }
        let number = try database.account(
            ref: ref.number, after: ref.last?.change, old: change.old, new: change.new, delivery: id, at: delivery.receivedAt)
        return Accounted(change: number, isNew: true, delivery: id)
    }

    /// A ref with the last change of it that was accounted.
    private struct KnownRef {
        struct Last {
            let change: Int64
            let delivery: Int64?
            let new: CommitID?
        }

        let number: Int64
        var last: Last?
    }

    private func known(_ ref: RefName, in repository: RepositoryName) throws -> KnownRef {
        let found = try database.direct(
            """
            SELECT refs.id, last.id, last.delivery, last.new FROM refs LEFT JOIN changes AS last ON last.id = refs.last_change
            WHERE refs.account = ? AND refs.repository = ? AND refs.name = ?
            """, delivery.account, repository.folded, ref.full
        ) { row in
            KnownRef(
                number: row.integer(0),
                last: row.optionalInteger(1).map { .init(change: $0, delivery: row.optionalInteger(2), new: row.commit(3)) })
        }
        if let found { return found }
        try database.direct(
            "INSERT INTO refs (account, repository, name) VALUES (?, ?, ?)", delivery.account, repository.folded, ref.full)
        return KnownRef(number: database.lastInsertedRowID)
    }

    /// Rule (b): what a fetch or catch-up found as the ref's head, and no delivery has claimed yet, is now this delivery's. Where the
    /// ref came from is the delivery's word too: by that rules (a) and (c) know the move when it is told again.
    private func claimFind(of change: Change, last: KnownRef.Last?, delivery id: Int64) throws -> Accounted? {
        guard let last, last.delivery == nil, last.new == change.new else { return nil }
        try database.direct("UPDATE changes SET delivery = ?, old = ? WHERE id = ?", id, change.old, last.change)
        return Accounted(change: last.change, isNew: false, delivery: nil)
    }

    /// Rule (a): what a delivery accounted that came before. Whether the ref returned since to where the move began does not matter.
    private func accounted(_ change: Change, ref: Int64, by delivery: Int64) throws -> Accounted? {
        try database.direct(
            """
            SELECT changes.id, changes.delivery FROM verdicts JOIN changes ON changes.id = verdicts.change
            WHERE verdicts.delivery = ? AND changes.ref = ? AND changes.new IS ? AND changes.old IS ?
            LIMIT 1
            """, delivery, ref, change.new, change.old
        ) { Accounted(change: $0.integer(0), isNew: false, delivery: $0.optionalInteger(1)) }
    }

    /// Rule (c): the same move of the same ref was accounted, and the ref did not return to where it began since.
    private func earlier(_ change: Change, last: KnownRef.Last?, delivery id: Int64) throws -> Accounted? {
        // Nearly always: the ref is where the move begins.
        guard let last, last.new != change.old else { return nil }
        var find: Int64?
        for seen in database.history(from: last.change) {
            let seen = try seen.get()
            if seen.old == change.old, seen.new == change.new {
                // A later find of the same move is not what a delivery accounted.
                if let delivery = seen.delivery { return Accounted(change: seen.number, isNew: false, delivery: delivery) }
                find = find ?? seen.number
            }
            if seen.new == change.old { break }
        }
        // A find that is no longer the last change is told of late.
        guard let find else { return nil }
        try database.direct("UPDATE changes SET delivery = ? WHERE id = ?", id, find)
        return Accounted(change: find, isNew: false, delivery: nil)
    }

    private mutating func decide(
        _ match: Match, on matched: MatchedChange, _ accounted: Accounted?, delivery id: Int64
    ) throws -> Verdict {
        var verdict = Verdict(of: match, on: matched)
        guard match.decision == .deploy else { return verdict }
        guard let app = match.app, let accounted, case .change(let change) = matched.ref, let commit = change.new else {
            verdict.reason = "there is nothing to deploy"
            return verdict
        }
        if let job = try job(of: app, for: accounted) {
            verdict.reason = Verdict.duplicateReason(job: job)
            return verdict
        }
        verdict.kind = .queued
        verdict.job = try queue(match, app, change.ref, commit, change: accounted.change, repository: matched.repository, delivery: id)
        return verdict
    }

    private func job(of app: String, for accounted: Accounted) throws -> Int64? {
        guard !accounted.isNew else { return nil }
        return try database.direct(
            "SELECT id FROM jobs WHERE change = ? AND app = ? AND cause IN ('push', 'catch-up')", accounted.change, app
        ) { $0.integer(0) }
    }

    private mutating func queue(
        _ match: Match, _ app: String, _ ref: RefName, _ commit: CommitID, change: Int64, repository: RepositoryName?, delivery id: Int64
    ) throws -> Int64 {
        let new = NewJob(
            app: app, repository: repository?.description ?? "", ref: ref, commit: commit, cause: .push, change: change, delivery: id,
            lock: match.lock ?? app, at: delivery.receivedAt)
        let queued = try new.queue(in: database)
        superseded += queued.superseded.map { (job: $0, app: app, by: queued.job) }
        return queued.job
    }

    private func insert(_ verdict: Verdict, at position: Int, change: Int64?, delivery id: Int64) throws {
        try database.direct(
            """
            INSERT INTO verdicts (delivery, position, change, ref, commit_id, app, kind, job, reason)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, id, position, change, verdict.ref, verdict.commit, verdict.app, verdict.kind.rawValue, verdict.job, verdict.reason)
    }
}
