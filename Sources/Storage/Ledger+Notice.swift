package import Domain
import GRDB

/// Something that is to be told to others about a job that ended.
package struct Notice: Sendable, Equatable {
    package var id: Int64
    package var job: Job
    /// In the list of the app's configuration.
    package var position: Int
    package var event: NoticeSetting.Event
}

extension Ledger {
    /// How often a notice is started, also when the daemon dies under it.
    private static let noticeAttempts = 2

    /// Notes, in the transaction that ends the job, what is to be told: so it is told also when the daemon dies in between.
    static func note(_ settings: [NoticeSetting], of job: Int64, _ end: JobEnd, in database: Database) throws {
        guard !settings.isEmpty, end.state == .succeeded || end.state == .failed else { return }
        // Of the app's last job that came to one of the two ends.
        let last = try database.row(
            """
            SELECT last.state FROM jobs AS last JOIN jobs AS this ON this.app = last.app
            WHERE this.id = ? AND last.id <> this.id AND last.state IN ('succeeded', 'failed')
            ORDER BY last.id DESC LIMIT 1
            """, [job])
        let hadFailed = last?["state"] as String? == "failed"
        for (position, setting) in settings.enumerated() {
            guard let event = setting.event(of: end.state, hadFailed: hadFailed) else { continue }
            try database.run("INSERT INTO notices (job, position, event) VALUES (?, ?, ?)", [job, position, event.rawValue])
        }
    }

    /// The oldest notice that waits, which is begun by that; nil when there is none.
    package func takeNotice() async throws -> Notice? {
        try await write { database in
            try database.run("DELETE FROM notices WHERE attempt >= ?", [Self.noticeAttempts])
            let row = try database.row(
                "UPDATE notices SET attempt = attempt + 1 WHERE id = (SELECT min(id) FROM notices) RETURNING id, job, position, event")
            guard let row, let job = try database.row("SELECT \(Job.columns) FROM jobs WHERE id = ?", [row["job"]]) else { return nil }
            return Notice(
                id: row["id"], job: try Job(row: job), position: row["position"],
                event: try row.value("event", as: NoticeSetting.Event.self))
        }
    }

    /// It was told, or cannot be.
    package func noticeDone(_ id: Int64) async throws {
        try await write { database in try database.run("DELETE FROM notices WHERE id = ?", [id]) }
    }
}
