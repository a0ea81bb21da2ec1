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
        var superseded: [Int64] = []
        // First out, then in: two queued jobs of one app and ref are never there together.
        for older in try older(in: database) {
            try supersede(older, in: database)
            superseded.append(older.job)
        }
        try database.direct(
            """
            INSERT INTO jobs (app, repository, ref, commit_id, cause, change, delivery, lock_name, state, queued_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)
            """, app, repository, ref.full, commit, cause.rawValue, change, delivery, lock, at)
        return (job: database.lastInsertedRowID, superseded: superseded)
    }

    private struct Older {
        let job: Int64
        let wasStarted: Bool
        /// The number of the job that takes its place.
        let next: Int64
    }

    /// The jobs that wait and would be overtaken.
    private func older(in database: Database) throws -> [Older] {
        var all: [Older] = []
        // The next number is the one after the greatest.
        try database.directRows(
            """
            SELECT id, 0, (SELECT max(id) + 1 FROM jobs) FROM jobs
            WHERE app = ?1 AND ref = ?2 AND state = 'queued' AND starts = 0 AND cause IN ('push', 'catch-up')
            UNION ALL
            SELECT id, 1, (SELECT max(id) + 1 FROM jobs) FROM jobs
            WHERE app = ?1 AND ref = ?2 AND state = 'queued' AND NOT (starts = 0 AND cause IN ('push', 'catch-up'))
              AND cause IN ('push', 'catch-up') AND revert_state IS NULL
              -- One that went live before the daemon stopped is to finish what it began.
              AND NOT EXISTS (SELECT 1 FROM releases WHERE releases.job = jobs.id AND releases.state = 'live')
            """, app, ref.full
        ) { all.append(Older(job: $0.integer(0), wasStarted: $0.integer(1) > 0, next: $0.integer(2))) }
        return all
    }

    private func supersede(_ older: Older, in database: Database) throws {
        try database.direct(
            // OR FAIL: a change of a job's state has a trigger, and to undo both alone SQLite would set 64 KB aside for each; here nothing
            // of the transaction is kept when one of its statements fails.
            "UPDATE OR FAIL jobs SET state = 'superseded', reason = ?, finished_at = ?, superseded_by = ? WHERE id = ?",
            "superseded by job \(older.next)", at, older.next, older.job)
        // One that was put back may have begun a release.
        if older.wasStarted {
            try database.direct(
                "UPDATE releases SET state = 'failed', failed_at = ? WHERE job = ? AND state = 'building'", at, older.job)
        }
    }
}
