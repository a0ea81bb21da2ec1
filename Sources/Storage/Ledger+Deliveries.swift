package import Domain
import GRDB

/// A delivery as the ledger keeps it, refused ones too.
package struct StoredDelivery: Sendable, Equatable {
    package var id: Int64
    /// nil when the path named no account that exists.
    package var account: String?
    /// The app whose own hook it came to; nil: the account's.
    package var hookApp: String?
    package var event: String?
    package var requestID: String?
    package var remoteAddress: String
    package var receivedAt: Timestamp
    /// The HTTP status it was given.
    package var answer: Int
    /// Why it was refused.
    package var reason: String?
    package var duplicateOf: Int64?
    /// As the forge wrote it, made safe to show; nil for events without one, and for what was refused.
    package var repository: String?
    /// ``WebhookHeaders/shown``; nil for what an earlier version stored.
    package var headers: String?
    package var verdicts: [Verdict]
    /// What it said, each ref once; the change's number in the ledger where it is one.
    package var refs: [(ref: PushedRef, change: Int64?)]

    package static func == (left: StoredDelivery, right: StoredDelivery) -> Bool {
        left.id == right.id && left.verdicts == right.verdicts && left.refs.elementsEqual(right.refs) { $0 == $1 }
    }
}

extension Ledger {
    /// The newest deliveries first.
    package func deliveries(limit: Int) async throws -> [StoredDelivery] {
        try await read { database in
            try database.rows("SELECT * FROM deliveries ORDER BY id DESC LIMIT ?", [limit]).map { try Self.stored($0, in: database) }
        }
    }

    /// Those that were verified and came since then, the newest first.
    ///
    /// - Parameter before: only those with a smaller number.
    package func verifiedDeliveries(since moment: Timestamp, before: Int64? = nil, limit: Int) async throws -> [StoredDelivery] {
        try await read { database in
            // In the order of arrival, so the first one that is too old ends it.
            var found: [StoredDelivery] = []
            let rows = try Row.fetchCursor(
                database, sql: "SELECT * FROM deliveries WHERE verified = 1 AND id < ? ORDER BY id DESC",
                arguments: [before ?? .max])
            while let row = try rows.next(), let at = row.time("received_at"), at >= moment, found.count < limit {
                found.append(try Self.stored(row, in: database))
            }
            return found
        }
    }

    /// nil when there is none of that number, or none any more.
    package func delivery(_ id: Int64) async throws -> StoredDelivery? {
        try await read { database in
            try database.row("SELECT * FROM deliveries WHERE id = ?", [id]).map { try Self.stored($0, in: database) }
        }
    }

    /// How many of the newest deliveries are searched for the last of a hook; one that is older counts as none.
    private static let searched: Int64 = 10_000

    /// When the last delivery came to a hook that was proved by its secret; nil: none among the newest.
    ///
    /// - Parameter app: the app whose own hook it is; nil: the account's.
    package func lastVerified(account: String, hookApp app: String?) async throws -> Timestamp? {
        try await read { database in
            try database.row(
                """
                SELECT received_at FROM deliveries
                WHERE verified = 1 AND account = ? AND hook_app IS ? AND id > (SELECT max(id) FROM deliveries) - ?
                ORDER BY id DESC LIMIT 1
                """, [account, app, Self.searched])?.time("received_at")
        }
    }

    private static func stored(_ row: Row, in database: Database) throws -> StoredDelivery {
        let id: Int64 = row["id"]
        let rows = try database.rows(
            """
            SELECT verdicts.*, changes.id AS change_id, changes.old, changes.new
            FROM verdicts LEFT JOIN changes ON changes.id = verdicts.change
            WHERE verdicts.delivery = ? ORDER BY verdicts.position
            """, [id])
        let verdicts = try rows.map { row in
            Verdict(
                app: row["app"], ref: row["ref"], commit: row.commit("commit_id"), kind: try row.value("kind", as: Verdict.Kind.self),
                job: row["job"], reason: row["reason"])
        }
        return StoredDelivery(
            id: id, account: row["account"], hookApp: row["hook_app"], event: row["event"], requestID: row["request_id"],
            remoteAddress: row["remote_address"], receivedAt: try row.required(row.time("received_at"), "received_at"),
            answer: row["answer"], reason: row["reason"], duplicateOf: row["duplicate_of"], repository: row["repository"],
            headers: row["headers"], verdicts: verdicts, refs: refs(of: rows))
    }

    /// There is a row for each app; those of one ref stand together. A delivery may name a ref twice: then its apps begin again.
    private static func refs(of rows: [Row]) -> [(ref: PushedRef, change: Int64?)] {
        var refs: [(ref: PushedRef, change: Int64?)] = []
        var firstApp: String?
        for row in rows {
            let change: Int64? = row["change_id"]
            let name: String = row["ref"]
            let app: String? = row["app"]
            if let last = refs.last, last.change == change, last.ref.refText == name, app != firstApp { continue }
            firstApp = app
            if let ref = RefName(full: name), change != nil {
                let moved = Change(ref: ref, old: row.commit("old"), new: row.commit("commit_id"))
                refs.append((ref: .change(moved), change: change))
            } else {
                let reason: String? = row["reason"]
                refs.append((ref: .unusable(ref: name, reason: reason ?? "the ref cannot be used"), change: nil))
            }
        }
        return refs
    }
}
