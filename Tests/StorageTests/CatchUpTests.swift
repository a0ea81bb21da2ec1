import Domain
import RealParts
import Testing

@testable import Storage

/// Heads of refs that were found at a forge, compared with what is accounted.
@Suite struct CatchUpTests {
    private static let repository = RepositoryName("acme/shop")

    private func watched(_ app: String = "shop", rules: UInt8 = 1, deploysOnAdd: Bool = false) -> WatchedApp {
        WatchedApp(name: app, lock: app, deploysOnAdd: deploysOnAdd, rules: [UInt8](repeating: rules, count: 32))
    }

    /// Finds a branch at a commit; gives the numbers of the jobs that were queued.
    @discardableResult
    private func look(
        _ house: LedgerHouse, _ number: UInt8?, on branch: String = "main", object: UInt8? = nil, for apps: [WatchedApp]? = nil,
        before: Int64? = nil, at milliseconds: Int64 = 3000
    ) async throws -> [Int64] {
        let apps = apps ?? [watched()]
        let ref = try #require(RefName(.branch, branch))
        let heads = try number.map { [FoundHead(ref: ref, commit: try commit($0), object: try commit(object ?? $0), apps: apps)] } ?? []
        let last = try await house.ledger.lastChange()
        return try await house.ledger.catchUp(
            account: "acme", repository: try #require(Self.repository), heads, apps: apps, before: before ?? last, at: at(milliseconds)
        ).map(\.job.id)
    }

