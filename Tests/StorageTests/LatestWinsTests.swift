import Domain
import RealParts
import Storage
import Testing

@Suite struct LatestWinsTests {
    @Test("a job that waits is superseded by a newer push of its branch")
    func superseded() async throws {
        try await withLedger { house in
            let first = try await house.push("main", 1, 2)
            let accepted = try await house.accept(delivery("r2", moved("main", 2, 3), at: 7000))
            let second = try #require(accepted.verdicts.first?.job)
            #expect(accepted.superseded.elementsEqual([(job: first, app: "shop", by: second)]) { $0 == $1 })
            let old = try await house.job(first)
            #expect(old.state == .superseded)
            #expect(old.reason == "superseded by job \(second)")
            #expect(old.supersededBy == second)
            #expect(old.finishedAt == at(7000))
            #expect(try await house.state(of: second) == .queued)
        }
    }

    @Test("of a burst of pushes the newest waits alone")
    func burst() async throws {
        try await withLedger { house in
            var jobs: [Int64] = []
            for number in 1..<20 as Range<UInt8> { jobs.append(try await house.push("main", number, number + 1)) }
            let waiting = try await house.ledger.jobs(app: nil, state: .queued, limit: 100).map(\.id)
            #expect(waiting == jobs.suffix(1))
            let first = try await house.job(try #require(jobs.first))
            #expect(first.supersededBy == jobs[1])
        }
    }

    @Test("two changes of one branch in one delivery: the later one stays")
    func oneDelivery() async throws {
        try await withLedger { house in
            let accepted = try await house.accept(delivery("r1", moved("main", 1, 2), moved("main", 2, 3)))
            #expect(accepted.superseded.elementsEqual([(job: 1, app: "shop", by: 2)]) { $0 == $1 })
            #expect(try await house.state(of: 1) == .superseded)
            #expect(try await house.state(of: 2) == .queued)
        }
    }

    @Test("a running job is not touched by a newer push")
    func running() async throws {
        try await withLedger { house in
            let first = try await house.push("main", 1, 2)
            try await house.claim(first)
            let accepted = try await house.accept(delivery("r2", moved("main", 2, 3)))
            #expect(accepted.superseded.isEmpty)
            #expect(try await house.state(of: first) == .running)
        }
    }

    @Test("jobs of another branch and of another app are not touched")
    func others() async throws {
        try await withLedger { house in
            let branch = try await house.push("next", 1, 2)
            let app = try await house.push("main", 1, 2, for: "blog")
            let ended = try await house.push("old", 1, 2, for: "api")
            try await house.claim(branch)
            try await house.ledger.finish(job: branch, JobEnd(.failed, "no"), at: at(1))
            let accepted = try await house.accept(delivery("r2", moved("main", 2, 3)))
            #expect(accepted.superseded.isEmpty)
            #expect(try await house.state(of: app) == .queued)
            #expect(try await house.state(of: branch) == .failed)
            #expect(try await house.state(of: ended) == .queued)
        }
    }

    @Test("a job that somebody asked for by hand is not superseded by a push")
    func manual() async throws {
        try await withLedger { house in
            try house.execute(
                """
                INSERT INTO jobs (app, repository, ref, commit_id, cause, lock_name, state, queued_at)
                VALUES ('shop', 'acme/shop', 'refs/heads/main', zeroblob(20), 'manual', 'shop', 'queued', 1)
                """)
            let push = try await house.push("main", 1, 2)
            #expect(try await house.state(of: 1) == .queued)
            #expect(try await house.state(of: push) == .queued)
        }
    }

    @Test("a job that was put back after it went live goes on when it is its turn, whatever was pushed since")
    func liveOne() async throws {
        try await withLedger { house in
            let first = try await house.push("main", 1, 2)
            try await house.activate(house.claim(first))
            try await house.ledger.putBack(job: first, at: at(3000))
            let accepted = try await house.accept(delivery("r2", moved("main", 2, 3)))
            #expect(accepted.superseded.isEmpty)
            #expect(try await house.claim(first).isActivated)
        }
    }
}
