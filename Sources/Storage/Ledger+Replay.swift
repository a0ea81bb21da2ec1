package import Domain
import GRDB

extension Ledger {
    /// Queues the jobs of a delivery that is run through matching again, without the duplicate rules; the order rules hold for them as
    /// for a retry.
    ///
    /// - Parameters:
    ///   - changes: each with its number in the ledger.
    ///   - by: who asked.
    package func replay(
        delivery: Int64, _ changes: [(matched: MatchedChange, change: Int64?)], by: String, at now: Timestamp
    ) async throws -> [Verdict] {
        try await write { database in
            var verdicts: [Verdict] = []
            for (matched, change) in changes {
                for match in matched.matches {
                    verdicts.append(
                        try Self.replay(match, on: matched, change: change, delivery: delivery, by: by, at: now, in: database))
                }
            }
            return verdicts
        }
    }

    private static func replay(
        _ match: Match, on matched: MatchedChange, change: Int64?, delivery: Int64, by: String, at now: Timestamp, in database: Database
    ) throws -> Verdict {
        var verdict = Verdict(of: match, on: matched)
        guard match.decision == .deploy else { return verdict }
        guard let app = match.app, let change, let commit = matched.ref.commit else {
            verdict.reason = "there is nothing to deploy"
            return verdict
        }
        try database.run(
            """
            INSERT INTO jobs (app, repository, ref, commit_id, cause, requested_by, change, delivery, lock_name, state, queued_at)
            VALUES (?, ?, ?, ?, 'retry', ?, ?, ?, ?, 'queued', ?)
            """,
            [
                app, matched.repository?.description ?? "", matched.ref.refText, commit.blob, by, change, delivery, match.lock ?? app,
                now.milliseconds,
            ])
        verdict.kind = .queued
        verdict.job = database.lastInsertedRowID
        return verdict
    }
}
