package import Domain
import GRDB

extension Ledger {
    /// One job with its steps; nil when there is none of that number.
    package func job(_ id: Int64) async throws -> Job? {
        try await read { database in
            guard let row = try database.row("SELECT \(Job.columns) FROM jobs WHERE id = ?", [id]) else { return nil }
            return try Self.withSteps(Job(row: row), in: database)
        }
    }

    /// The newest jobs first, with their steps.
    package func jobs(app: String?, state: Job.State?, limit: Int) async throws -> [Job] {
        try await read { database in
            // Each condition only where it is asked for, and the state as a word: so SQLite sees which index serves.
            var conditions = [app == nil ? nil : "app = :app", state.map { "state = '\($0.rawValue)'" }].compactMap { $0 }
            if let state, state.isEnded, state != .superseded { conditions.append("finished_at IS NOT NULL AND state <> 'superseded'") }
            var arguments: StatementArguments = ["limit": limit]
            if let app { arguments += ["app": app] }
            let rows = try database.rows(
                """
                SELECT \(Job.columns) FROM jobs
                \(conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND "))
                ORDER BY id DESC LIMIT :limit
                """, arguments)
            return try rows.map { try Self.withSteps(Job(row: $0), in: database) }
        }
    }

    /// The newest job of each of the apps that has one.
    package func lastJobs(of apps: [String]) async throws -> [String: Job] {
        try await read { database in
            var last: [String: Job] = [:]
            for app in apps {
                let row = try database.row("SELECT \(Job.columns) FROM jobs WHERE app = ? ORDER BY id DESC LIMIT 1", [app])
                last[app] = try row.map { try Self.withSteps(Job(row: $0), in: database) }
            }
            return last
        }
    }

    /// How many jobs wait and how many run.
    package func queueCounts() async throws -> (queued: Int, running: Int) {
        try await read { database in
            let row = try database.row(
                """
                SELECT (SELECT count(*) FROM jobs WHERE state = 'queued') AS queued,
                       (SELECT count(*) FROM jobs WHERE state = 'running') AS running
                """)
            return (queued: row?["queued"] ?? 0, running: row?["running"] ?? 0)
        }
    }

    /// The steps of the last start that began at the first step, each as it was last run.
    private static func withSteps(_ job: Job, in database: Database) throws -> Job {
        var job = job
        job.steps = try database.rows(
            """
            SELECT position, name, state, exit_status, signal, started_at, finished_at, cpu_ms, memory_peak, max(start) AS start
            FROM steps
            WHERE job = :job AND start >= (SELECT max(start) FROM steps WHERE job = :job AND position = 0)
            GROUP BY position ORDER BY position
            """, ["job": job.id]
        ).map(StepRecord.init(row:))
        return job
    }
}
