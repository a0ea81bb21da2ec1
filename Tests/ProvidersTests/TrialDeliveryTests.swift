import Domain
import Testing

@testable import Providers

/// What a provider writes for `bittern simulate`, it reads again.
struct TrialDeliveryTests {
    private static let secret = Secret("correct-horse-battery-staple")

    private static let names = [
        "main", "feature/a/b", "v1.0", "it's-\"quoted\"", "a&b<c>", "ünïcode/☃", "e\u{301}", "a\"\u{301}b", "\u{1F600}", "{}", "$HOME;`id`",
        "a\u{2028}b",
        "%2e%2e", "a,b", "#1", "refs/heads/x", String(repeating: "n", count: 1000),
    ]

    private func push(_ ref: RefName, repository: String = "ACME/shop.site_x-1", digits: Int = 40) throws -> TrialPush {
        TrialPush(
            repository: try #require(RepositoryName(repository)), ref: ref,
            commit: try #require(CommitID(String(repeating: "1a", count: digits / 2))), requestID: "a5ead08e-436d-42b7-b3e9-340a9d0bb667")
    }

    @Test("what is written is read as the very push: repository, ref, commit, whatever the name holds", arguments: Subject.all, names)
    func readsWhatItWrites(subject: Subject, name: String) throws {
        let provider = try subject.provider
        for kind in [RefName.Kind.branch, .tag] {
            for digits in [40, 64] {
                let trial = try push(try #require(RefName(kind, name)), digits: digits)
                let delivery = provider.delivery(of: trial, secret: Self.secret)
                let read = try ProvidersTests.push(of: provider.read(WebhookHeaders(delivery.headers), body: delivery.body))
                #expect(read.repository == trial.repository.description)
                #expect(read.refs == [.change(Change(ref: trial.ref, old: nil, new: trial.commit))])
            }
        }
    }

    @Test("it is signed, carries its event and its request id, and is no connection test", arguments: Subject.all)
    func headers(subject: Subject) throws {
        let provider = try subject.provider
        let trial = try push(try #require(RefName(.branch, "main")))
        let delivery = provider.delivery(of: trial, secret: Self.secret)
        let headers = WebhookHeaders(delivery.headers)
        let signature = provider.signature(headers)
        #expect(Signature.check(signature, body: delivery.body, secrets: [Self.secret]) == .valid(secret: 0))
        #expect(Signature.check(signature, body: delivery.body, secrets: [Secret("another-secret-of-16")]) == .wrong)
        #expect(provider.event(headers) == subject.pushEvent)
        #expect(provider.requestID(headers) == trial.requestID)
        #expect(!provider.isPing(headers, bodySize: delivery.body.count))
        #expect(headers["Content-Type"] == "application/json" && headers["User-Agent"] == "bittern simulate")
        #expect(delivery.headers.count == Set(delivery.headers.map { $0.name.lowercased() }).count)
    }

    @Test("a personal repository is one too, and two requests are told apart by their id alone", arguments: Subject.all)
    func repositories(subject: Subject) throws {
        let provider = try subject.provider
        var trial = try push(try #require(RefName(.branch, "main")), repository: "~ada/shop")
        let first = provider.delivery(of: trial, secret: Self.secret)
        #expect(try ProvidersTests.push(of: provider.read(WebhookHeaders(first.headers), body: first.body)).repository == "~ada/shop")
        trial.requestID = "another"
        let second = provider.delivery(of: trial, secret: Self.secret)
        #expect(second.body == first.body && provider.requestID(WebhookHeaders(second.headers)) == "another")
    }
}
