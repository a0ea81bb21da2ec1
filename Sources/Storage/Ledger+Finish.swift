package import Domain
import GRDB

extension Ledger {
    /// A running job has ended; its unfinished release, if any, is marked as failed in the same transaction.
    package func finish(job: Int64, _ end: JobEnd, at now: Timestamp) async throws {
        try await write { database in
            try database.run(
                """
                UPDATE jobs SET state = ?, reason = ?, finished_at = ?, came_to_verdict = ?, superseded_by = ?
                WHERE id = ? AND state = 'running'
                """, [end.state.rawValue, end.reason, now.milliseconds, end.isVerdict, end.supersededBy, job])
            try database.run("UPDATE releases SET state = 'failed' WHERE job = ? AND state = 'building'", [job])
            // One that a daemon's death left behind.
            try database.run(
                "UPDATE steps SET state = 'cancelled', finished_at = ? WHERE job = ? AND state = 'running'", [now.milliseconds, job])
        }
    }

    /// A running job goes back to the queue because the daemon stops; the start is not counted as an attempt.
    ///
    /// Where a newer push of the same app and ref waits already, the job is superseded by that one instead.
    package func putBack(job: Int64, at now: Timestamp) async throws {
        try await write { database in
            try Self.putBack(job: job, countsAttempt: false, at: now, in: database)
        }
    }

    static func putBack(job: Int64, countsAttempt: Bool, at now: Timestamp, in database: Database) throws {
        try database.run(
            "UPDATE steps SET state = 'cancelled', finished_at = ? WHERE job = ? AND state = 'running'", [now.milliseconds, job])
        let newer = try database.row(
            """
            SELECT newer.id FROM jobs AS newer JOIN jobs AS old ON old.app = newer.app AND old.ref = newer.ref
            WHERE old.id = ? AND old.cause IN ('push', 'catch-up') AND newer.state = 'queued' AND newer.cause IN ('push', 'catch-up')
              AND NOT EXISTS (SELECT 1 FROM releases WHERE releases.job = old.id AND releases.state = 'live')
            """, [job])
        if let newer {
            let by: Int64 = newer["id"]
            try database.run(
                "UPDATE jobs SET state = 'superseded', reason = ?, superseded_by = ?, finished_at = ? WHERE id = ? AND state = 'running'",
                ["superseded by job \(by)", by, now.milliseconds, job])
            try database.run("UPDATE releases SET state = 'failed' WHERE job = ? AND state = 'building'", [job])
        } else {
            try database.run(
                """
                UPDATE jobs SET state = 'queued', started_at = NULL, attempt = attempt - ? WHERE id = ? AND state = 'running'
                """, [countsAttempt ? 0 : 1, job])
        }
    }
}
