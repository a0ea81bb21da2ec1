import Domain
import RealParts
import Storage
import Testing

/// Jobs that go back to the queue: by an orderly stop, or found running at a start.
@Suite struct ReturnTests {
    /// The two ways back, with how many attempts are counted after one start.
    enum Way: CaseIterable, Sendable {
        case putBack, requeue

        var attempts: Int { self == .putBack ? 0 : 1 }

        @discardableResult
        func take(_ job: Int64, in house: LedgerHouse) async throws -> JobEnd? {
            switch self {
            case .putBack: try await house.ledger.putBack(job: job, at: at(3000))
            case .requeue: try await house.ledger.requeue(job: job, at: at(3000))
            }
        }
    }

    @Test("only a start that died counts as an attempt", arguments: Way.allCases)
    func attempt(way: Way) async throws {
        try await withLedger { house in
            let id = try await house.push("main", 1, 2)
            try await house.claim(id)
            #expect(try await way.take(id, in: house) == nil)
            let job = try await house.job(id)
            #expect(job.state == .queued)
            #expect(job.attempt == way.attempts)
            #expect(job.startedAt == nil)
            let again = try await house.claim(id)
            #expect(again.start == 2)
            #expect(again.job.attempt == way.attempts + 1)
        }
    }

    @Test("the step that ran is shown as cancelled", arguments: Way.allCases)
    func step(way: Way) async throws {
        try await withLedger { house in
            let id = try await house.push("main", 1, 2)
            let claimed = try await house.claim(id)
            try await house.step(claimed, 0, "fetch")
            try await house.ledger.stepStarted(job: id, start: 1, position: 1, name: "checkout", at: at(2900))
            try await way.take(id, in: house)
            let steps = try await house.job(id).steps
            #expect(steps.map(\.state) == [.succeeded, .cancelled])
            #expect(steps.last?.finishedAt == at(3000))
        }
    }

    @Test("a job for whose branch a newer push waits is superseded by that one", arguments: Way.allCases)
    func newerWaits(way: Way) async throws {
        try await withLedger { house in
            let old = try await house.push("main", 1, 2)
            try await house.beginRelease(house.claim(old))
            let new = try await house.push("main", 2, 3)
            let end = try await way.take(old, in: house)
            #expect(end == .superseded(by: new))
            let job = try await house.job(old)
            #expect(job.state == .superseded)
            #expect(job.supersededBy == new)
            #expect(job.reason == "superseded by job \(new)")
            #expect(job.finishedAt == at(3000))
            #expect(try house.releaseState(old) == "failed")
            try await house.claim(new)
        }
    }

    @Test("a newer push of another branch or app does not supersede it", arguments: Way.allCases)
    func othersWait(way: Way) async throws {
        try await withLedger { house in
            let old = try await house.push("main", 1, 2)
            try await house.claim(old)
            try await house.push("next", 2, 3)
            try await house.push("main", 1, 2, for: "blog")
            try await way.take(old, in: house)
            #expect(try await house.state(of: old) == .queued)
        }
    }

    @Test("a job that is live already goes on before the newer push that waits", arguments: Way.allCases)
    func liveAndNewerWaits(way: Way) async throws {
        try await withLedger { house in
            let old = try await house.push("main", 1, 2)
            try await house.activate(house.claim(old))
            let new = try await house.push("main", 2, 3)
            try await way.take(old, in: house)
            #expect(try await house.state(of: old) == .queued)
            #expect(try await house.state(of: new) == .queued)
            #expect(try await house.claim(old).isActivated)
            try await house.ledger.finish(job: old, JobEnd(.succeeded, "live"), at: at(4000))
            #expect(try await house.claim(new).previous == (try commit(2)))
        }
    }

    @Test("a job that is not live begins anew, whatever steps had succeeded", arguments: Way.allCases)
    func notLive(way: Way) async throws {
        try await withLedger { house in
            let id = try await house.push("main", 1, 2)
            let claimed = try await house.claim(id)
            try await house.step(claimed, 0, "fetch")
            try await house.beginRelease(claimed)
            try await way.take(id, in: house)
            #expect(try await house.claim(id).isActivated == false)
            #expect(try house.releaseState(id) == "building")
        }
    }

    @Test("a job that is live knows which of its steps had succeeded, over all its starts", arguments: Way.allCases)
    func live(way: Way) async throws {
        try await withLedger { house in
            let id = try await house.push("main", 1, 2)
            let first = try await house.claim(id)
            for (position, name) in ["fetch", "checkout", "activate"].enumerated() { try await house.step(first, position, name) }
            try await house.activate(first)
            try await house.step(first, 3, "warm", .exited(status: 1))
            try await way.take(id, in: house)
            let second = try await house.claim(id)
            #expect(second.isActivated)
            #expect(second.succeededSteps == ["fetch", "checkout", "activate"])
            try await house.step(second, 3, "warm")
            try await way.take(id, in: house)
            #expect(try await house.claim(id).succeededSteps == ["fetch", "checkout", "activate", "warm"])
        }
    }

    @Test("only a running job goes back", arguments: Way.allCases)
    func ended(way: Way) async throws {
        try await withLedger { house in
            let id = try await house.push("main", 1, 2)
            try await house.deploy(id)
            try await way.take(id, in: house)
            #expect(try await house.state(of: id) == .succeeded)
        }
    }

    @Test("a daemon that starts finds the jobs that were running, with the release each had begun")
    func interrupted() async throws {
        try await withLedger { house in
            let shop = try await house.claim(house.push("main", 1, 2))
            let blog = try await house.claim(house.push("main", 1, 2, for: "blog"))
            try await house.push("main", 1, 2, for: "waits")
            try await house.beginRelease(blog)
            let found = try await house.ledger.interruptedJobs()
            #expect(found.map(\.job.id) == [shop.job.id, blog.job.id])
            #expect(found.map(\.release?.path) == [nil, "/srv/blog/releases/\(blog.job.id)"])
            #expect(found.last?.release?.state == .building)
        }
    }
}
