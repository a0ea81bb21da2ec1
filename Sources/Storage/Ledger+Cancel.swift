package import Domain
import GRDB

extension Ledger {
    /// Ends a job that still waits; false when it does not wait, or waits to end what it has put live.
    package func cancelQueued(job: Int64, _ end: JobEnd, at now: Timestamp) async throws -> Bool {
        try await write { database in
            try database.run(
                """
                UPDATE jobs SET state = ?, reason = ?, finished_at = ?, came_to_verdict = ?
                WHERE id = ? AND state = 'queued' AND revert_state IS NULL
                  AND NOT EXISTS (SELECT 1 FROM releases WHERE releases.job = jobs.id AND releases.state = 'live')
                """, [end.state.rawValue, end.reason, now.milliseconds, end.isVerdict, job])
            guard database.changesCount > 0 else { return false }
            // One that was put back may have begun a release.
            try database.run(
                "UPDATE releases SET state = 'failed', failed_at = ? WHERE job = ? AND state = 'building'", [now.milliseconds, job])
            return true
        }
    }
}
