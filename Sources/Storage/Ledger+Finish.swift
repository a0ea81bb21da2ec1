package import Domain
import GRDB

extension Ledger {
    /// A running job has ended; its release, unless all went well, is marked as failed in the same transaction, and what is to be told
    /// to others is noted.
    ///
    /// - Parameter notices: what the app's configuration wants told.
    package func finish(job: Int64, _ end: JobEnd, notices: [NoticeSetting] = [], at now: Timestamp) async throws {
        try await write { database in
            try Self.note(notices, of: job, end, in: database)
            try database.run(
                """
                UPDATE jobs SET state = ?, reason = ?, finished_at = ?, came_to_verdict = ?, superseded_by = ?, revert_state = NULL,
                    revert_reason = NULL
                WHERE id = ? AND state = 'running'
                """, [end.state.rawValue, end.reason, now.milliseconds, end.isVerdict, end.supersededBy, job])
            if end.state != .succeeded {
                try database.run(
                    "UPDATE releases SET state = 'failed', failed_at = ? WHERE job = ? AND state = 'building'", [now.milliseconds, job])
                // One that is live with a step undone is live for want of a better one.
                try database.run(
                    """
                    UPDATE releases SET failed_at = :now
                    WHERE job = (SELECT release FROM jobs WHERE id = :job) AND state = 'live' AND failed_at IS NULL
                      AND (job = :job OR EXISTS (
                          SELECT 1 FROM steps WHERE steps.job = :job AND steps.name = 'activate' AND steps.state = 'succeeded'))
                    """, ["now": now.milliseconds, "job": job])
            }
            // One that a daemon's death left behind.
            try database.run(
                "UPDATE steps SET state = 'cancelled', finished_at = ? WHERE job = ? AND state = 'running'", [now.milliseconds, job])
        }
    }

    /// A running job goes back to the queue because the daemon stops; the start is not counted as an attempt.
    ///
    /// Where a newer push of the same app and ref waits already, the job is superseded by that one instead.
    ///
    /// - Returns: how it ended instead, because a newer push waits; nil: it waits again.
    @discardableResult
    package func putBack(job: Int64, at now: Timestamp) async throws -> JobEnd? {
        try await write { database in
            try Self.putBack(job: job, countsAttempt: false, at: now, in: database)
        }
    }

    static func putBack(job: Int64, countsAttempt: Bool, at now: Timestamp, in database: Database) throws -> JobEnd? {
        try database.run(
            "UPDATE steps SET state = 'cancelled', finished_at = ? WHERE job = ? AND state = 'running'", [now.milliseconds, job])
        let newer = try database.row(
            """
            SELECT newer.id FROM jobs AS newer JOIN jobs AS old ON old.app = newer.app AND old.ref = newer.ref
            WHERE old.id = ? AND old.cause IN ('push', 'catch-up') AND newer.state = 'queued' AND newer.cause IN ('push', 'catch-up')
              AND old.revert_state IS NULL
              AND NOT EXISTS (SELECT 1 FROM releases WHERE releases.job = old.id AND releases.state = 'live')
            """, [job])
        if let newer {
            let end = JobEnd.superseded(by: newer["id"])
            try database.run(
                "UPDATE jobs SET state = 'superseded', reason = ?, superseded_by = ?, finished_at = ? WHERE id = ? AND state = 'running'",
                [end.reason, end.supersededBy, now.milliseconds, job])
            try database.run(
                "UPDATE releases SET state = 'failed', failed_at = ? WHERE job = ? AND state = 'building'", [now.milliseconds, job])
            return end
        } else {
            try database.run(
                """
                UPDATE jobs SET state = 'queued', started_at = NULL, attempt = attempt - ? WHERE id = ? AND state = 'running'
                """, [countsAttempt ? 0 : 1, job])
            return nil
        }
    }
}
