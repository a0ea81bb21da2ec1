import RealParts
import Testing

@testable import Domain

struct LogMaskTests {
    private static let secret = "s3cr3t?/+~ü key>"

    @Test("a secret is masked as it is, and the rest stays")
    func raw() {
        #expect(masked("a \(Self.secret) b \(Self.secret)\n", secrets: [Self.secret]) == "a *** b ***\n")
        #expect(masked("nothing here\n", secrets: [Self.secret]) == "nothing here\n")
        #expect(masked("", secrets: [Self.secret]).isEmpty)
    }

    @Test("a secret of 6 bytes is masked, a shorter one is not")
    func shortest() {
        #expect(masked("abcdef abcde", secrets: ["abcdef", "abcde"]) == "*** abcde")
        #expect(LogMask(secrets: [Secret("abcde"), Secret("")]).isEmpty)
        #expect(!LogMask(secrets: [Secret("abcdef")]).isEmpty)
    }

    @Test("without secrets bytes pass at once")
    func noSecrets() {
        var mask = LogMask(secrets: [Secret]())
        #expect(mask.mask([0, 255, 10]) == [0, 255, 10])
        #expect(mask.finish().isEmpty)
    }

    @Test("a secret of several lines is masked whole, line by line, and with other line ends")
    func severalLines() {
        let key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nx\nq83vEjRWeJq83v==\n-----END KEY-----\n"
        #expect(masked("[\(key)]", secrets: [key]) == "[***\n]")
        #expect(masked("log: MIIEowIBAAKCAQEA.", secrets: [key]) == "log: ***.")
        #expect(!masked(key.replacing("\n", with: "\r\n"), secrets: [key]).contains("q83v"))
        #expect(!masked(key.replacing("\n", with: ""), secrets: [key]).contains("q83v"))
    }

    @Test("a secret of several short lines is masked whole, also encoded")
    func shortLines() {
        let secret = "abc\ndef\nghi"
        #expect(masked("<\(secret)>", secrets: [secret]) == "<***>")
        #expect(!masked(encoded(secret), secrets: [secret]).contains("ZGVm"))
        #expect(masked("abc%0Adef%0Aghi", secrets: [secret]) == "***")
        #expect(masked("abc def ghi", secrets: [secret]) == "abc def ghi")
    }

    @Test(
        "line ends around a secret need not be printed with it",
        arguments: ["\nsecret-value", "secret-value\n", "secret-value\r\n", "\n\nsecret-value\n\n"])
    func surroundingLineEnds(secret: String) {
        #expect(masked("<secret-value>", secrets: [secret]) == "<***>")
        #expect(!masked(encoded("user:" + secret), secrets: [secret]).contains("ldC12YWx1"))
    }

    @Test(
        "a secret inside base64 is masked at every distance from its beginning, in both alphabets", arguments: 0..<7,
        [Base64.Alphabet.standard, .url])
    func base64(distance: Int, alphabet: Base64.Alphabet) {
        for after in ["", "!", "!!", "!!!"] {
            let bytes = Array("\(String(repeating: "~", count: distance))\(Self.secret)\(after)".utf8)
            let shown: String = masked(Base64.encode(bytes, alphabet: alphabet), secrets: [Self.secret])
            let neighbours = (distance + after.utf8.count) * 4 / 3
            #expect(shown.contains("***"))
            #expect(shown.utf8.count <= neighbours + 12, "too much is left: \(shown)")
        }
    }

    @Test("HTTP's Basic scheme is masked when the secret is the password")
    func basic() {
        #expect(masked("Authorization: Basic " + encoded("x-token-auth:" + Self.secret), secrets: [Self.secret]).contains("***"))
    }

    @Test("a percent-encoded secret is masked, with upper and lower case digits")
    func percent() {
        let upper = "s3cr3t%3F%2F%2B~%C3%BC%20key%3E"
        #expect(masked("?token=\(upper)&x=1", secrets: [Self.secret]) == "?token=***&x=1")
        #expect(masked(upper.replacing(/%../, with: { $0.output.lowercased() }), secrets: [Self.secret]) == "***")
    }

    @Test("a secret wrapped at 76 columns is masked, raw and in base64, with either line end", arguments: ["\n", "\r\n"])
    func wrapped(lineEnd: String) {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        let secret = String((0..<150).map { (number: Int) -> Character in alphabet[(number * 7 + number * number / 11) % 36] })
        for text in [secret, encoded(secret), encoded("x\(secret)"), encoded("xy\(secret)")] {
            for indent in [0, 1, 40, 75] {
                let written: String = String(repeating: " ", count: indent) + text
                let shown: String = masked(wrap(written, at: 76, with: lineEnd), secrets: [secret])
                let left = shown.filter { !$0.isWhitespace }
                // Beside the stars only the digits that the neighbours of the secret decide too, and the padding.
                #expect(left.contains("***") && left.count <= 3 + 3 + 3, "\(left)")
            }
        }
    }

