package import Domain
import GRDB

extension Ledger {
    /// Writes refused deliveries and pings down and keeps the newest ``RefusalRing/capacity`` per account.
    ///
    /// They do not cost an fsync: in WAL mode a commit with `synchronous = NORMAL` is only written, and the next accepted delivery
    /// carries it to the disk (SQLite, "PRAGMA synchronous"). After a power cut the last of them may be gone.
    package func record(_ refused: [RefusedDelivery]) async throws {
        guard !refused.isEmpty else { return }
        do {
            try await pool.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA synchronous = NORMAL")
                defer { Self.restoreSynchronous(database) }
                try database.inTransaction(.immediate) {
                    for delivery in refused { try Self.insert(delivery, into: database) }
                    for account in Set(refused.map(\.account)) { try Self.trim(account, in: database) }
                    #if DEBUG
                        CrashPoint.willCommit("record", in: database)
                    #endif
                    return .commit
                }
            }
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    private static func restoreSynchronous(_ database: Database) {
        do {
            try database.execute(sql: "PRAGMA synchronous = FULL")
        } catch {
            // The pragma touches no file; if it fails, promises about the disk can no longer be kept.
            preconditionFailure("SQLite refused PRAGMA synchronous = FULL: \(error)")
        }
    }

    private static func insert(_ refused: RefusedDelivery, into database: Database) throws {
        try database.run(
            """
            INSERT INTO deliveries (account, event, request_id, remote_address, received_at, verified, answer, reason, headers)
            VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?)
            """,
            [
                refused.account, refused.event, refused.requestID, refused.remoteAddress, refused.receivedAt.milliseconds,
                refused.answer, refused.reason, refused.headers,
            ])
    }

    private static func trim(_ account: String?, in database: Database) throws {
        try database.run(
            """
            DELETE FROM deliveries
            WHERE verified = 0 AND account IS :account AND id <= (
                SELECT id FROM deliveries WHERE verified = 0 AND account IS :account ORDER BY id DESC LIMIT 1 OFFSET :capacity)
            """, ["account": account, "capacity": RefusalRing.capacity])
    }
}
