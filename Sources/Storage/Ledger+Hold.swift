package import Domain
import GRDB

extension Ledger {
    /// Holds an app's pushes back; a hold that is there already is replaced.
    package func hold(_ hold: Hold) async throws {
        try await write { database in
            try database.run(
                """
                INSERT INTO holds (app, held_at, until, reason, requested_by) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (app) DO UPDATE
                SET held_at = excluded.held_at, until = excluded.until, reason = excluded.reason, requested_by = excluded.requested_by
                """, [hold.app, hold.heldAt.milliseconds, hold.until?.milliseconds, hold.reason, hold.by])
        }
    }

    /// Lets an app's pushes go; false when it was not held.
    package func resume(app: String) async throws -> Bool {
        try await write { database in
            try database.run("DELETE FROM holds WHERE app = ?", [app])
            return database.changesCount > 0
        }
    }

    /// The holds that are in force, by app.
    package func holds(at now: Timestamp) async throws -> [String: Hold] {
        try await read { database in
            let holds = try database.rows("SELECT * FROM holds").map(Hold.init(row:)).filter { $0.holds(at: now) }
            return Dictionary(holds.map { ($0.app, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// When the next hold ends by itself; nil when none does.
    package func nextHoldEnd(after now: Timestamp) async throws -> Timestamp? {
        try await read { database in
            try database.row("SELECT min(until) AS until FROM holds WHERE until > ?", [now.milliseconds])?.time("until")
        }
    }
}

extension Hold {
    fileprivate init(row: Row) throws {
        self.init(
            app: row["app"], heldAt: try row.required(row.time("held_at"), "held_at"), until: row.time("until"), reason: row["reason"],
            by: row["requested_by"])
    }
}
