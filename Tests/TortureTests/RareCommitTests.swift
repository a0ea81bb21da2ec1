import Foundation
import GRDB
import RealParts
import Testing

/// The daemon is killed beside those of the ledger's commits that no round of the kill loop brings about: of refused deliveries, of what
/// is past its time, and of a new schema.
@Suite(.serialized) struct RareCommitTests {
    private static let sides = ["before", "after"]

    @Test("a refused delivery is there or not, and those after it are", arguments: sides)
    func record(side: String) async throws {
        try await withDaemon { daemon in
            try await daemon.terminate()
            try await daemon.start(["BITTERN_CRASH_AT": "record.\(side):1"])
            // One: it is written a second later, and on a busy machine the next would find nobody.
            #expect(try await daemon.send(unsigned(), to: "/hooks/acme").status == 401)
            // Or when it stops.
            daemon.send(signal: SIGTERM)
            #expect(try await daemon.waitForExit() == .signaled(SIGKILL))
            #expect(try refused(daemon) == (side == "before" ? 0 : 1))
            try await daemon.start()
            #expect(try await daemon.send(unsigned(), to: "/hooks/acme").status == 401)
            try await daemon.terminate()
            #expect(try refused(daemon) == (side == "before" ? 1 : 2))
        }
    }

    @Test("what is past its time goes in whole batches, and the next daemon goes on where the last one died", arguments: sides)
    func forget(side: String) async throws {
        try await withDaemon { daemon in
            try await daemon.terminate()
            try ledger(daemon) { database in
                try database.execute(
                    sql: """
                        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1201)
                        INSERT INTO deliveries (account, remote_address, received_at, verified, answer, body_hash)
                        SELECT 'acme', '::1', n, 1, 200, zeroblob(32) FROM numbers
                        """)
            }
            try await daemon.launch(["BITTERN_CRASH_AT": "forget.\(side):2", "BITTERN_CLEAN_AFTER": "1"])
            #expect(try await daemon.waitForExit() == .signaled(SIGKILL))
            #expect(try count("SELECT count(*) FROM deliveries", daemon) == (side == "before" ? 701 : 201))
            try await daemon.start(["BITTERN_CLEAN_AFTER": "1"])
            try await eventually("the end of the round") { try count("SELECT count(*) FROM deliveries", daemon) == 1 }
        }
    }

    @Test(
        "a ledger whose upgrade was broken off is upgraded by the next daemon", arguments: ["before:1", "after:1", "before:2", "after:2"])
    func migrate(moment: String) async throws {
        try await withDaemon { daemon in
            try await daemon.terminate()
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path(daemon) + suffix) }  // not all are there
            let first = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../StorageTests/Ledgers/1.sql")
            let sql = try String(contentsOf: first, encoding: .utf8)
            try ledger(daemon) { try $0.execute(sql: sql) }
            try await daemon.launch(["BITTERN_CRASH_AT": "migrate.\(moment)"])
            #expect(try await daemon.waitForExit() == .signaled(SIGKILL))
            try await daemon.start()
            #expect(try await daemon.json("jobs").array.map { $0["id"].int } == [4, 3, 2, 1])
            #expect(try ledger(daemon) { try String.fetchAll($0, sql: "PRAGMA integrity_check") } == ["ok"])
        }
    }

    private func withDaemon(_ body: (BitternDaemon) async throws -> Void) async throws {
        let configuration = """
            workers: 0
            accounts:
              acme: {kind: bitbucket-cloud, hook_secret: credential:hook}

            """
        try await withBittern(config: configuration, credentials: ["hook": Round.hookSecret]) { daemon in try await body(daemon) }
    }

    private func unsigned() -> Delivery {
        Delivery(headers: ["X-Event-Key": "repo:push", "Content-Type": "application/json"], body: Array("{}".utf8))
    }

    private func path(_ daemon: BitternDaemon) -> String { daemon.setup.path("state/bittern.db") }

    private func ledger<Value>(_ daemon: BitternDaemon, _ body: (Database) throws -> Value) throws -> Value {
        let queue = try DatabaseQueue(path: path(daemon))
        defer { try? queue.close() }  // whatever it says, it is gone with the test
        return try queue.writeWithoutTransaction(body)
    }

    private func count(_ sql: String, _ daemon: BitternDaemon) throws -> Int {
        try ledger(daemon) { try Int.fetchOne($0, sql: sql) ?? -1 }
    }

    private func refused(_ daemon: BitternDaemon) throws -> Int {
        try count("SELECT count(*) FROM deliveries WHERE verified = 0", daemon)
    }
}
