import Testing

@testable import Domain

struct SignatureTests {
    /// Atlassian, "Manage webhooks": the published example.
    private static let body = Array("Hello World!".utf8)
    private static let secret = Secret("It's a Secret to Everybody")
    private static let code = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    private static let header = "sha256=" + code

    @Test("the published example is valid")
    func published() {
        #expect(check(Self.header) == .valid(secret: 0))
    }

    @Test("one other bit anywhere is wrong: in the body, the code or the secret")
    func oneBit() throws {
        for position in Self.body.indices {
            var body = Self.body
            body[position] ^= 1
            #expect(check(Self.header, body: body) == .wrong)
        }
        let code = try #require(Hexadecimal.bytes(of: Self.code))
        for position in code.indices {
            var other = code
            other[position] ^= 0x80
            #expect(check("sha256=" + Hexadecimal.text(of: other)) == .wrong)
        }
        #expect(check(Self.header, secrets: [Secret("It's a Secret to Everybodx")]) == .wrong)
        #expect(check(Self.header, body: Self.body + [0x0A]) == .wrong)
        #expect(check(Self.header, body: []) == .wrong)
    }

    @Test("no header at all is missing")
    func missing() {
        #expect(check(nil) == .missing)
    }

    @Test(
        "anything but sha256= and 64 hexadecimal digits is malformed",
        arguments: [
            "", "sha256=", code, "sha1=2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "sha1=\(code)", "SHA256=\(code)", "sha256:\(code)",
            "sha512=\(code)\(code)", "sha256=\(code.dropLast())", "sha256=\(code)0", "sha256=\(code) ", " sha256=\(code)",
            "sha256= \(code.dropLast())", "sha256=\(code.dropLast())g", "sha256=sha256=\(code.dropLast(7))",
            "sha256=\(code),sha256=\(code)",
            "sha256=\(code.dropLast(2))é",
        ] as [String])
    func malformed(header: String) {
        #expect(check(header) == .malformed)
    }

    @Test("the digits may be upper case: they say the same number")
    func upperCase() {
        #expect(check("sha256=" + Self.code.uppercased()) == .valid(secret: 0))
    }

    @Test("while a secret is being rotated both are good, in either order")
    func rotation() {
        let new = Secret("the new secret of the hook")
        #expect(check(Self.header, secrets: [new, Self.secret]) == .valid(secret: 1))
        #expect(check(Self.header, secrets: [Self.secret, new]) == .valid(secret: 0))
        #expect(check(Self.header, secrets: [new, new]) == .wrong)
    }

    @Test("an empty secret never verifies, and neither does none")
    func emptySecret() {
        // HMAC-SHA256 with the empty key over the empty text.
        let code = "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
        #expect(check(code, body: [], secrets: [Secret("")]) == .wrong)
        #expect(check(code, body: [], secrets: []) == .wrong)
        #expect(check(Self.header, secrets: [Secret(""), Self.secret]) == .valid(secret: 1))
    }

    @Test("the hash of a body is its SHA-256")
    func hash() {
        #expect(
            Hexadecimal.text(of: Signature.hash(of: Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(Hexadecimal.text(of: Signature.hash(of: [UInt8]())) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    @Test("recorded deliveries verify, and their forgeries do not", .needsPayloads)
    func recorded() throws {
        let table = String(decoding: try Payloads.bytes("signatures.tsv"), as: UTF8.self)
        let rows = table.split(separator: "\n").dropFirst().map {
            $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
        #expect(rows.count >= 3)
        for row in rows {
            let body = row[1].hasSuffix(".json") ? try Payloads.bytes(row[1]) : Array(row[1].utf8)
            let expected: Signature.Outcome = row[0].hasPrefix("NEGATIVE") ? .wrong : .valid(secret: 0)
            #expect(check(row[3], body: body, secrets: [Secret(row[2])]) == expected, "\(row[0])")
        }
    }

    private func check(_ header: String?, body: [UInt8] = body, secrets: [Secret] = [secret]) -> Signature.Outcome {
        Signature.check(header, body: body, secrets: secrets)
    }
}
