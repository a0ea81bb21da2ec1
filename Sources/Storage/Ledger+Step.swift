package import Domain
import FoundationEssentials
import GRDB

extension Ledger {
    /// A step of a running job begins.
    ///
    /// - Parameter configurationHash: of what the job runs with, at its first step.
    package func stepStarted(
        job: Int64, start: Int64, position: Int, name: String, configurationHash: [UInt8]? = nil, at now: Timestamp
    ) async throws {
        try await write { database in
            if let configurationHash {
                try database.run("UPDATE jobs SET configuration_hash = ? WHERE id = ?", [Data(configurationHash), job])
            }
            try database.run(
                "INSERT INTO steps (job, start, position, name, state, started_at) VALUES (?, ?, ?, ?, 'running', ?)",
                [job, start, position, name, now.milliseconds])
        }
    }

    /// What the end of a step brings about beside itself.
    package struct StepEnd: Sendable, Equatable {
        /// `current` points at this release now.
        package var activated: Int64?
        /// And no longer at this one, which failed.
        package var revertedFrom: Int64?
        /// The job will end so, and goes back to the release before first.
        package var reverting: JobEnd?

        package init(activated: Int64? = nil, revertedFrom: Int64? = nil, reverting: JobEnd? = nil) {
            self.activated = activated
            self.revertedFrom = revertedFrom
            self.reverting = reverting
        }
    }

    /// The step that ran has ended, and with it all that this means: so no daemon's death comes between.
    package func stepEnded(
        job: Job, start: Int64, position: Int, outcome: StepOutcome, usage: StepUsage = StepUsage(), _ end: StepEnd = StepEnd(),
        at now: Timestamp
    ) async throws {
        try await write { database in
            if let release = end.activated {
                try Self.activated(release, app: job.app, revertedFrom: end.revertedFrom, at: now, in: database)
            }
            if let reverting = end.reverting {
                try database.run(
                    "UPDATE jobs SET revert_state = ?, revert_reason = ? WHERE id = ?",
                    [reverting.state.rawValue, reverting.reason, job.id])
            }
            try database.run(
                """
                UPDATE steps SET state = ?, exit_status = ?, signal = ?, finished_at = ?, cpu_ms = ?, memory_peak = ?
                WHERE job = ? AND start = ? AND position = ? AND state = 'running'
                """,
                [
                    outcome.recordedState.rawValue, outcome.exitStatus, outcome.signal, now.milliseconds,
                    usage.processorTime?.wholeMilliseconds, usage.memory, job.id, start, position,
                ])
        }
    }
}
