package import Domain
import GRDB

extension Ledger {
    /// Jobs that were running when a daemon died, with the release each had begun, or goes to.
    package func interruptedJobs() async throws -> [(job: Job, release: Release?)] {
        try await read { database in
            try database.rows("SELECT \(Job.columns) FROM jobs WHERE state = 'running' ORDER BY id").map { row in
                let job = try Job(row: row)
                let release = try database.row("SELECT * FROM releases WHERE job = ?", [job.release ?? job.id]).map(Release.init(row:))
                return (job: job, release: release)
            }
        }
    }

    /// Puts a job back that was running when a daemon died; the start that died counts as an attempt.
    ///
    /// - Returns: how it ended instead, because a newer push waits; nil: it waits again.
    @discardableResult
    package func requeue(job: Int64, at now: Timestamp) async throws -> JobEnd? {
        try await write { database in
            try Self.putBack(job: job, countsAttempt: true, at: now, in: database)
        }
    }
}
