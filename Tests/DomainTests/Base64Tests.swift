import Foundation
import RealParts
import Testing

@testable import Domain

struct Base64Tests {
    @Test(
        "the vectors of RFC 4648 come out",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ])
    func vectors(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
    }

    @Test("the two alphabets differ in two digits")
    func alphabets() {
        #expect(Base64.encode([0xFB, 0xFF, 0xFE]) == "+//+")
        #expect(Base64.encode([0xFB, 0xFF, 0xFE], alphabet: .url) == "-__-")
    }

    @Test("any bytes come out as Foundation writes them")
    func againstFoundation() {
        let seed = SeededRandom.seed
        var random = SeededRandom(seed: seed)
        for length in 0..<300 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(Base64.encode(bytes) == Data(bytes).base64EncodedString(), "seed \(seed)")
        }
    }

    @Test("the core of a value is what it alone decides, wherever it stands", arguments: 0..<3)
    func core(shift: Int) {
        for length in 6...12 {
            let value = Array("secret-value".utf8.prefix(length))
            let core = Base64.core(of: value, shift: shift, alphabet: .standard)
            #expect(core.count >= (length * 8 - 10) / 6)
            for neighbour in [UInt8.min, 0x55, .max] {
                let around = [UInt8](repeating: neighbour, count: shift) + value + [neighbour, neighbour]
                #expect(Base64.encode(around).utf8.firstRange(of: core) != nil)
            }
        }
    }
}
