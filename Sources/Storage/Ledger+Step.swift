package import Domain
import GRDB

extension Ledger {
    /// A step of a running job begins.
    package func stepStarted(job: Int64, start: Int64, position: Int, name: String, at now: Timestamp) async throws {
        try await write { database in
            try database.run(
                "INSERT INTO steps (job, start, position, name, state, started_at) VALUES (?, ?, ?, ?, 'running', ?)",
                [job, start, position, name, now.milliseconds])
        }
    }

    /// The step that ran has ended.
    package func stepEnded(job: Int64, start: Int64, position: Int, outcome: StepOutcome, at now: Timestamp) async throws {
        try await write { database in
            try database.run(
                """
                UPDATE steps SET state = ?, exit_status = ?, signal = ?, finished_at = ?
                WHERE job = ? AND start = ? AND position = ? AND state = 'running'
                """,
                [outcome.recordedState.rawValue, outcome.exitStatus, outcome.signal, now.milliseconds, job, start, position])
        }
    }
}
