import Domain
import RealParts
import Testing

@testable import Storage

/// To which job one gives way whose commit is not the head.
@Suite struct GivingWayTests {
    @Test("what waits for another app or ref is neither given way to nor superseded by the head's job")
    func othersWait() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            let otherApp = try await house.push("main", 3, 4, for: "blog")
            let otherRef = try await house.push("next", 1, 2)
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 5, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(outcome.queued?.commit == (try commit(5)))
            #expect(try await house.state(of: otherApp) == .queued)
            #expect(try await house.state(of: otherRef) == .queued)
        }
    }

    @Test("a push that waits is given way to whatever its commit, so that a forge that is behind cannot have an older one put before it")
    func anyPushThatWaits() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 2, 3))
            try await house.push("main", 3, 4)
            let newest = try await house.push("main", 4, 5)
            let before = try house.counts()
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 4, commit: 3), patienceIsOver: false, at: at(3000))
            #expect(outcome == OrderOutcome(next: .end(.superseded(by: newest)), queued: nil))
            try await house.ledger.finish(job: claimed.job.id, .superseded(by: newest), at: at(3001))
            #expect(try house.counts() == before)
            // Nothing was accounted after it, so its own fetch waits for it.
            let next = try await house.claim(newest)
            let behind = try fetched(head: 4, commit: 5, headIsOlder: true)
            #expect(try await house.ledger.order(next.job, after: behind, patienceIsOver: false, at: at(3100)).next == .fetchAgain)
        }
    }

    @Test("the head's own job is given way to rather than a push that was queued after it")
    func headBeforeOthers() async throws {
        try await withLedger { house in
            let first = try await house.push("main", 1, 2)
            try await house.ledger.finish(job: house.claim(first).job.id, JobEnd(.failed, "no"), at: at(2500))
            let claimed = try await house.claim(house.push("main", 2, 3))
            let own = try #require(try await house.ledger.retry(job: first, lock: "shop", by: nil, at: at(2600)))
            try await house.push("main", 3, 4)
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 2, commit: 3), patienceIsOver: false, at: at(3000))
            #expect(outcome == OrderOutcome(next: .end(.superseded(by: own.id)), queued: nil))
        }
    }

    @Test("a job that went live before a stop asks for no head any more: nobody gives way to it, nor to a retry of another commit")
    func liveDoesNotAsk() async throws {
        try await withLedger { house in
            let first = try await house.push("main", 1, 2)
            try await house.ledger.finish(job: house.claim(first).job.id, JobEnd(.failed, "no"), at: at(2500))
            let live = try await house.claim(house.push("main", 2, 3))
            try await house.activate(live)
            // So that it waits for another app's job, and a retry runs before it.
            let other = try await house.push("main", 1, 2, for: "blog")
            try await house.claim(other)
            try await house.ledger.putBack(job: live.job.id, at: at(2600))
            try house.execute("UPDATE jobs SET lock_name = 'blog' WHERE id = \(live.job.id)")
            let retry = try #require(try await house.ledger.retry(job: first, lock: "shop", by: nil, at: at(2700)))
            let claimed = try await house.claim(retry.id)
            _ = try #require(try await house.ledger.retry(job: first, lock: "shop", by: nil, at: at(2800)))
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 4, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(outcome.queued?.commit == (try commit(4)))
        }
    }
}
