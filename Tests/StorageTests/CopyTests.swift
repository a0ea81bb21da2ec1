import GRDB
import RealParts
import Testing

@testable import Storage

@Suite struct CopyTests {
    @Test("a copy made while others write is a whole ledger of one moment")
    func consistent() async throws {
        try await withLedger { house in
            for number in 1...20 as ClosedRange<UInt8> { try await house.push("main", number, number + 1) }
            async let writing: Void = {
                for number in 21...60 as ClosedRange<UInt8> { try await house.push("main", number, number + 1) }
            }()
            try await house.ledger.copy(to: house.path + ".copy")
            try await writing
            let copy = try DatabaseQueue(path: house.path + ".copy")
            let (check, deliveries, changes) = try await copy.read { database in
                (
                    try String.fetchAll(database, sql: "PRAGMA integrity_check"),
                    try Int.fetchOne(database, sql: "SELECT count(*) FROM deliveries"),
                    try Int.fetchOne(database, sql: "SELECT count(*) FROM changes")
                )
            }
            #expect(check == ["ok"])
            #expect(deliveries == changes && (20...60).contains(deliveries ?? 0), "\(deliveries ?? 0)")
            try copy.close()
            try Ledger(path: house.path + ".copy").close()
        }
    }

    @Test("where the copy cannot be written there is a sentence, and the ledger goes on")
    func nowhere() async throws {
        try await withLedger { house in
            await #expect(throws: LedgerError.self) { try await house.ledger.copy(to: "/nonexistent/copy") }
            try await house.push("main", 1, 2)
            #expect(try await house.ledger.measure(at: at(1000)).bytes > 0)
        }
    }
}
