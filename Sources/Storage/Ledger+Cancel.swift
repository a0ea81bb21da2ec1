package import Domain
import GRDB

extension Ledger {
    /// Ends a job that still waits; false when it does not wait.
    package func cancelQueued(job: Int64, _ end: JobEnd, at now: Timestamp) async throws -> Bool {
        try await write { database in
            try database.run(
                """
                UPDATE jobs SET state = ?, reason = ?, finished_at = ?, came_to_verdict = ? WHERE id = ? AND state = 'queued'
                """, [end.state.rawValue, end.reason, now.milliseconds, end.isVerdict, job])
            guard database.changesCount > 0 else { return false }
            // One that was put back may have begun a release.
            try database.run("UPDATE releases SET state = 'failed' WHERE job = ? AND state = 'building'", [job])
            return true
        }
    }
}
