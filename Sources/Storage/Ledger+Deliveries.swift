package import Domain
import GRDB

/// A delivery as the ledger keeps it, refused ones too.
package struct StoredDelivery: Sendable, Equatable {
    package var id: Int64
    /// nil when the path named no account that exists.
    package var account: String?
    package var event: String?
    package var requestID: String?
    package var remoteAddress: String
    package var receivedAt: Timestamp
    /// The HTTP status it was given.
    package var answer: Int
    /// Why it was refused.
    package var reason: String?
    package var duplicateOf: Int64?
    package var verdicts: [Verdict]
}

extension Ledger {
    /// The newest deliveries first.
    package func deliveries(limit: Int) async throws -> [StoredDelivery] {
        try await read { database in
            try database.rows("SELECT * FROM deliveries ORDER BY id DESC LIMIT ?", [limit]).map { try Self.stored($0, in: database) }
        }
    }

    /// nil when there is none of that number, or none any more.
    package func delivery(_ id: Int64) async throws -> StoredDelivery? {
        try await read { database in
            try database.row("SELECT * FROM deliveries WHERE id = ?", [id]).map { try Self.stored($0, in: database) }
        }
    }

    private static func stored(_ row: Row, in database: Database) throws -> StoredDelivery {
        let id: Int64 = row["id"]
        let verdicts = try database.rows("SELECT * FROM verdicts WHERE delivery = ? ORDER BY position", [id]).map { row in
            Verdict(
                app: row["app"], ref: row["ref"], commit: row.commit("commit_id"), kind: try row.value("kind", as: Verdict.Kind.self),
                job: row["job"], reason: row["reason"])
        }
        return StoredDelivery(
            id: id, account: row["account"], event: row["event"], requestID: row["request_id"], remoteAddress: row["remote_address"],
            receivedAt: try row.required(row.time("received_at"), "received_at"), answer: row["answer"], reason: row["reason"],
            duplicateOf: row["duplicate_of"], verdicts: verdicts)
    }
}
