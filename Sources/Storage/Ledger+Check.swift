import GRDB
import Glibc

extension Ledger {
    #if DEBUG
        /// Stops the connection that writes for good, for tests of those who must notice.
        package func freeze() {
            pool.asyncWriteWithoutTransaction { _ in
                while true { sleep(3600) }
            }
        }
    #endif

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

    /// What is wrong with the file's structure, at most ten findings in SQLite's words; empty: nothing. All of it is read, beside
    /// whoever writes.
    ///
    /// - Throws: ``LedgerError`` when the file cannot even be read through.
    package func integrity() async throws -> [String] {
        try await read { database in
            // Without the rows that indexes have to agree with, which would take many times as long (PRAGMA integrity_check).
            try String.fetchAll(database, sql: "PRAGMA quick_check(10)").filter { $0 != "ok" }
        }
    }

    /// How many bytes the file has, and how many of them hold nothing any more.
    package func size() async throws -> (bytes: Int, unused: Int) {
        try await read { database in
            func number(_ pragma: String) throws -> Int { try Int.fetchOne(database, sql: "PRAGMA " + pragma) ?? 0 }
            let page = try number("page_size")
            return (bytes: try number("page_count") * page, unused: try number("freelist_count") * page)
        }
    }
}
