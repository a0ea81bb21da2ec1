import Domain
import GRDB

/// A job that is about to be queued.
struct NewJob {
    var app: String
    var repository: String
    var ref: RefName
    var commit: CommitID
    var cause: Job.Cause
    var change: Int64
    var delivery: Int64?
    var lock: String
    var at: Timestamp

    /// Queues it; an older one of the same app and ref that still waits is superseded by it.
    func queue(in database: Database) throws -> (job: Int64, superseded: [Int64]) {
        // First out, then in: two queued jobs of one app and ref are never there together.
        let older = try database.rows(
            """
            UPDATE jobs SET state = 'superseded', reason = 'superseded by a newer push', finished_at = ?
            WHERE app = ? AND ref = ? AND state = 'queued' AND cause IN ('push', 'catch-up')
              -- One that went live before the daemon stopped is to finish what it began.
              AND NOT EXISTS (SELECT 1 FROM releases WHERE releases.job = jobs.id AND releases.state = 'live')
            RETURNING id
            """, [at.milliseconds, app, ref.full])
        try database.run(
            """
            INSERT INTO jobs (app, repository, ref, commit_id, cause, change, delivery, lock_name, state, queued_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)
            """, [app, repository, ref.full, commit.blob, cause.rawValue, change, delivery, lock, at.milliseconds])
        let job = database.lastInsertedRowID
        let superseded: [Int64] = older.map { $0["id"] }
        for old in superseded {
            try database.run("UPDATE jobs SET superseded_by = ?, reason = ? WHERE id = ?", [job, "superseded by job \(job)", old])
            // One that was put back may have begun a release.
            try database.run("UPDATE releases SET state = 'failed' WHERE job = ? AND state = 'building'", [old])
        }
        return (job: job, superseded: superseded)
    }
}
