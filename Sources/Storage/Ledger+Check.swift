import GRDB

extension Ledger {
    /// Whether the connection that writes is free to answer and can read; nothing is written.
    package func answers() async -> Bool {
        do {
            return try await pool.writeWithoutTransaction { database in
                try database.row("SELECT count(*) AS tables FROM sqlite_schema").map { ($0["tables"] as Int) > 0 } ?? false
            }
        } catch {
            return false
        }
    }
}
