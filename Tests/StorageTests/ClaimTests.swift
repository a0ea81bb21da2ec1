import Domain
import RealParts
import Storage
import Testing

@Suite struct ClaimTests {
    @Test("there is nothing to claim in an empty queue")
    func empty() async throws {
        try await withLedger { house in
            let claimed = try await house.ledger.claim(at: at(1))
            #expect(claimed == nil)
        }
    }

    @Test("a claimed job runs, and its start is counted")
    func claimed() async throws {
        try await withLedger { house in
            let id = try await house.push("main", 1, 2)
            let claimed = try await house.claim(id, at: 2500)
            let job = Job(
                id: id, app: "shop", repository: "Acme/Shop", ref: RefName(.branch, "main"), commit: try commit(2), cause: .push,
                state: .running, attempt: 1, queuedAt: at(1000), startedAt: at(2500), delivery: 1)
            #expect(claimed.job == job)
            #expect(claimed.start == 1)
            #expect(!claimed.isActivated)
            #expect(claimed.succeededSteps == [])
            #expect(claimed.previous == nil)
            #expect(try await house.job(id) == job)
        }
    }

    @Test("the oldest job is claimed first, of each app one at a time")
    func order() async throws {
        try await withLedger { house in
            let shop = try await house.push("main", 1, 2)
            let later = try await house.push("next", 1, 2)
            let blog = try await house.push("main", 1, 2, for: "blog")
            try await house.claim(shop)
            try await house.claim(blog)
            let none = try await house.ledger.claim(at: at(1))
            #expect(none == nil)
            try await house.ledger.finish(job: shop, JobEnd(.failed, "no"), at: at(1))
            try await house.claim(later)
        }
    }

    @Test("jobs of two apps that share a lock run one after the other")
    func lock() async throws {
        try await withLedger { house in
            let shop = try await house.push("main", 1, 2)
            let blog = try await house.push("main", 1, 2, for: "blog")
            try house.execute("UPDATE jobs SET lock_name = 'both'")
            try await house.claim(shop)
            let none = try await house.ledger.claim(at: at(1))
            #expect(none == nil)
            try await house.ledger.finish(job: shop, JobEnd(.succeeded, "live"), at: at(1))
            try await house.claim(blog)
        }
    }

    @Test("many workers that claim at once share the queue among them")
    func atOnce() async throws {
        try await withLedger { house in
            for number in 0..<10 { try await house.push("main", 1, 2, for: "app\(number)") }
            let claimed = try await withThrowingTaskGroup(of: Int64?.self) { group in
                for _ in 0..<20 { group.addTask { try await house.ledger.claim(at: at(1))?.job.id } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(claimed.compactMap { $0 }.sorted() == Array(1...10))
        }
    }

    @Test("a job knows the commit that was live when it was claimed")
    func previous() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", 1, 2), at: 2300)
            try await house.deploy(house.push("main", 2, 3), at: 2400)
            try await house.deploy(house.push("main", 1, 9, for: "blog"), at: 2500)
            let claimed = try await house.claim(house.push("main", 3, 4))
            #expect(claimed.previous == (try commit(3)))
        }
    }

    @Test("a job that goes on after it went live knows what was live before it")
    func previousOfItself() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", 1, 2), at: 2300)
            try await house.deploy(house.push("main", 2, 3), at: 2400)
            let job = try await house.push("main", 3, 4)
            try await house.activate(house.claim(job), at: 2500)
            try await house.ledger.requeue(job: job, at: at(3000))
            #expect(try await house.claim(job).previous == (try commit(3)))
        }
    }
}
