package import Domain
import GRDB

/// A job that somebody asks for by name.
package struct ManualJob: Sendable, Equatable {
    package var app: String
    package var repository: String
    package var ref: RefName
    package var commit: CommitID
    package var lock: String
    package var by: String

    package init(app: String, repository: String, ref: RefName, commit: CommitID, lock: String, by: String) {
        self.app = app
        self.repository = repository
        self.ref = ref
        self.commit = commit
        self.lock = lock
        self.by = by
    }
}

extension Ledger {
    /// Queues them, all or none. No order rule is asked for these, so they wait beside whatever else waits.
    package func deploy(_ jobs: [ManualJob], at now: Timestamp) async throws -> [Job] {
        try await write { database in
            try jobs.map { job in
                try database.run(
                    """
                    INSERT INTO jobs (app, repository, ref, commit_id, cause, requested_by, lock_name, state, queued_at)
                    VALUES (?, ?, ?, ?, 'manual', ?, ?, 'queued', ?)
                    """, [job.app, job.repository, job.ref.full, job.commit.blob, job.by, job.lock, now.milliseconds])
                return try Self.queued(database.lastInsertedRowID, in: database)
            }
        }
    }

    /// What is live of each app and the ref it came from, as `deploy --all` wants it.
    package func liveCommits() async throws -> [String: (commit: CommitID, ref: RefName?)] {
        try await read { database in
            let rows = try database.rows(
                """
                SELECT releases.app, releases.commit_id, jobs.ref FROM releases JOIN jobs ON jobs.id = releases.job
                WHERE releases.state = 'live'
                """)
            return try rows.reduce(into: [:]) { live, row in
                let commit = try row.required(row.commit("commit_id"), "commit_id")
                live[row["app"]] = (commit: commit, ref: (row["ref"] as String?).flatMap { RefName(full: $0) })
            }
        }
    }

    static func queued(_ id: Int64, in database: Database) throws -> Job {
        guard let row = try database.row("SELECT \(Job.columns) FROM jobs WHERE id = ?", [id]) else {
            throw LedgerError(.failed, "job \(id) is gone")
        }
        return try Job(row: row)
    }
}
