import Foundation
import Testing

@testable import Domain

struct SecretTests {
    private static let value = "correct horse"
    private static let secret = Secret(value)

    @Test("a secret shows itself in no way Swift has to print a value")
    func neverPrinted() {
        let printed = [
            "\(Self.secret)", String(describing: Self.secret), String(reflecting: Self.secret), dumped(Self.secret),
            "\(Optional(Self.secret) as Any)", "\([Self.secret])", "\(["A": Self.secret])", dumped([Self.secret]),
        ]
        for text in printed { #expect(!text.contains(Self.value) && !text.contains("99, 111, 114"), "\(text)") }
        #expect("\(Self.secret)" == "(secret)")
        #expect(Mirror(reflecting: Self.secret).children.isEmpty)
    }

    @Test("nor does anything that holds one")
    func neverPrintedInside() throws {
        let credential = RESTCredential.apiToken(Self.secret, email: "ci@acme.example")
        var holder = account(.bitbucketCloud, rest: credential, ssh: SSHCredential(key: .contents(Self.secret), knownHosts: nil))
        holder.hookSecrets = [Self.secret]
        let shop = try app(secrets: ["TOKEN": Self.secret], deploy: [CommandStep(name: "x", run: "x")])
        let plan = Plan(app: shop, job: try job(ref: nil), environment: [:], previous: nil, home: "/")
        for value in [holder, credential, shop, plan] as [Any] {
            for text in ["\(value)", String(reflecting: value), dumped(value)] {
                #expect(!text.contains(Self.value) && !text.contains("99, 111, 114") && !text.contains("- 99"))
            }
        }
    }

    @Test("nor does a coder write it, or what holds one, that was not told it may")
    func coding() throws {
        let shop = try app(secrets: ["TOKEN": Self.secret])
        #expect(throws: EncodingError.self) { try JSONEncoder().encode(Self.secret) }
        #expect(throws: EncodingError.self) { try JSONEncoder().encode(shop) }
        let (encoder, decoder) = (JSONEncoder(), JSONDecoder())
        let key = try #require(Secret.mayBeCoded)
        encoder.userInfo[key] = true
        let data = try encoder.encode(shop)
        #expect(throws: DecodingError.self) { try decoder.decode(App.self, from: data) }
        decoder.userInfo[key] = true
        #expect(try decoder.decode(App.self, from: data) == shop)
    }

    @Test("its bytes come out in one place, and it knows how many they are")
    func bytes() {
        #expect(Self.secret.withBytes { $0 } == Array(Self.value.utf8))
        #expect(Self.secret.count == 13)
        #expect(Self.secret == Secret(Array(Self.value.utf8)))
        #expect(Self.secret != Secret(""))
    }

    private func dumped(_ value: Any) -> String {
        var text = ""
        dump(value, to: &text)
        return text
    }
}
