package import Domain
import GRDB

extension Ledger {
    /// Queues a job that does the same as an ended one; nil when there is no such job or it has not ended.
    ///
    /// The order rules hold for it as for a push, so a retry of what is no longer the head ends as superseded.
    package func retry(job: Int64, lock: String, by: String?, at now: Timestamp) async throws -> Job? {
        try await write { database in
            try database.run(
                """
                INSERT INTO jobs (app, repository, ref, commit_id, cause, requested_by, change, delivery, lock_name, state, queued_at, retry_of)
                SELECT app, repository, ref, commit_id, 'retry', ?, change, delivery, ?, 'queued', ?, id
                FROM jobs WHERE id = ? AND finished_at IS NOT NULL
                """, [by, lock, now.milliseconds, job])
            guard database.changesCount > 0 else { return nil }
            let row = try database.row("SELECT \(Job.columns) FROM jobs WHERE id = ?", [database.lastInsertedRowID])
            return try row.map(Job.init(row:))
        }
    }
}