    @Test("what is held back is bounded, however many empty lines follow the beginning of a secret")
    func boundedHold() {
        var mask = LogMask(secrets: [Secret("abcdef")])
        _ = mask.mask(Array("abc".utf8))
        #expect(mask.mask([UInt8](repeating: 0x0A, count: 1000)) == Array("abc".utf8) + [UInt8](repeating: 0x0A, count: 1000))
    }

    @Test("a secret split over two reads is masked, wherever it was cut")
    func splitOnce() {
        for text in [Self.secret, encoded(Self.secret), "s3cr3t%3F%2F%2B~%C3%BC%20key%3E", wrap(Self.secret, at: 5, with: "\n")] {
            let stream = Array("before \(text) s3cr after".utf8)
            let whole = masked(stream, secrets: [Self.secret])
            #expect(String(decoding: whole, as: UTF8.self).hasPrefix("before ***"))
            for cut in 0...stream.count {
                var mask = LogMask(secrets: [Secret(Self.secret)])
                let output = mask.mask(stream[..<cut]) + mask.mask(stream[cut...]) + mask.finish()
                #expect(output == whole, "cut at \(cut)")
            }
        }
    }

    @Test("byte by byte is as good as at once")
    func byteByByte() {
        let stream = Array("x \(Self.secret)\n\(encoded("a" + Self.secret)) s3cr3t?".utf8)
        var mask = LogMask(secrets: [Secret(Self.secret)])
        #expect(stream.flatMap { mask.mask([$0]) } + mask.finish() == masked(stream, secrets: [Self.secret]))
    }

    @Test("text that only begins like a secret comes out when that is clear, and at the end at the latest")
    func falseStart() {
        var mask = LogMask(secrets: [Secret("abcdef")])
        #expect(mask.mask(Array("xabc".utf8)) == Array("x".utf8))
        #expect(mask.mask(Array("x".utf8)) == Array("abcx".utf8))
        #expect(mask.mask(Array("ababc".utf8)) == Array("ab".utf8))
        #expect(mask.finish() == Array("abc".utf8))
    }

    @Test("of secrets that begin alike the longest is masked whole, in any order, also over two reads")
    func longestWins() {
        for secrets in [["abcdef", "abcdefghi"], ["abcdefghi", "abcdef"]] {
            #expect(masked("abcdefghi abcdefg", secrets: secrets) == "*** ***g")
            var mask = LogMask(secrets: secrets.map { Secret($0) })
            #expect(mask.mask(Array("abcdefg".utf8)).isEmpty)
            #expect(mask.mask(Array("hi".utf8)) + mask.finish() == Array("***".utf8))
        }
        #expect(masked("xabcdefx", secrets: ["abcdef", "xabcdefx"]) == "***")
    }

    @Test("no secret is ever in the output, and everything else stays, whatever is written and however it is cut")
    func property() {
        let seed = SeededRandom.seed
        var random = SeededRandom(seed: seed)
        for _ in 0..<400 {
            let secrets = (0..<Int.random(in: 1...3, using: &random)).map { _ in letters("abcdefgh", 6...20, &random) }
            // The rest is written in letters that no form of a secret begins with, so that it must come out as it is.
            let pieces = (0..<Int.random(in: 1...8, using: &random)).map { _ -> (written: String, shown: String) in
                let rest = letters(".,:; ", 1...9, &random)
                guard Bool.random(using: &random), let secret = secrets.randomElement(using: &random) else { return (rest, rest) }
                return (secret + rest, "***" + rest)
            }
            let stream = Array(pieces.map(\.written).joined().utf8)
            var mask = LogMask(secrets: secrets.map { Secret($0) })
            var output: [UInt8] = []
            var rest = stream[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...12, using: &random)
                output += mask.mask(rest.prefix(count))
                rest = rest.dropFirst(count)
            }
            let shown = String(decoding: output + mask.finish(), as: UTF8.self)
            #expect(!secrets.contains { shown.contains($0) }, "seed \(seed)")
            if !isNested(secrets) { #expect(shown == pieces.map(\.shown).joined(), "seed \(seed)") }
        }
    }
}

/// Whether a secret holds another: then what is left of the outer one is a matter of taste.
private func isNested(_ secrets: [String]) -> Bool {
    secrets.indices.contains { outer in secrets.indices.contains { $0 != outer && secrets[outer].contains(secrets[$0]) } }
}

private func letters(_ alphabet: String, _ count: ClosedRange<Int>, _ random: inout SeededRandom) -> String {
    let alphabet = Array(alphabet)
    return String((0..<Int.random(in: count, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) })
}

private func masked(_ bytes: [UInt8], secrets: [String]) -> [UInt8] {
    var mask = LogMask(secrets: secrets.map { Secret($0) })
    return mask.mask(bytes) + mask.finish()
}

private func masked(_ text: String, secrets: [String]) -> String {
    String(decoding: masked(Array(text.utf8), secrets: secrets), as: UTF8.self)
}

private func encoded(_ text: String) -> String { Base64.encode(Array(text.utf8)) }

private func wrap(_ text: String, at columns: Int, with lineEnd: String) -> String {
    let characters = Array(text)
    return stride(from: 0, to: characters.count, by: columns).map { String(characters[$0..<min($0 + columns, characters.count)]) }.joined(
        separator: lineEnd)
}
