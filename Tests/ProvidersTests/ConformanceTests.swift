import Domain
import Testing

@testable import Providers

/// What every provider must keep, whatever its forge.
struct ConformanceTests {
    @Test("kinds of forge that come later have no provider yet", arguments: [Account.Kind.github, .gitlab, .gitea])
    func later(kind: Account.Kind) {
        #expect(provider(for: kind) == nil)
    }

    @Test("event, signature and request id are read from their headers, and are none without them", arguments: Subject.all)
    func headerNames(subject: Subject) throws {
        let provider = try subject.provider
        let given = headers(["x-event-key": "a:b", "X-HUB-SIGNATURE": "sha256=x", subject.requestIDHeader.lowercased(): "id"])
        #expect(provider.event(given) == "a:b")
        #expect(provider.signature(given) == "sha256=x")
        #expect(provider.requestID(given) == "id")
        #expect(provider.event(headers([:])) == nil && provider.signature(headers([:])) == nil && provider.requestID(headers([:])) == nil)
    }

    @Test("GitHub's newer signature header is not looked at, and its SHA-1 under the same name is refused", arguments: Subject.all)
    func sha1(subject: Subject) throws {
        let provider = try subject.provider
        #expect(provider.signature(headers(["X-Hub-Signature-256": "sha256=x"])) == nil)
        let signature = provider.signature(headers(["X-Hub-Signature": "sha1=2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"]))
        #expect(Signature.check(signature, body: [UInt8](), secrets: [Secret("secret")]) == .malformed)
    }

