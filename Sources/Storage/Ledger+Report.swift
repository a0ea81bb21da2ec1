package import Domain
import GRDB

/// How much of the outbox waits for a forge.
package struct OutboxMeasure: Sendable, Equatable {
    package var waiting: Int
    /// When the one that waits longest was noted.
    package var oldest: Timestamp?
}

extension Ledger {
    /// From now on the forges of these apps are told of their jobs, and no other's. What has begun to be told is told to its end.
    package func report(_ apps: [ReportingApp]) async throws {
        try await write { database in
            try database.run("DELETE FROM reporting")
            for app in apps {
                try database.run(
                    "INSERT INTO reporting (app, account, status_key, status_name) VALUES (?, ?, ?, ?)",
                    [app.app, app.account, app.key, app.name])
            }
        }
    }

    /// The reports to an account that may be sent now, none before an earlier one of its commit and key; those first that were tried least,
    /// so that one which the forge cannot digest stands in nobody's way, and the oldest of them.
    package func dueReports(to account: String, at now: Timestamp, limit: Int) async throws -> [JobReport] {
        try await read { database in
            let rows = try database.rows(
                """
                SELECT * FROM outbox
                WHERE account = ? AND delivered_at IS NULL AND (due_at IS NULL OR due_at NOT BETWEEN ? AND ?) AND \(Self.isFirst)
                ORDER BY attempts, id LIMIT ?
                """, [account, now.milliseconds + 1, now.advanced(by: Self.longestDelay).milliseconds, limit])
            return try rows.map(JobReport.init(row:))
        }
    }

    /// Nobody is asked to wait longer: what is due later than that was put off by a clock that was set back since.
    private static let longestDelay: Duration = .seconds(7200)

    /// Of its commit and key. (An app has one repository, however it is written.)
    private static let isFirst = """
        NOT EXISTS (
            SELECT 1 FROM outbox AS earlier INDEXED BY outbox_order
            WHERE earlier.account = outbox.account AND earlier.commit_id = outbox.commit_id
              AND earlier.status_key = outbox.status_key AND earlier.id < outbox.id AND earlier.delivered_at IS NULL)
        """

    /// The accounts that have reports waiting, each with the moment at which the first of them may be sent; nil: at once.
    package func accountsWithReports(at now: Timestamp) async throws -> [String: Timestamp?] {
        try await read { database in
            let rows = try database.rows(
                """
                SELECT account, min(iif(due_at BETWEEN ? AND ?, due_at, 0)) AS due_at FROM outbox INDEXED BY outbox_waiting
                WHERE delivered_at IS NULL AND \(Self.isFirst) GROUP BY account
                """, [now.milliseconds + 1, now.advanced(by: Self.longestDelay).milliseconds])
            return rows.reduce(into: [:]) { accounts, row in
                let due: Int64 = row["due_at"]
                accounts.updateValue(due > 0 ? Timestamp(milliseconds: due) : nil, forKey: row["account"])
            }
        }
    }

    /// The forge has it, or will never take it. With the end of a job all that was told of it is forgotten.
    package func reportDone(_ report: JobReport, at now: Timestamp) async throws {
        try await write { database in
            if report.state.isEnded {
                try database.run("DELETE FROM outbox WHERE job = ? AND id <= ?", [report.job, report.id])
            } else {
                try database.run("UPDATE outbox SET delivered_at = ? WHERE id = ?", [now.milliseconds, report.id])
            }
        }
    }

    /// The forge did not take it.
    ///
    /// - Parameter due: when it may be tried again.
    package func reportTried(_ report: JobReport, again due: Timestamp?) async throws {
        try await write { database in
            try database.run(
                "UPDATE outbox SET attempts = attempts + 1, due_at = ? WHERE id = ?", [due?.milliseconds, report.id])
        }
    }

    package func outboxMeasure() async throws -> OutboxMeasure {
        try await read { try Self.outbox(in: $0) }
    }

    static func outbox(in database: Database) throws -> OutboxMeasure {
        let row = try database.row(
            "SELECT count(*) AS waiting, min(noted_at) AS oldest FROM outbox INDEXED BY outbox_waiting WHERE delivered_at IS NULL")
        return OutboxMeasure(waiting: row?["waiting"] ?? 0, oldest: row?.time("oldest"))
    }
}

extension JobReport {
    fileprivate init(row: Row) throws {
        self.init(
            id: row["id"], job: row["job"], app: row["app"], account: row["account"],
            repository: try row.required(RepositoryName(row["repository"] as String), "repository"),
            commit: try row.required(row.commit("commit_id"), "commit_id"), ref: (row["ref"] as String?).flatMap { RefName(full: $0) },
            state: try row.value("state", as: Job.State.self), isVerdict: row["is_verdict"], reason: row["reason"],
            at: try row.required(row.time("noted_at"), "noted_at"), key: row["status_key"], name: row["status_name"],
            attempts: row["attempts"])
    }
}
