import Domain
import RealParts
import Storage
import Testing

@Suite struct AcceptTests {
    @Test("a push is stored with its verdict and its job, and answered with 202")
    func queued() async throws {
        try await withLedger { house in
            let accepted = try await house.accept(delivery("r1", moved("main", 1, 2), at: 5000))
            let verdict = Verdict(app: "shop", ref: "refs/heads/main", commit: try commit(2), kind: .queued, job: 1, reason: nil)
            #expect(accepted == AcceptedDelivery(id: 1, duplicateOf: nil, verdicts: [verdict], superseded: []))
            #expect(accepted.queuedAnything)
            let job = Job(
                id: 1, app: "shop", repository: "Acme/Shop", ref: RefName(.branch, "main"), commit: try commit(2), cause: .push,
                state: .queued, queuedAt: at(5000), delivery: 1)
            #expect(try await house.job(1) == job)
            #expect(try house.counts() == [1, 1, 1, 1, 1])
            #expect(try house.value("SELECT answer FROM deliveries") == 202)
            #expect(try house.value("SELECT kind || job FROM verdicts") == "queued1")
            #expect(try house.value("SELECT repository FROM refs") == "acme/shop")
        }
    }

    @Test("what the configuration ignores is stored with the reason, and answered with 200")
    func ignoring() async throws {
        try await withLedger { house in
            let reason = "branch dev does not match main"
            let accepted = try await house.accept(delivery("r1", ignored("dev", 1, 2, because: reason)))
            let verdict = Verdict(app: "shop", ref: "refs/heads/dev", commit: try commit(2), kind: .ignored, job: nil, reason: reason)
            #expect(accepted.verdicts == [verdict])
            #expect(!accepted.queuedAnything)
            #expect(try house.counts() == [1, 1, 1, 1, 0])
            #expect(try house.value("SELECT answer FROM deliveries") == 200)
            #expect(try house.value("SELECT reason FROM verdicts") == reason)
        }
    }

    @Test("a repository without an app is stored with a verdict for nobody")
    func noApp() async throws {
        try await withLedger { house in
            let reason = "no app is configured for Acme/Shop"
            let accepted = try await house.accept(delivery("r1", ignored("main", 1, 2, by: nil, because: reason)))
            #expect(accepted.verdicts.map(\.app) == [nil])
            #expect(try house.value("SELECT count(*) FROM verdicts WHERE app IS NULL AND reason = '\(reason)'") == 1)
        }
    }

    @Test("a delivery without changes is stored and answered with 200")
    func noChanges() async throws {
        try await withLedger { house in
            let accepted = try await house.accept(delivery("r1"))
            #expect(accepted == AcceptedDelivery(id: 1, duplicateOf: nil, verdicts: [], superseded: []))
            #expect(try house.counts() == [1, 0, 0, 0, 0])
        }
    }

    @Test("a ref that git would refuse has a verdict, and nothing is accounted")
    func unusable() async throws {
        try await withLedger { house in
            let reason = "the ref name breaks git's rules"
            let change = MatchedChange(
                ref: .unusable(ref: "refs/heads/a..b", reason: reason), repository: RepositoryName("acme/shop"),
                matches: [Match(app: "shop", decision: .ignore(reason: reason))])
            let accepted = try await house.accept(delivery("r1", change))
            let verdict = Verdict(app: "shop", ref: "refs/heads/a..b", commit: nil, kind: .ignored, job: nil, reason: reason)
            #expect(accepted.verdicts == [verdict])
            #expect(try house.counts() == [1, 0, 0, 1, 0])
        }
    }

    @Test("all changes of a delivery and all apps of each are decided, in their order")
    func several() async throws {
        try await withLedger { house in
            let accepted = try await house.accept(
                delivery("r1", moved("main", 1, 2, for: "api", "shop"), ignored("dev", 1, 3, because: "no"), moved("next", nil, 4)))
            #expect(accepted.verdicts.map(\.app) == ["api", "shop", "shop", "shop"])
            #expect(accepted.verdicts.map(\.job) == [1, 2, nil, 3])
            #expect(try await house.job(3).ref == RefName(.branch, "next"))
            #expect(try house.counts() == [1, 3, 3, 4, 3])
        }
    }

    @Test("of several changes one that makes a job is enough for 202")
    func mixed() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", ignored("dev", 1, 3, because: "no"), moved("main", 1, 2)))
            #expect(try house.value("SELECT answer FROM deliveries") == 202)
        }
    }

    @Test("a deleted branch is accounted and makes no job")
    func deletion() async throws {
        try await withLedger { house in
            let accepted = try await house.accept(delivery("r1", ignored("main", 1, nil, because: "branch main was deleted")))
            #expect(accepted.verdicts.map(\.reason) == ["branch main was deleted"])
            #expect(try house.value("SELECT count(*) FROM changes WHERE new IS NULL AND old IS NOT NULL") == 1)
            #expect(try house.counts() == [1, 1, 1, 1, 0])
        }
    }

    @Test("a deletion that an app would deploy makes no job either")
    func deletionMatched() async throws {
        try await withLedger { house in
            let accepted = try await house.accept(delivery("r1", moved("main", 1, nil)))
            #expect(accepted.verdicts.map(\.reason) == ["there is nothing to deploy"])
            #expect(!accepted.queuedAnything)
        }
    }

    @Test("nothing at all is stored when a statement fails midway", arguments: ["verdicts", "jobs", "changes", "refs"])
    func allOrNothing(table: String) async throws {
        try await withLedger { house in
            try house.execute("CREATE TRIGGER break BEFORE INSERT ON \(table) BEGIN SELECT RAISE(ABORT, 'the disk fell down'); END")
            let error = await #expect(throws: LedgerError.self) {
                try await house.accept(delivery("r1", moved("main", 1, 2)))
            }
            #expect(error?.code == .failed)
            #expect(error?.sentence == "the ledger \(house.path) refused: the disk fell down")
            #expect(try house.counts() == [0, 0, 0, 0, 0])
            try house.execute("DROP TRIGGER break")
            #expect(try await house.accept(delivery("r1", moved("main", 1, 2))).duplicateOf == nil)
        }
    }

    @Test("nothing is stored where a table has gone")
    func missingTable() async throws {
        try await withLedger { house in
            try house.execute("ALTER TABLE verdicts RENAME TO gone")
            let error = await #expect(throws: LedgerError.self) {
                try await house.accept(delivery("r1", moved("main", 1, 2)))
            }
            #expect(error?.sentence == "the ledger \(house.path) refused: no such table: verdicts")
            try house.execute("ALTER TABLE gone RENAME TO verdicts")
            #expect(try house.counts() == [0, 0, 0, 0, 0])
        }
    }

    @Test("a full disk is told as such")
    func full() async throws {
        try await withLedger { house in
            let pages = try await house.ledger.pragma("page_count")
            _ = try await house.ledger.pragma("max_page_count = \(pages)")
            let long = String(repeating: "x", count: 20_000)
            let error = await #expect(throws: LedgerError.self) {
                try await house.accept(delivery("r1", ignored("main", 1, 2, because: long)))
            }
            #expect(error?.code == .full)
            #expect(error?.sentence.contains("there is no space left for the ledger") == true)
            #expect(try house.counts() == [0, 0, 0, 0, 0])
        }
    }
}
