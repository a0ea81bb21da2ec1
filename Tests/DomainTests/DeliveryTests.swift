import Testing

@testable import Domain

struct WebhookHeadersTests {
    @Test("names are compared without case, and of a field sent twice the first counts")
    func names() {
        let headers = WebhookHeaders([
            (name: "X-Event-Key", value: "repo:push"), (name: "x-event-key", value: "repo:fork"), (name: "EMPTY", value: ""),
        ])
        for name in ["X-Event-Key", "x-event-key", "X-EVENT-KEY"] { #expect(headers[name] == "repo:push") }
        #expect(headers["empty"]?.isEmpty == true)
        #expect(headers["X-Event"] == nil)
    }
}

struct AcceptedDeliveryTests {
    @Test("there is work when any verdict queued a job")
    func queuedAnything() {
        let ignored = Verdict(app: nil, ref: "refs/heads/a", commit: nil, kind: .ignored, job: nil, reason: "no")
        let queued = Verdict(app: "shop", ref: "refs/heads/a", commit: nil, kind: .queued, job: 1, reason: nil)
        #expect(!delivery([]).queuedAnything)
        #expect(!delivery([ignored]).queuedAnything)
        #expect(delivery([ignored, queued]).queuedAnything)
    }

    @Test("two accepted deliveries differ by each of their parts")
    func equality() {
        let one = delivery([], superseded: [(1, "shop", 2)])
        #expect(one == delivery([], superseded: [(1, "shop", 2)]))
        #expect(one != delivery([], superseded: [(1, "shop", 3)]))
        #expect(one != delivery([], superseded: []))
        #expect(one != AcceptedDelivery(id: 7, duplicateOf: 3, verdicts: [], superseded: [(1, "shop", 2)]))
    }

    private func delivery(_ verdicts: [Verdict], superseded: [(job: Int64, app: String, by: Int64)] = []) -> AcceptedDelivery {
        AcceptedDelivery(id: 7, duplicateOf: nil, verdicts: verdicts, superseded: superseded)
    }
}

struct PushedRefTests {
    private static let hash = String(repeating: "a", count: 40)
    private static let zeros = String(repeating: "0", count: 40)

    @Test("a name and two commits are a change")
    func change() throws {
        let expected = Change(ref: try branch("feature/a"), old: try commit("b"), new: try commit("a"))
        let ref = PushedRef.reading(.branch, name: "feature/a", old: String(repeating: "b", count: 40), new: Self.hash)
        #expect(ref == .change(expected))
        #expect(ref.refText == "refs/heads/feature/a")
        #expect(ref.commit == expected.new)
    }

    @Test("no new commit, or Data Center's zeros, is a deletion; no old one, zeros or nonsense there is a new ref")
    func zeroIsNone() throws {
        #expect(
            PushedRef.reading(.branch, name: "a", old: Self.hash, new: nil)
                == .change(Change(ref: try branch("a"), old: try commit("a"), new: nil)))
        #expect(
            PushedRef.reading(.branch, name: "a", old: nil, new: Self.zeros) == .change(Change(ref: try branch("a"), old: nil, new: nil)))
        for old in [nil, Self.zeros, "from-hash-1", ""] {
            #expect(
                PushedRef.reading(.tag, name: "a", old: old, new: Self.hash)
                    == .change(Change(ref: try tag("a"), old: nil, new: try commit("a"))))
        }
    }

    @Test("a name git would refuse is unusable, says so, and is shown without harm")
    func badName() {
        let ref = PushedRef.reading(.branch, name: "a\u{1B}[2J", old: nil, new: Self.hash)
        #expect(ref == .unusable(ref: "refs/heads/a\u{1B}[2J", reason: "the ref name breaks git's rules"))
        #expect(ref.refText == "refs/heads/a\\x1b[2J")
        #expect(ref.commit == nil)
        #expect(
            PushedRef.reading(.tag, name: "", old: nil, new: nil) == .unusable(ref: "refs/tags/", reason: "the ref name breaks git's rules")
        )
    }

    @Test(
        "a hash that is no commit is unusable, says so, and never more than a little of it", arguments: ["to-hash-1", "", "HEAD", "\u{1B}"])
    func badHash(hash: String) {
        let ref = PushedRef.reading(.branch, name: "a", old: nil, new: hash)
        #expect(ref == .unusable(ref: "refs/heads/a", reason: "\"\(SafeText.shown(hash))\" is not a commit"))
    }

    @Test("a very long hash does not fill the reason")
    func longHash() {
        guard case .unusable(_, let reason) = PushedRef.reading(.branch, name: "a", old: nil, new: String(repeating: "a", count: 5000))
        else {
            Issue.record("a hash of 5,000 digits was taken for a commit")
            return
        }
        #expect(reason.utf8.count < 110)
    }
}