    @Test("all changes of a push are looked at, in their order: update, new branch with slashes, deletion, tag", arguments: Subject.all)
    func allChanges(subject: Subject) throws {
        let push = try push(of: read(subject.provider, event: subject.pushEvent, fixture(subject.folder + "/several-changes")))
        #expect(
            push.refs == [
                try branch("main", "a", "b"), try branch("feature/a/b", nil, "c"), try branch("old", "d", nil), try tag("v1.0", nil, "b"),
            ])
        #expect(push.reasons == [nil, nil, nil, nil])
    }

    @Test("a push without changes is a push of nothing", arguments: Subject.all)
    func noChanges(subject: Subject) throws {
        #expect(try push(of: read(subject.provider, event: subject.pushEvent, fixture(subject.folder + "/no-changes"))).refs.isEmpty)
    }

    @Test("fields nobody needs may be of any type", arguments: Subject.all)
    func oddTypes(subject: Subject) throws {
        let push = try push(of: read(subject.provider, event: subject.pushEvent, fixture(subject.folder + "/odd-types")))
        #expect(push.refs == [try branch("main", "a", "b")])
        #expect(push.repositoryID == nil)
    }

    @Test("names git would refuse are kept apart with a reason, and none goes through", arguments: Subject.all)
    func badNames(subject: Subject) throws {
        let push = try push(of: read(subject.provider, event: subject.pushEvent, fixture(subject.folder + "/bad-names")))
        #expect(push.reasons == Array(repeating: "the ref name breaks git's rules", count: 3))
        #expect(push.refs.map(\.refText) == ["refs/heads/a..b", "refs/heads/evil\\x1b[2J", "refs/tags/--upload-pack=x"])
    }

    @Test("an event that is no push is known by its key alone, whatever its body holds", arguments: Subject.all)
    func otherEvents(subject: Subject) throws {
        let provider = try subject.provider
        for body in [
            try fixture(subject.folder + "/pull-request"), Array("{}".utf8), Array("[]".utf8), Array(#"{"changes": 5, "push": 5}"#.utf8),
        ] {
            #expect(try read(provider, event: "pullrequest:created", body) == .other(key: "pullrequest:created"))
        }
        #expect(try read(provider, event: subject.pushEvent.uppercased(), Array("{}".utf8)) == .other(key: subject.pushEvent.uppercased()))
    }

    @Test("a delivery without its event header is refused with a sentence that names it", arguments: Subject.all)
    func missingEvent(subject: Subject) throws {
        let body = try fixture(subject.folder + "/several-changes")
        #expect(try refusal(subject.provider, event: nil, body).contains("X-Event-Key"))
        #expect(try refusal(subject.provider, event: "", body).contains("X-Event-Key"))
    }

    static let noJSON: [[UInt8]] = [
        [], Array(" ".utf8), Array("hello".utf8), Array("{".utf8), Array("{}x".utf8), Array("{\"a\":}".utf8), Array("payload=%7B%7D".utf8),
        Array("<xml/>".utf8), [0xFF, 0xFE, 0x00], [0x00], Array("{\"a\": \"".utf8) + [0xFF, 0xC3] + Array("\"}".utf8),
        [UInt8](repeating: UInt8(ascii: "["), count: 100_000),
        [UInt8](repeating: UInt8(ascii: "["), count: 100_000) + [UInt8](repeating: UInt8(ascii: "]"), count: 100_000),
        Array(String(repeating: "{\"a\":", count: 100_000).utf8), [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20),
        [UInt8](repeating: 0xC3, count: 1 << 20), Array("{\"a\": \"".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20),
    ]

    @Test("a body that is not JSON is refused as that, under every event", arguments: Subject.all, noJSON.indices)
    func notJSON(subject: Subject, index: Int) throws {
        for event in [subject.pushEvent, "pullrequest:created"] {
            #expect(
                try refusal(subject.provider, event: event, Self.noJSON[index])
                    == "the body is not JSON; Bitbucket's own webhooks send JSON")
        }
    }

    @Test("JSON that is no object is not shaped like a push", arguments: Subject.all, ["5", "null", "true", "\"x\"", "[]", "[{}]", "1e5"])
    func scalars(subject: Subject, body: String) throws {
        let sentence = try refusal(subject.provider, event: subject.pushEvent, Array(body.utf8))
        #expect(sentence.hasPrefix("the body is not shaped like \(subject.pushEvent): the top "))
    }

    @Test(
        "a field that is needed and missing, null or of the wrong type is named", arguments: Subject.all,
        ["{}", #"{"repository": null}"#, #"{"repository": 5}"#, #"{"repository": []}"#, #"{"repository": "acme/shop"}"#])
    func repositoryShape(subject: Subject, body: String) throws {
        let sentence = try refusal(subject.provider, event: subject.pushEvent, Array(body.utf8))
        #expect(sentence.hasPrefix("the body is not shaped like \(subject.pushEvent): repository "))
    }

    @Test("changes of the wrong type are refused and named", arguments: Subject.all, ["null", "5", "{}", "\"x\"", "[5]", "[null]", "[[]]"])
    func changesShape(subject: Subject, changes: String) throws {
        let body = #"{"repository": \#(subject.repository), "changes": \#(changes), "push": {"changes": \#(changes)}}"#
        #expect(try refusal(subject.provider, event: subject.pushEvent, Array(body.utf8)).contains("changes"))
    }

    @Test("an event key from outside is shown without harm and not at length", arguments: Subject.all)
    func shownEvent(subject: Subject) throws {
        let sentence = try refusal(subject.provider, event: subject.pushEvent, Array("{}".utf8))
        #expect(sentence.contains(subject.pushEvent))
        let odd = "\u{1B}[2J" + String(repeating: "x", count: 5000)
        #expect(try !refusal(subject.provider, event: odd, []).contains("\u{1B}"))
    }

    @Test("a body of 1 MB that is a push is read like a small one", arguments: Subject.all)
    func large(subject: Subject) throws {
        let body = try fixture(subject.folder + "/several-changes")
        let padded = [UInt8](repeating: 0x20, count: 1 << 20) + body
        #expect(try read(subject.provider, event: subject.pushEvent, padded) == read(subject.provider, event: subject.pushEvent, body))
    }
}