    @Test("a head that no delivery brought is accounted and gets a job; its late delivery is a duplicate")
    func missed() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", nil, 1))
            try await look(house, 1)
            let found = try await look(house, 2, at: 3100)
            let job = try await house.job(try #require(found.first))
            let second = try commit(2)
            #expect(job.cause == .catchUp && job.commit == second && job.state == .queued && job.delivery == nil)
            let late = try await house.accept(delivery("late", moved("main", 1, 2)))
            #expect(late.verdicts.first?.reason == Verdict.duplicateReason(job: job.id))
            #expect(try await look(house, 2, at: 3200) == [])
        }
    }

    @Test("several pushes at once have one job, which takes the place of what waits")
    func latestWins() async throws {
        try await withLedger { house in
            try await look(house, 1)
            let waiting = try await house.push("main", 1, 2)
            // A push of this ref waits, and asks for the head itself.
            #expect(try await look(house, 3) == [])
            #expect(try await house.state(of: waiting) == .queued)
        }
    }

    @Test("a head for which a job runs, or had its verdict, needs no other")
    func hadJob() async throws {
        try await withLedger { house in
            try await look(house, nil)
            let claimed = try await house.claim(house.push("main", nil, 1))
            #expect(try await look(house, 1) == [])
            try await house.ledger.finish(job: claimed.job.id, JobEnd(.failed, "no"), at: at(3001))
            #expect(try await look(house, 1) == [])
        }
    }

    @Test("an annotated tag is known by its own name and by its commit's", arguments: [UInt8(1), 9])
    func tag(pushed: UInt8) async throws {
        try await withLedger { house in
            try await look(house, nil)
            try await house.deploy(house.push("v1", nil, pushed))
            #expect(try await look(house, 1, on: "v1", object: 9) == [])
        }
    }

    @Test("a new app gets no job from what is there, also not the second time; the next push is missed by it")
    func newApp() async throws {
        try await withLedger { house in
            let jobs = [
                try await look(house, 1), try await look(house, 1, at: 3100), try await look(house, 2, at: 3200),
            ]
            #expect(jobs.map(\.count) == [0, 0, 1])
        }
    }

    @Test("a new app that is to deploy at once does so, also where the head is accounted")
    func deployOnAdd() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", nil, 1, for: "old"))
            #expect(try await look(house, 1, for: [watched("shop", deploysOnAdd: true)]).count == 1)
            #expect(try await look(house, 1, for: [watched("shop", deploysOnAdd: true)], at: 3100) == [])
        }
    }

    @Test("an app that deploys other refs from now on begins with those that nobody knew of")
    func otherRules() async throws {
        try await withLedger { house in
            try await look(house, 1, on: "main")
            #expect(try await look(house, 5, on: "next", for: [watched(rules: 2)], at: 3100) == [])
            #expect(try await look(house, 5, on: "next", for: [watched(rules: 2)], at: 3200) == [])
            // One that was known, and moved meanwhile, was missed.
            #expect(try await look(house, 2, on: "main", for: [watched(rules: 3)], at: 3300).count == 1)
        }
    }

    @Test("of a ref that was told of while the forge was asked, the answer may be old")
    func race() async throws {
        try await withLedger { house in
            try await look(house, 1)
            let before = try await house.ledger.lastChange()
            try await house.deploy(house.push("main", 1, 3))
            #expect(try await look(house, 2, before: before, at: 3100) == [])
            #expect(try house.value("SELECT count(*) FROM changes WHERE delivery IS NULL") == 1)
        }
    }

    @Test("an app whose own hook missed a push that another one heard gets its job")
    func ownHook() async throws {
        try await withLedger { house in
            let both = [watched("blog"), watched("shop")]
            try await look(house, 1, for: both, at: 500)
            try await house.deploy(house.push("main", 1, 2, for: "blog"))
            let jobs = try await look(house, 2, for: both, at: 3100)
            #expect(try await house.job(try #require(jobs.first)).app == "shop" && jobs.count == 1)
            try await house.deploy(jobs[0])
            #expect(try await look(house, 2, for: both, at: 3200) == [])
        }
    }

    @Test("an app that is no longer compared is a new one when it is again")
    func forgotten() async throws {
        try await withLedger { house in
            try await look(house, 1)
            try await house.ledger.forgetWatched(except: ["blog"])
            #expect(try await look(house, 2, at: 3100) == [])
            try await house.ledger.forgetWatched(except: ["shop"])
            #expect(try await look(house, 3, at: 3200).count == 1)
        }
    }

    @Test("an app that was never compared knows the refs that it had jobs of, and no others", arguments: [true, false])
    func neverCompared(isUpgraded: Bool) async throws {
        try await withLedger { house in
            if isUpgraded { try house.execute("INSERT INTO watched (app, rules, since) VALUES ('shop', NULL, 1)") }
            try await house.deploy(house.push("main", nil, 1))
            try await house.accept(delivery(nil, ignored("next", nil, 5, because: "x")))
            let app = [watched()]
            let heads = try [("main", UInt8(2)), ("next", 6), ("old", 7)].map { name, number in
                FoundHead(
                    ref: try #require(RefName(.branch, name)), commit: try commit(number), object: try commit(number), apps: app)
            }
            let queued = try await house.ledger.catchUp(
                account: "acme", repository: try #require(Self.repository), heads, apps: app, before: .max, at: at(3000))
            #expect(queued.map(\.job.ref?.shortName) == ["main"])
            #expect(try house.value("SELECT count(*) FROM changes WHERE delivery IS NULL") == 3)
        }
    }

    @Test("a look that nothing has moved since writes nothing, however many refs there are")
    func quietLook() async throws {
        try await withLedger { house in
            let app = [watched()]
            let heads = try (0..<250).map { number in
                FoundHead(
                    ref: try #require(RefName(.branch, "b\(number)")), commit: try commit(1), object: try commit(1), apps: app)
            }
            func look() async throws -> Int {
                try await house.ledger.catchUp(
                    account: "acme", repository: try #require(Self.repository), heads, apps: app, before: .max, at: at(3000)
                ).count
            }
            #expect(try await look() == 0)
            let changes: Int? = try house.value("SELECT count(*) FROM changes")
            #expect(changes == 250)
            #expect(try await look() == 0)
            #expect(try house.value("SELECT count(*) FROM changes") == changes)
        }
    }

    @Test("the late delivery of an annotated tag is a duplicate, whichever of its two names it has", arguments: [true, false])
    func lateTag(tellsObjects: Bool) async throws {
        try await withLedger { house in
            try await look(house, nil)
            let tag = try #require(RefName(.branch, "v1"))
            let head = FoundHead(
                ref: tag, commit: try commit(1), object: try commit(9), apps: [watched()], tellsObjects: tellsObjects)
            let queued = try await house.ledger.catchUp(
                account: "acme", repository: try #require(Self.repository), [head], apps: [watched()], before: .max, at: at(3000))
            let job = try #require(queued.first?.job)
            let first = try commit(1)
            #expect(job.commit == first)
            let late = try await house.accept(delivery("late", moved("v1", nil, tellsObjects ? 9 : 1)))
            #expect(late.verdicts.first?.reason == Verdict.duplicateReason(job: job.id))
        }
    }

    // Names.

    @Test("every name of a repository is known, and what was accounted goes with it")
    func renamed() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", nil, 1))
            var rename = delivery("r")
            rename.naming = RepositoryNaming(
                id: "{1}", name: try #require(RepositoryName("acme/store")), formerName: RepositoryName("acme/shop"))
            try await house.accept(rename)
            #expect(try house.values("SELECT repository FROM refs") == ["acme/store"])
            let names = try #require(try await house.ledger.repositoryNames()["acme"])
            let (old, new) = (try #require(RepositoryName("acme/shop")), try #require(RepositoryName("acme/store")))
            #expect(names.currentName(of: old) == new && names.isSame(new, id: "{1}", as: old))
            // And back again.
            rename.requestID = "s"
            rename.naming = RepositoryNaming(id: "{1}", name: old, formerName: new)
            try await house.accept(rename)
            #expect(try await house.ledger.repositoryNames()["acme"]?.currentName(of: new) == old)
            #expect(try house.value("SELECT count(*) FROM repository_names") == 2)
        }
    }
}
