import Domain
import Foundation
import GRDB
import RealParts
import Testing

@testable import Storage

/// `Ledgers/N.sql` holds a ledger of schema version N with some rows in every table, as SQL text. That of the newest version is
/// written by these tests where it is missing (remove it after a change to a version that nobody has yet); older ones never change.
@Suite(.serialized) struct UpgradeTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Ledgers")
    private static let versions = Schema.migrator.migrations

    @Test("there is a ledger of every version of the schema")
    func everyVersion() async throws {
        let newest = try #require(Self.versions.last)
        let file = Self.folder.appending(path: "\(newest).sql")
        if !FileManager.default.fileExists(atPath: file.path) {
            try await withLedger { house in
                try house.execute(Breach.goodRows)
                try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
                try Data(house.dump().utf8).write(to: file)
            }
            Issue.record("\(file.path) was missing and is written now: look at it and commit it")
        }
        let there = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(Set(there) == Set(Self.versions.map { "\($0).sql" }))
    }

    @Test("an upgraded ledger has the schema of a new one", arguments: versions)
    func schema(version: String) async throws {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name"
        let new = try await withLedger { house in try house.values(sql, as: String.self) }
        try await withUpgraded(version) { house in
            let upgraded = try house.values(sql, as: String.self)
            #expect(upgraded == new)
            #expect(try house.values("SELECT identifier FROM grdb_migrations ORDER BY rowid", as: String.self) == Self.versions)
            #expect(try house.value("PRAGMA integrity_check") == "ok")
            #expect(try house.values("SELECT \"table\" FROM pragma_foreign_key_check", as: String.self) == [])
        }
    }

    @Test("an upgraded ledger tells what it told before", arguments: versions)
    func reading(version: String) async throws {
        try await withUpgraded(version) { house in
            let zeros = try commit(0)
            let jobs = try await house.ledger.jobs(app: nil, state: nil, limit: 10)
            #expect(jobs.map(\.state) == [.succeeded, .superseded, .running, .queued])
            let running = try await house.job(2)
            #expect(running.commit == zeros && running.ref == RefName(.branch, "main") && running.release == 2)
            #expect(running.steps.map(\.state) == [.succeeded, .running, .failed])
            #expect(try await house.job(3).supersededBy == 1)
            let live = Release(app: "shop", id: 4, commit: zeros, path: "/srv/shop/4", state: .live, activatedAt: at(2), createdAt: at(1))
            #expect(try await house.ledger.liveReleases() == ["shop": live])
            #expect(try house.value("SELECT reason FROM verdicts WHERE app IS NULL") == "no app")
            #expect(try house.value("SELECT until FROM holds WHERE app = 'shop'") == 2)
        }
    }

    @Test("an upgraded ledger goes on: it knows what it took before and gives no number twice", arguments: versions)
    func goingOn(version: String) async throws {
        try await withUpgraded(version) { house in
            let again = try await house.accept(delivery("r1", body: 0))
            #expect(again.id == 4 && again.duplicateOf == 1)
            #expect(try await house.push("next", 7, 8) == 5)
        }
    }

    /// Makes a file of that version and opens it.
    private func withUpgraded(_ version: String, _ body: (LedgerHouse) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.path("bittern.db")
            let old = try DatabaseQueue(path: path)
            let sql = try String(contentsOf: Self.folder.appending(path: "\(version).sql"), encoding: .utf8)
            try await old.writeWithoutTransaction { try $0.execute(sql: sql) }
            try old.close()
            let house = try LedgerHouse(path: path)
            try await withCleanup {
                try await body(house)
            } cleanup: {
                try house.close()
            }
        }
    }
}

extension LedgerHouse {
    /// Everything as SQL text, the schema as it was written.
    fileprivate func dump() throws -> String {
        let schema = try texts("SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
        let tables = try texts("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
        let rows = try tables.flatMap(rows(of:))
        return (["PRAGMA foreign_keys = OFF;", "BEGIN;"] + schema + rows + ["COMMIT;", ""]).joined(separator: "\n")
    }

    private func rows(of table: String) throws -> [String] {
        let columns = try texts("SELECT 'quote(' || name || ')' FROM pragma_table_info('\(table)')").joined(separator: " || ', ' || ")
        return try texts("SELECT 'INSERT INTO \(table) VALUES (' || \(columns) || ');' FROM \(table)")
    }

    private func texts(_ sql: String) throws -> [String] { try values(sql, as: String.self) }
}
