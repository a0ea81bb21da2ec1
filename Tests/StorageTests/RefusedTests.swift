import Domain
import RealParts
import Storage
import Testing

@Suite struct RefusedTests {
    @Test("a refused delivery is kept with what was seen of it, and without a body")
    func kept() async throws {
        try await withLedger { house in
            try await house.ledger.record([refused("acme", 1)])
            let row = try house.value(
                "SELECT account || event || request_id || remote_address || received_at || verified || answer || reason FROM deliveries",
                as: String.self)
            #expect(row == "acmerepo:pushr1::1100401the signature is wrong")
            #expect(try house.value("SELECT body_hash IS NULL AND body_size IS NULL FROM deliveries") == true)
        }
    }

    @Test("of each account the newest thousand are kept, whether they come singly or many at once", arguments: [1, 10, 2500])
    func ring(atOnce: Int) async throws {
        try await withLedger { house in
            try await house.accept(delivery("good", moved("main", 1, 2)))
            try await house.ledger.record([refused("blog", 1), refused(nil, 2)])
            let count = atOnce == 1 ? 1010 : 2500
            for first in stride(from: 0, to: count, by: atOnce) {
                try await house.ledger.record((first..<first + atOnce).map { refused("acme", $0) })
            }
            let kept = "SELECT count(*) FROM deliveries WHERE account IS 'acme' AND verified = 0"
            #expect(try house.value(kept) == 1000)
            #expect(try house.value(kept + " AND request_id = 'r\(count - 1)'") == 1)
            #expect(try house.value(kept + " AND request_id = 'r\(count - 1000)'") == 1)
            #expect(try house.value(kept + " AND request_id = 'r\(count - 1001)'") == 0)
            #expect(try house.value("SELECT count(*) FROM deliveries WHERE account IS NOT 'acme' OR verified = 1") == 3)
        }
    }

    @Test("refused deliveries of no known account have a ring of their own")
    func noAccount() async throws {
        try await withLedger { house in
            try await house.ledger.record((0..<1500).map { refused(nil, $0) } + [refused("acme", 1)])
            #expect(try house.value("SELECT count(*) FROM deliveries WHERE account IS NULL") == 1000)
            #expect(try house.value("SELECT count(*) FROM deliveries WHERE account = 'acme'") == 1)
        }
    }

    @Test("after refused deliveries each transaction is brought to the disk again")
    func synchronous() async throws {
        try await withLedger { house in
            try await house.ledger.record([refused("acme", 1)])
            #expect(try await house.ledger.pragma("synchronous") == 2)
        }
    }

    @Test("after refused deliveries that could not be written too, and none of them is there")
    func failing() async throws {
        try await withLedger { house in
            try house.execute(
                "CREATE TRIGGER break BEFORE INSERT ON deliveries WHEN NEW.request_id = 'r2' BEGIN SELECT RAISE(ABORT, 'no'); END")
            let error = await #expect(throws: LedgerError.self) {
                try await house.ledger.record([refused("acme", 1), refused("acme", 2)])
            }
            #expect(error?.sentence == "the ledger \(house.path) refused: no")
            #expect(try house.value("SELECT count(*) FROM deliveries") == 0)
            #expect(try await house.ledger.pragma("synchronous") == 2)
        }
    }

    private func refused(_ account: String?, _ number: Int) -> RefusedDelivery {
        RefusedDelivery(
            account: account, event: "repo:push", requestID: "r\(number)", remoteAddress: "::1", receivedAt: at(10), answer: 401,
            reason: "the signature is wrong")
    }
}
