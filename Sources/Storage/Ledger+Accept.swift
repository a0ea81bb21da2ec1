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
        let original = try firstOfRequest()
        // What the configuration alone says; only a duplicate turns out to be less work.
        let expectsWork = delivery.changes.contains { $0.matches.contains { $0.decision == .deploy } }
        let id = try insertDelivery(duplicateOf: original, answer: expectsWork ? 202 : 200)
        var verdicts: [Verdict] = []
        var firsts: [Int64?] = []
        for matched in delivery.changes {
            let accounted = try account(matched, delivery: id, isRepeated: original != nil)
            firsts.append(accounted.flatMap { $0.isNew ? nil : $0.delivery })
            for match in matched.matches {
                let verdict = try decide(match, on: matched, accounted, delivery: id)
                try insert(verdict, at: verdicts.count, change: accounted?.change, delivery: id)
                verdicts.append(verdict)
            }
        }
        // A delivery repeats another when each of its changes was accounted before.
        let repeated = original ?? (firsts.contains { $0 == nil } ? nil : firsts.first ?? nil)
        let accepted = AcceptedDelivery(id: id, duplicateOf: repeated, verdicts: verdicts, superseded: superseded)
        if accepted.queuedAnything != expectsWork || repeated != original { try correctDelivery(accepted) }
        return accepted
    }

    /// Rule (a): the same account, request id and body came before.
    private func firstOfRequest() throws -> Int64? {
        guard let key = delivery.requestKey else { return nil }
        // What came before may have been a duplicate itself, of a delivery with another request id.
        return try database.direct("SELECT coalesce(duplicate_of, id) FROM deliveries WHERE request_key = ?", key) { $0.integer(0) }
    }

    private func insertDelivery(duplicateOf original: Int64?, answer: Int) throws -> Int64 {
        try database.direct(
            """
            INSERT INTO deliveries
                (account, event, request_id, remote_address, received_at, verified, answer, repository, body_hash, body_size, duplicate_of,
                 request_key)
            VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)
            """, delivery.account, delivery.event, delivery.requestID, delivery.remoteAddress, delivery.receivedAt, answer,
            delivery.repository, delivery.bodyHash, delivery.bodySize, original, original == nil ? delivery.requestKey : nil)
        return database.lastInsertedRowID
    }

    private func correctDelivery(_ accepted: AcceptedDelivery) throws {
        try database.direct(
            "UPDATE deliveries SET answer = ?, duplicate_of = ? WHERE id = ?",
            accepted.queuedAnything ? 202 : 200, accepted.duplicateOf, accepted.id)
    }

    /// nil for a ref nobody can use. A deletion is accounted too: after it the same commit may be pushed anew.
    private func account(_ matched: MatchedChange, delivery id: Int64, isRepeated: Bool) throws -> Accounted? {
        guard case .change(let change) = matched.ref, let repository = matched.repository else { return nil }
        let ref = try number(of: change.ref, in: repository)
        // What is sent again was accounted when it first came; a find is left to the delivery that tells of it.
        if isRepeated, let earlier = try earlier(change, ref: ref, delivery: id, isRepeated: true) { return earlier }
        if let found = try claimFind(of: change, ref: ref, delivery: id) { return found }
        if let earlier = try earlier(change, ref: ref, delivery: id, isRepeated: false) { return earlier }
        try database.direct(
            "INSERT INTO changes (ref, old, new, delivery, accounted_at) VALUES (?, ?, ?, ?, ?)",
            ref, change.old, change.new, id, delivery.receivedAt)
        return Accounted(change: database.lastInsertedRowID, isNew: true, delivery: id)
    }

    private func number(of ref: RefName, in repository: RepositoryName) throws -> Int64 {
        let found = try database.direct(
            "SELECT id FROM refs WHERE account = ? AND repository = ? AND name = ?", delivery.account, repository.folded, ref.full
        ) { $0.integer(0) }
        if let found { return found }
        try database.direct(
            "INSERT INTO refs (account, repository, name) VALUES (?, ?, ?)", delivery.account, repository.folded, ref.full)
        return database.lastInsertedRowID
    }

    /// Rule (b): what a fetch or catch-up found as the ref's head, and no delivery has claimed yet, is now this delivery's. Where the
    /// ref came from is the delivery's word too: by that rules (a) and (c) know the move when it is told again.
    private func claimFind(of change: Change, ref: Int64, delivery id: Int64) throws -> Accounted? {
        let last = try database.direct("SELECT id, delivery, new FROM changes WHERE ref = ? ORDER BY id DESC LIMIT 1", ref) {
            (change: $0.integer(0), delivery: $0.optionalInteger(1), new: $0.commit(2))
        }
        guard let last, last.delivery == nil, last.new == change.new else { return nil }
        try database.direct("UPDATE changes SET delivery = ?, old = ? WHERE id = ?", id, change.old, last.change)
        return Accounted(change: last.change, isNew: false, delivery: nil)
    }

    /// Rule (c): the same move of the same ref was accounted and the ref did not return to where it began since. By rule (a), of a
    /// delivery that came before, such a return does not matter: what it moved was accounted with it.
    private func earlier(_ change: Change, ref: Int64, delivery id: Int64, isRepeated: Bool) throws -> Accounted? {
        let earlier = try database.direct(
            """
            SELECT id, delivery FROM changes AS seen
            WHERE ref = ?1 AND new IS ?2 AND old IS ?3
              AND (?4 OR NOT EXISTS (SELECT 1 FROM changes WHERE ref = ?1 AND new IS ?3 AND id > seen.id))
            -- A later find of the same move is not what a delivery accounted.
            ORDER BY delivery IS NULL, id DESC LIMIT 1
            """, ref, change.new, change.old, isRepeated ? 1 : 0
        ) { Accounted(change: $0.integer(0), isNew: false, delivery: $0.optionalInteger(1)) }
        // A find that is no longer the last change is told of late.
        if let earlier, earlier.delivery == nil {
            try database.direct("UPDATE changes SET delivery = ? WHERE id = ?", id, earlier.change)
        }
        return earlier
    }

    private mutating func decide(
        _ match: Match, on matched: MatchedChange, _ accounted: Accounted?, delivery id: Int64
    ) throws -> Verdict {
        var verdict = Verdict(
            app: match.app, ref: matched.ref.refText, commit: matched.ref.commit, kind: .ignored, job: nil, reason: nil)
        if case .ignore(let reason) = match.decision {
            verdict.reason = reason
            return verdict
        }
        guard let app = match.app, let accounted, case .change(let change) = matched.ref, let commit = change.new else {
            verdict.reason = "there is nothing to deploy"
            return verdict
        }
        if let job = try job(of: app, for: accounted) {
            verdict.reason = "already job \(job); bittern retry \(job) runs it again"
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
