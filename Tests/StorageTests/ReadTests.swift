import Domain
import RealParts
import Storage
import Testing

@Suite struct ReadTests {
    @Test("a job that is not there is not found")
    func missing() async throws {
        try await withLedger { house in
            let none = try await house.ledger.job(1)
            #expect(none == nil)
        }
    }

    @Test("jobs are listed newest first, by app, by state and up to a number")
    func list() async throws {
        try await withLedger { house in
            for number in 1...3 as ClosedRange<UInt8> { try await house.push("b\(number)", nil, number) }
            try await house.push("main", 1, 2, for: "blog")
            try await house.claim(1)
            let ledger = house.ledger
            #expect(try await ledger.jobs(app: nil, state: nil, limit: 10).map(\.id) == [4, 3, 2, 1])
            #expect(try await ledger.jobs(app: "shop", state: nil, limit: 2).map(\.id) == [3, 2])
            #expect(try await ledger.jobs(app: nil, state: .running, limit: 10).map(\.id) == [1])
            #expect(try await ledger.jobs(app: "blog", state: .running, limit: 10).map(\.id) == [])
            #expect(try await ledger.jobs(app: "none", state: nil, limit: 10).map(\.id) == [])
        }
    }

    @Test("the last job of each app that has one")
    func last() async throws {
        try await withLedger { house in
            try await house.push("a", nil, 1)
            try await house.push("b", nil, 1)
            try await house.push("main", 1, 2, for: "blog")
            let last = try await house.ledger.lastJobs(of: ["shop", "blog", "new"])
            #expect(last.mapValues(\.id) == ["shop": 2, "blog": 3])
        }
    }

    @Test("jobs that wait and jobs that run are counted")
    func counts() async throws {
        try await withLedger { house in
            for app in ["a", "b", "c"] { try await house.push("main", 1, 2, for: app) }
            try await house.deploy(1)
            try await house.claim(2)
            let counts = try await house.ledger.queueCounts()
            #expect(counts == (queued: 1, running: 1))
        }
    }

    @Test("the steps of a job are those of its last start that began at the beginning")
    func lastFullStart() async throws {
        try await withLedger { house in
            let id = try await house.push("main", 1, 2)
            let first = try await house.claim(id)
            try await house.step(first, 0, "fetch")
            try await house.step(first, 1, "checkout", .exited(status: 1))
            try await house.step(first, 2, "removed later")
            try await house.ledger.requeue(job: id, at: at(3000))
            let second = try await house.claim(id)
            try await house.step(second, 0, "fetch")
            try await house.step(second, 1, "checkout")
            let steps = try await house.job(id).steps
            #expect(steps.map(\.name) == ["fetch", "checkout"])
            #expect(steps.map(\.state) == [.succeeded, .succeeded])
        }
    }

    @Test("where a live job went on, each step is as it was last run")
    func wentOn() async throws {
        try await withLedger { house in
            let id = try await house.push("main", 1, 2)
            let first = try await house.claim(id)
            for (position, name) in ["fetch", "checkout", "activate"].enumerated() { try await house.step(first, position, name) }
            try await house.activate(first)
            try await house.step(first, 3, "warm", .stopped)
            try await house.ledger.requeue(job: id, at: at(3000))
            let second = try await house.claim(id)
            try await house.step(second, 3, "warm")
            try await house.step(second, 4, "tell")
            let steps = try await house.job(id).steps
            #expect(steps.map(\.name) == ["fetch", "checkout", "activate", "warm", "tell"])
            #expect(steps.map(\.state) == [.succeeded, .succeeded, .succeeded, .succeeded, .succeeded])
        }
    }

    @Test("a row that the schema should never have let in is a damaged ledger")
    func damagedRow() async throws {
        try await withLedger { house in
            try await house.push("main", 1, 2)
            try house.execute("PRAGMA ignore_check_constraints = ON; UPDATE jobs SET cause = 'whim'")
            let error = await #expect(throws: LedgerError.self) { try await house.ledger.job(1) }
            #expect(error?.code == .corrupt)
            #expect(error?.sentence == "the ledger holds \"whim\" as cause")
        }
    }

    @Test("a ledger answers while it is open and not when it is closed")
    func answers() async throws {
        try await withTemporaryDirectory { directory in
            let ledger = try Ledger(path: directory.path("bittern.db"))
            #expect(await ledger.answers())
            try ledger.close()
            #expect(await ledger.answers() == false)
        }
    }

    @Test("what was accepted is in the file itself when the ledger is closed, and no log stays beside it")
    func closed() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.path("bittern.db")
            let ledger = try Ledger(path: path)
            _ = try await ledger.accept(delivery("r1", moved("main", 1, 2)))
            _ = try await ledger.job(1)
            try ledger.close()
            let log = try await Shell.run(["stat", "--format=%s", path + "-wal"])
            #expect(log.status != 0 || log.output == "0\n", "\(log)")
        }
    }

    @Test("a delivery is read back with each ref it named, in its order, also one that it named twice")
    func refs() async throws {
        try await withLedger { house in
            func unusable(_ reason: String) -> MatchedChange {
                let matches = ["blog", "shop"].map { Match(app: $0, decision: .ignore(reason: reason)) }
                return MatchedChange(
                    ref: .unusable(ref: "refs/heads/main", reason: reason), repository: RepositoryName("Acme/Shop"), matches: matches)
            }
            let changes = [
                unusable("one"), unusable("two"), try moved("main", nil, 1, for: "blog", "shop"),
                try moved("main", nil, 1, for: "blog", "shop"),
                try ignored("x", 1, nil, by: nil, because: "no app"), try ignored("x", 1, nil, by: nil, because: "no app"),
            ]
            var all = delivery("r1")
            all.changes = changes
            try await house.accept(all)
            let stored = try #require(try await house.ledger.delivery(1))
            #expect(stored.refs.map(\.ref) == changes.map(\.ref))
            #expect(stored.verdicts.map(\.app) == ["blog", "shop", "blog", "shop", "blog", "shop", "blog", "shop", nil, nil])
        }
    }
}
