import Domain
import RealParts
import Storage
import Testing

@Suite struct DuplicateTests {
    private let already = "already job 1; bittern retry 1 runs it again"

    @Test("a delivery that is sent again makes no second job and names the first")
    func resent() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            let again = try await house.accept(delivery("r1", moved("main", 1, 2), at: 6000))
            let verdict = Verdict(app: "shop", ref: "refs/heads/main", commit: try commit(2), kind: .ignored, job: nil, reason: already)
            #expect(again == AcceptedDelivery(id: 2, duplicateOf: 1, verdicts: [verdict], superseded: []))
            #expect(try house.counts() == [2, 1, 1, 2, 1])
            #expect(try house.value("SELECT answer FROM deliveries WHERE id = 2") == 200)
            #expect(try house.value("SELECT duplicate_of FROM deliveries WHERE id = 2") == 1)
        }
    }

    @Test("it stays a duplicate however often it is sent, also after its job has ended")
    func oftenResent() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            try await house.deploy(1)
            for _ in 0..<3 {
                let again = try await house.accept(delivery("r1", moved("main", 1, 2)))
                #expect(again.duplicateOf == 1)
                #expect(again.verdicts.map(\.reason) == [already])
            }
        }
    }

    @Test("a delivery that is sent again makes no second job even where the branch had gone back meanwhile")
    func resentAfterReturn() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            try await house.accept(delivery("r2", moved("main", 2, 1), body: 2))
            let again = try await house.accept(delivery("r1", moved("main", 1, 2)))
            #expect(again.duplicateOf == 1)
            #expect(again.verdicts.map(\.reason) == [already])
            #expect(try house.value("SELECT count(*) FROM jobs") == 2)
        }
    }

    @Test("the second of a doubled hook's deliveries, sent again after the branch had gone back, makes no job either")
    func doubledResentAfterReturn() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            try await house.accept(delivery("r2", moved("main", 1, 2), body: 2))
            try await house.accept(delivery("r3", moved("main", 2, 1), body: 3))
            let again = try await house.accept(delivery("r2", moved("main", 1, 2), body: 2))
            #expect(again.duplicateOf == 1)
            #expect(try house.value("SELECT count(*) FROM jobs") == 2)
        }
    }

    @Test("the same move under another request id is a duplicate: the hook is there twice")
    func doubledHook() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            let second = try await house.accept(delivery("r2", moved("main", 1, 2), body: 2))
            #expect(second.duplicateOf == 1)
            #expect(second.verdicts.map(\.reason) == [already])
            #expect(try house.value("SELECT count(*) FROM jobs") == 1)
        }
    }

    @Test("the same move without any request id is a duplicate too")
    func noRequestID() async throws {
        try await withLedger { house in
            try await house.accept(delivery(nil, moved("main", 1, 2)))
            #expect(try await house.accept(delivery(nil, moved("main", 1, 2))).duplicateOf == 1)
        }
    }

    @Test("a request id that comes back with another body is a delivery of its own")
    func otherBody() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            let other = try await house.accept(delivery("r1", moved("main", 2, 3), body: 2))
            #expect(other.duplicateOf == nil)
            #expect(other.queuedAnything)
        }
    }

    @Test("a move from where the branch had returned to is a new one")
    func returned() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            try await house.accept(delivery("r2", moved("main", 2, 1), body: 2))
            let again = try await house.accept(delivery("r3", moved("main", 1, 2), body: 3))
            #expect(again.duplicateOf == nil)
            #expect(again.verdicts.map(\.job) == [3])
        }
    }

    @Test("a branch that was deleted and made anew at the same commit is a new change")
    func recreated() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", nil, 1)))
            try await house.accept(delivery("r2", ignored("main", 1, nil, because: "branch main was deleted"), body: 2))
            let again = try await house.accept(delivery("r3", moved("main", nil, 1), body: 3))
            #expect(again.duplicateOf == nil)
            #expect(again.verdicts.map(\.job) == [2])
        }
    }

    @Test("a deletion that is told twice is a duplicate")
    func deletedTwice() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", ignored("main", 1, nil, because: "gone")))
            let again = try await house.accept(delivery("r2", ignored("main", 1, nil, because: "gone"), body: 2))
            #expect(again.duplicateOf == 1)
            #expect(again.verdicts.map(\.reason) == ["gone"])
        }
    }

    @Test("the same move at another account, repository or ref is another change")
    func elsewhere() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            let account = try await house.accept(delivery("r1", moved("main", 1, 2, for: "a"), account: "other"))
            #expect(account.duplicateOf == nil)
            let ref = try await house.accept(delivery("r2", moved("next", 1, 2, for: "b"), body: 2))
            #expect(ref.duplicateOf == nil)
            var change = try moved("main", 1, 2, for: "c")
            change.repository = RepositoryName("acme/blog")
            #expect(try await house.accept(delivery("r3", change, body: 3)).duplicateOf == nil)
            #expect(try house.value("SELECT count(*) FROM jobs") == 4)
        }
    }

    @Test("a repository whose name is written in other case is the same")
    func otherCase() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            var change = try moved("main", 1, 2)
            change.repository = RepositoryName("ACME/shop")
            #expect(try await house.accept(delivery("r2", change, body: 2)).duplicateOf == 1)
        }
    }

    @Test("an app that had no job from a change is matched anew when the delivery is sent again")
    func matchedAnew() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", ignored("main", 1, 2, because: "branch main does not match dev")))
            let mended = try await house.accept(delivery("r1", moved("main", 1, 2, for: "shop", "blog")))
            #expect(mended.duplicateOf == 1)
            #expect(mended.verdicts.map(\.job) == [1, 2])
            #expect(try house.value("SELECT answer FROM deliveries WHERE id = 2") == 202)
            let third = try await house.accept(delivery("r1", moved("main", 1, 2, for: "shop", "api")))
            #expect(third.verdicts.map(\.reason) == [already, nil])
            #expect(third.verdicts.map(\.job) == [nil, 3])
        }
    }

    @Test("a delivery of which one change is new repeats none")
    func partlyNew() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2)))
            let second = try await house.accept(delivery("r2", moved("main", 1, 2), moved("next", 1, 2), body: 2))
            #expect(second.duplicateOf == nil)
            #expect(second.verdicts.map(\.job) == [nil, 2])
        }
    }

    @Test("one change that a delivery names twice makes one job")
    func twiceInOne() async throws {
        try await withLedger { house in
            let accepted = try await house.accept(delivery("r1", moved("main", 1, 2), moved("main", 1, 2)))
            #expect(accepted.verdicts.map(\.job) == [1, nil])
            #expect(accepted.duplicateOf == nil)
        }
    }

    @Test("refused deliveries never make a later one a duplicate")
    func refusedFirst() async throws {
        try await withLedger { house in
            try await house.ledger.record([
                RefusedDelivery(
                    account: "acme", event: "repo:push", requestID: "r1", remoteAddress: "::1", receivedAt: at(1), answer: 401,
                    reason: "the signature is wrong")
            ])
            #expect(try await house.accept(delivery("r1", moved("main", 1, 2))).duplicateOf == nil)
        }
    }

    @Test("of fifty that arrive at once one makes the job", arguments: [true, false])
    func atOnce(sameRequest: Bool) async throws {
        try await withLedger { house in
            let accepted = try await withThrowingTaskGroup(of: AcceptedDelivery.self) { group in
                for number in 0..<50 {
                    let one = delivery(sameRequest ? "r" : "r\(number)", try moved("main", 1, 2), body: sameRequest ? 1 : UInt8(number))
                    group.addTask { try await house.accept(one) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(accepted.filter(\.queuedAnything).count == 1)
            let first = accepted.first(where: \.queuedAnything)?.id
            #expect(accepted.filter { $0.duplicateOf == first }.count == 49)
            #expect(try house.counts() == [50, 1, 1, 50, 1])
        }
    }
}
