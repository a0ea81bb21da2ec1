import Domain
import RealParts
import Storage
import Testing

/// Duplicate rule (b): what a fetch found as a ref's head is claimed by the delivery that tells of it later.
@Suite struct ClaimFindTests {
    /// `main` moved from 1 to 2 with a delivery; the fetch of its job found 4, so that job 2 is the catch-up, still queued.
    private func withFind(_ body: (LedgerHouse) async throws -> Void) async throws {
        try await withLedger { house in
            let change = try moved("main", 1, 2)
            try await house.accept(delivery("r1", change))
            let claimed = try await house.claim(1)
            let found = OrderRules.Fetched(head: try commit(4), headObject: try commit(4), commit: try commit(2))
            let outcome = try await house.ledger.order(claimed.job, after: found, patienceIsOver: false, at: at(3000))
            guard case .end(let end) = outcome.next else {
                Issue.record("unexpected: \(outcome)")
                return
            }
            try await house.ledger.finish(job: 1, end, at: at(3001))
            try #require(outcome.queued?.id == 2)
            try await body(house)
        }
    }

    private let already = "already job 2; bittern retry 2 runs it again"

    @Test("a delivery for the head that a fetch found makes no second job and names the one there is")
    func claimed() async throws {
        try await withFind { house in
            let accepted = try await house.accept(delivery("r2", moved("main", 2, 4), body: 2))
            #expect(!accepted.queuedAnything)
            #expect(accepted.verdicts.map(\.reason) == [already])
            #expect(try house.value("SELECT count(*) FROM changes") == 2)
            #expect(try house.value("SELECT delivery FROM changes WHERE id = 2") == accepted.id)
            #expect(try await house.state(of: 2) == .queued)
        }
    }

    @Test("it does so wherever the forge says the ref came from", arguments: [nil, 1, 3] as [UInt8?])
    func claimedFromElsewhere(old: UInt8?) async throws {
        try await withFind { house in
            let accepted = try await house.accept(delivery("r2", moved("main", old, 4), body: 2))
            #expect(accepted.verdicts.map(\.reason) == [already])
        }
    }

    @Test("the delivery that claimed a find is a duplicate when it is sent again", arguments: [2, 3] as [UInt8])
    func claimerResent(old: UInt8) async throws {
        try await withFind { house in
            let first = try await house.accept(delivery("r2", moved("main", old, 4), body: 2))
            let again = try await house.accept(delivery("r2", moved("main", old, 4), body: 2))
            #expect(again.duplicateOf == first.id)
            #expect(again.verdicts.map(\.reason) == [already])
            #expect(try house.value("SELECT count(*) FROM jobs") == 2)
        }
    }

    @Test("the same move under another request id is a duplicate of the one that claimed the find", arguments: [2, 3] as [UInt8])
    func doubled(old: UInt8) async throws {
        try await withFind { house in
            let first = try await house.accept(delivery("r2", moved("main", old, 4), body: 2))
            let second = try await house.accept(delivery("r3", moved("main", old, 4), body: 3))
            #expect(second.duplicateOf == first.id)
            #expect(second.verdicts.map(\.reason) == [already])
            #expect(try house.value("SELECT count(*) FROM jobs") == 2)
        }
    }

    @Test("a find is claimed once: another move to the same commit is a change of its own")
    func claimedOnce() async throws {
        try await withFind { house in
            try await house.accept(delivery("r2", moved("main", 2, 4), body: 2))
            let other = try await house.accept(delivery("r3", moved("main", 3, 4), body: 3))
            #expect(other.duplicateOf == nil)
            #expect(other.verdicts.map(\.job) == [3])
        }
    }

    @Test("a delivery that came before and is sent again leaves a later find of its commit to the one that tells of it")
    func notByResent() async throws {
        try await withFind { house in
            // Both apps have the commit from r2; the branch goes on to 6, and the fetch for that finds it at 4 again, for shop only.
            try await house.accept(delivery("r2", moved("main", 2, 4, for: "shop", "blog"), body: 2))
            let next = try #require(try await house.accept(delivery("r3", moved("main", 4, 6), body: 3)).verdicts.first?.job)
            try house.execute("UPDATE jobs SET state = 'cancelled', reason = 'by root', finished_at = 3100 WHERE app = 'blog'")
            let again = OrderRules.Fetched(head: try commit(4), headObject: try commit(4), commit: try commit(6))
            let claimed = try await house.claim(next)
            let found = try await house.ledger.order(claimed.job, after: again, patienceIsOver: true, at: at(3200))
            let catchUp = try #require(found.queued?.id)

            let resent = try await house.accept(delivery("r2", moved("main", 2, 4, for: "shop", "blog"), body: 2))
            #expect(!resent.queuedAnything)
            let told = try await house.accept(delivery("r4", moved("main", 6, 4), body: 4))
            #expect(told.verdicts.map(\.reason) == ["already job \(catchUp); bittern retry \(catchUp) runs it again"])
        }
    }

    @Test("an app that has no job from the find is matched anew by the delivery that claims it")
    func matchedAnew() async throws {
        try await withFind { house in
            let accepted = try await house.accept(delivery("r2", moved("main", 2, 4, for: "shop", "blog"), body: 2))
            #expect(accepted.verdicts.map(\.reason) == [already, nil])
            #expect(accepted.verdicts.map(\.job) == [nil, 3])
            #expect(try house.value("SELECT change FROM jobs WHERE id = 3") == 2)
            #expect(try house.value("SELECT answer FROM deliveries WHERE id = \(accepted.id)") == 202)
        }
    }

    @Test("the find is claimed also after its job ended")
    func afterTheEnd() async throws {
        try await withFind { house in
            try await house.deploy(2)
            let accepted = try await house.accept(delivery("r2", moved("main", 2, 4), body: 2))
            #expect(accepted.verdicts.map(\.reason) == [already])
        }
    }

    @Test("a find is not claimed when the ref has moved on since")
    func movedOn() async throws {
        try await withFind { house in
            try await house.accept(delivery("r2", moved("main", 4, 5), body: 2))
            let late = try await house.accept(delivery("r3", moved("main", 3, 4), body: 3))
            #expect(late.duplicateOf == nil)
            #expect(late.verdicts.map(\.job) == [4])
            #expect(try house.value("SELECT delivery FROM changes WHERE id = 2", as: Int64?.self) == .some(nil))
        }
    }

    @Test("a deletion, another commit and another ref claim nothing")
    func others() async throws {
        try await withFind { house in
            let gone = try await house.accept(delivery("r2", ignored("next", 4, nil, because: "gone"), body: 2))
            #expect(gone.duplicateOf == nil)
            #expect(try await house.accept(delivery("r3", moved("next", 2, 4), body: 3)).queuedAnything)
            #expect(try await house.accept(delivery("r4", moved("main", 4, 6), body: 4)).queuedAnything)
            #expect(try house.value("SELECT count(*) FROM changes WHERE delivery IS NULL") == 1)
        }
    }
}
