import Dispatch
import Domain
import GRDB
import RealParts
import Synchronization
import Testing

@testable import Storage

@Suite struct AcceptGroupTests {
    @Test("deliveries that arrive while the writer is busy share one transaction, and each gets its own answer")
    func together() async throws {
        try await withLedger { house in
            let deliveries = try (0..<50).map { delivery("r\($0)", try moved("b\($0)", 1, 2)) }
            let (results, commits) = try await house.counting { try await house.acceptTogether(deliveries) }
            #expect(commits == 1)
            for (number, result) in results.enumerated() {
                let accepted = try result.get()
                #expect(accepted.verdicts.map(\.ref) == ["refs/heads/b\(number)"])
                #expect(try house.value("SELECT request_id FROM deliveries WHERE id = \(accepted.id)") == "r\(number)")
            }
        }
    }

    @Test("deliveries of a crowd cost far fewer fsyncs than there are of them")
    func crowd() async throws {
        try await withLedger { house in
            let (_, commits) = try await house.counting {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for sender in 0..<16 {
                        group.addTask {
                            for push in 1..<20 as Range<UInt8> {
                                try await house.accept(delivery("\(sender)-\(push)", try moved("b\(sender)", push, push + 1)))
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            #expect(try house.value("SELECT count(*) FROM deliveries") == 16 * 19)
            #expect(commits < 16 * 19 / 2, "\(commits) commits for \(16 * 19) deliveries")
        }
    }

    @Test("a lone delivery has a transaction for itself")
    func lone() async throws {
        try await withLedger { house in
            let (_, commits) = try await house.counting {
                for push in 1..<6 as Range<UInt8> { try await house.push("main", push, push + 1) }
            }
            #expect(commits == 5)
        }
    }

    @Test("inside a group deliveries are stored in the order in which they arrived")
    func order() async throws {
        try await withLedger { house in
            // Each pushes the one before out of the queue.
            let pushes = try (1..<30 as Range<UInt8>).map { delivery("r\($0)", try moved("main", $0, $0 + 1)) }
            _ = try await house.acceptTogether(pushes)
            let ids = try house.values("SELECT request_id FROM deliveries ORDER BY id", as: String.self)
            #expect(ids == pushes.map(\.requestID))
            #expect(try house.values("SELECT id FROM jobs WHERE state = 'queued'") == [29])
        }
    }

    @Test("of the same delivery sent several times at once only one makes a job")
    func duplicates() async throws {
        try await withLedger { house in
            let same = try delivery("r1", moved("main", 1, 2))
            let accepted = try await house.acceptTogether(Array(repeating: same, count: 10)).map { try $0.get() }
            #expect(accepted.map(\.queuedAnything) == [true] + Array(repeating: false, count: 9))
            #expect(accepted.map(\.duplicateOf) == [nil] + Array(repeating: 1, count: 9))
            #expect(try house.value("SELECT count(*) FROM jobs") == 1)
        }
    }

    @Test(
        "one delivery that cannot be stored fails alone, and nothing of it stays, even when it loses the whole transaction",
        arguments: ["RAISE(ABORT, 'poison')", "RAISE(ROLLBACK, 'poison')"])
    func poison(action: String) async throws {
        try await withLedger { house in
            try house.poison(action)
            let deliveries = try (0..<20).map { delivery("r\($0)", try moved($0 == 7 ? "poison" : "b\($0)", 1, 2)) }
            let results = try await house.acceptTogether(deliveries)
            for (number, result) in results.enumerated() where number != 7 { #expect(try result.get().queuedAnything) }
            let error = #expect(throws: LedgerError.self) { try results[7].get() }
            #expect(error?.sentence == "the ledger \(house.path) refused: poison")
            #expect(try house.counts() == [19, 19, 19, 19, 19])
            #expect(try house.value("SELECT count(*) FROM deliveries WHERE request_id = 'r7'") == 0)
        }
    }

    @Test("more than fit into one transaction are stored in several")
    func bounded() async throws {
        try await withLedger { house in
            let crowd = try (0..<AcceptGroup.limit + 10).map { delivery("r\($0)", try ignored("main", 1, 2, because: "no")) }
            let (results, commits) = try await house.counting { try await house.acceptTogether(crowd) }
            for result in results { _ = try result.get() }
            #expect(commits == 2)
        }
    }

    @Test("a ledger that somebody else writes to is waited for once, and not for each delivery anew")
    func busy() async throws {
        try await withLedger { house in
            var configuration = Configuration()
            configuration.allowsUnsafeTransactions = true
            let other = try DatabaseQueue(path: house.path, configuration: configuration)
            try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
            let begun = Mutex(0)
            try await house.ledger.pool.writeWithoutTransaction { database in
                database.trace { event in
                    if event.description.hasPrefix("BEGIN") { begun.withLock { $0 += 1 } }
                }
            }
            let results = try await house.acceptTogether((1...3).map { delivery("r\($0)", try moved("main", 1, $0 + 1)) })
            for result in results { #expect(throws: LedgerError.self) { try result.get() } }
            #expect(begun.withLock { $0 } == 1)
            try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
            try other.close()
            try await house.accept(delivery("r1", moved("main", 1, 2)))
        }
    }

    @Test("a ledger that was closed refuses")
    func closed() async throws {
        try await withTemporaryDirectory { directory in
            let ledger = try Ledger(path: directory.path("bittern.db"))
            try ledger.close()
            await #expect(throws: LedgerError.self) { try await ledger.accept(delivery("r1", moved("main", 1, 2))) }
        }
    }
}

extension LedgerHouse {
    /// Runs `body` and says how many transactions were committed meanwhile.
    fileprivate func counting<Value>(_ body: () async throws -> Value) async throws -> (Value, commits: Int) {
        // A checkpoint would have the log begin anew.
        _ = try await ledger.pragma("wal_autocheckpoint = 0")
        let before = try WriteAheadLog(of: path).commits()
        let value = try await body()
        return (value, commits: try WriteAheadLog(of: path).commits() - before)
    }

    /// Has these deliveries arrive one after the other while the writer is busy, and gives the result of each.
    fileprivate func acceptTogether(_ deliveries: [Domain.Delivery]) async throws -> [Result<AcceptedDelivery, any Error>] {
        let gate = DispatchSemaphore(value: 0)
        ledger.pool.asyncWriteWithoutTransaction { _ in gate.wait() }
        return try await withThrowingTaskGroup(of: (Int, Result<AcceptedDelivery, any Error>).self) { group in
            for (number, delivery) in deliveries.enumerated() {
                group.addTask { (number, await Result { try await ledger.accept(delivery) }) }
                while ledger.accepting.waiting <= number { await Task.yield() }
            }
            gate.signal()
            var results: [Int: Result<AcceptedDelivery, any Error>] = [:]
            for try await (number, result) in group { results[number] = result }
            return try deliveries.indices.map { try #require(results[$0]) }
        }
    }

    /// Makes the verdict for the branch `poison` fail like this, when its delivery and its change are stored already.
    fileprivate func poison(_ raise: String) throws {
        try execute("CREATE TRIGGER poison BEFORE INSERT ON verdicts WHEN new.ref = 'refs/heads/poison' BEGIN SELECT \(raise); END")
    }
}

extension Result where Failure == any Error {
    fileprivate init(catching body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
