package import Domain
import GRDB

/// A job that a worker may run now, with what it must know of earlier starts.
package struct ClaimedJob: Sendable, Equatable {
    package var job: Job
    /// Tells the steps of this start from those of earlier ones.
    package var start: Int64
    /// The release of this job is live already: go on after `activate`, with the steps that had not succeeded.
    package var isActivated: Bool
    /// Positions of the steps that succeeded in an earlier start and count when ``isActivated``.
    package var succeededSteps: Set<Int>
    /// The commit that was live when the job was claimed.
    package var previous: CommitID?
}

extension Ledger {
    /// Takes the oldest queued job whose lock is free and makes it running; nil when there is none.
    package func claim(at now: Timestamp) async throws -> ClaimedJob? {
        try await write { database in
            let claimed = try database.row(
                """
                UPDATE jobs
                SET state = 'running', started_at = :now, starts = starts + 1, attempt = attempt + 1
                WHERE id = (
                    SELECT id FROM jobs AS waiting
                    WHERE state = 'queued'
                      -- One at a time per lock; the unique index holds it should this ever be wrong.
                      AND NOT EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND lock_name = waiting.lock_name)
                      -- A hold is for pushes; what a person asks for by name runs all the same.
                      AND (cause NOT IN ('push', 'catch-up') OR NOT EXISTS (
                          SELECT 1 FROM holds WHERE app = waiting.app AND (until IS NULL OR until > :now)))
                    ORDER BY id LIMIT 1)
                RETURNING id
                """, ["now": now.milliseconds])
            guard let id = claimed?["id"] as Int64?, let row = try database.row("SELECT \(Job.columns) FROM jobs WHERE id = ?", [id])
            else { return nil }
            let job = try Job(row: row)
            return ClaimedJob(
                job: job, start: row["starts"], isActivated: try Self.isActivated(job.id, in: database),
                succeededSteps: try Self.succeededSteps(of: job.id, in: database),
                previous: try Self.liveCommit(of: job.app, except: job.id, in: database))
        }
    }

    private static func isActivated(_ job: Int64, in database: Database) throws -> Bool {
        try database.row("SELECT 1 FROM releases WHERE job = ? AND state = 'live'", [job]) != nil
    }

    private static func succeededSteps(of job: Int64, in database: Database) throws -> Set<Int> {
        Set(try database.rows("SELECT position FROM steps WHERE job = ? AND state = 'succeeded'", [job]).map { $0["position"] })
    }

    private static func liveCommit(of app: String, except job: Int64, in database: Database) throws -> CommitID? {
        try database.row(
            """
            SELECT commit_id FROM releases WHERE app = ? AND state IN ('live', 'good') AND job <> ?
            ORDER BY state = 'live' DESC, activated_at DESC LIMIT 1
            """, [app, job])?.commit("commit_id")
    }
}
