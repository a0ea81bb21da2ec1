import Foundation
import RealParts
import Testing

@testable import Providers

struct JSONReaderTests {
    @Test(
        "what RFC 8259 allows is read",
        arguments: [
            "{}", "[]", "null", "true", "false", "0", "-0", "-1", "1.5", "1e5", "1E+5", "0.1e-7", "1e999", "\"\"", " [ 1 , 2 ] ",
            "{\"a\":{\"b\":[{}]}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"", "\t\r\n 5 \n", "{\"a\" : 1 , \"a\" : 2}",
            "\"\u{7F}äöü€😀\"",
        ])
    func json(text: String) {
        #expect(isRead(Array(text.utf8)))
    }

    @Test(
        "what RFC 8259 does not allow is not JSON",
        arguments: [
            "", " ", "{", "}", "[", "]", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{1:1}", "nul",
            "nullx", "tru", "01", "-", "+1", ".5", "5.", "1e", "1e+", "0x1", "--1", "Infinity", "NaN", "'a'", "\"", "\"a", "\"\\\"",
            "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\n\"", "\"\u{0}\"", "5 5", "{}{}", "[]]", "[}", "/**/5", "\u{FEFF}{}", "\u{A0}5",
            "true false",
        ])
    func noJSON(text: String) {
        #expect(!isRead(Array(text.utf8)))
    }

    @Test("of 5,000 broken deliveries those are read that Foundation reads")
    func broken() throws {
        let seed = SeededRandom.seed
        print("JSON of broken deliveries: BITTERN_TEST_SEED=\(seed)")
        var random = SeededRandom(seed: seed)
        let bodies = try Subject.all.flatMap { subject in try fixtureNames(of: subject.folder).map { try fixture($0) } }
        var counts = [true: 0, false: 0]
        for _ in 0..<5000 {
            let body = mutated(try #require(bodies.randomElement(using: &random)), &random)
            let text = String(decoding: body, as: UTF8.self)
            // Foundation lets a comma stand before a bracket, and looks into numbers and escapes of what nobody asked for.
            guard text.firstMatch(of: /,\s*[}\]]|[eE][+-]?[0-9]{3}|\\u[dD]/) == nil else { continue }
            let expected = isJSON(body)
            #expect(isRead(body) == expected, "seed \(seed): \(text)")
            counts[expected, default: 0] += 1
        }
        #expect(counts.values.allSatisfy { $0 > 100 }, "seed \(seed): \(counts)")
    }

    @Test(
        "strings are read with their escapes",
        arguments: [
            #""""#, #""a/b""#, #""ä€😀""#, #""\"\\\/\b\f\n\r\t""#, #""\u0041\u00e4\u20AC""#, #""\ud83d\uDE00!""#, #""a\nb\u0000c""#,
            #""\\u0041""#,
        ])
    func strings(text: String) throws {
        #expect(try string(text) == JSONDecoder().decode(String.self, from: Data(text.utf8)))
    }

    @Test("half a surrogate pair is no text", arguments: [#""\ud83d""#, #""\ude00""#, #""\ud83dx""#, #""\ude00\ud83d""#])
    func surrogates(text: String) {
        #expect(throws: JSONTrouble.notJSON) { try string(text) }
    }

    @Test("a name is the same with and without escapes")
    func names() throws {
        let text = #"{"r\u0065f": "a", "ref ": "b", "re": "c"}"#
        var found: [String] = []
        try read(text) { (reader) throws(JSONTrouble) in
            try reader.object { (reader, name) throws(JSONTrouble) in
                if case "ref" = name { found.append(try reader.string()) }
            }
        }
        #expect(found == ["a"])
    }

    @Test("what is nobody's is skipped, whatever its type, and what was asked for is found behind it")
    func skipping() throws {
        let text = #"{"a": {"ref": [1, {"ref": 2}]}, "b": "}", "ref": 3, "c": null}"#
        var found: [Int?] = []
        try read(text) { (reader) throws(JSONTrouble) in
            try reader.object { (reader, name) throws(JSONTrouble) in
                if case "ref" = name { found.append(try reader.integerIfAny()) }
            }
        }
        #expect(found == [3])
    }

    @Test("trouble says where it is")
    func places() throws {
        let trouble = #expect(throws: JSONTrouble.self) {
            try read(#"{"a": [{}, {"b": 5}]}"#) { (reader) throws(JSONTrouble) in
                try reader.object { (reader, _) throws(JSONTrouble) in
                    try reader.array { (reader) throws(JSONTrouble) in
                        try reader.object { (reader, _) throws(JSONTrouble) in _ = try reader.string() }
                    }
                }
            }
        }
        #expect(trouble == JSONTrouble(kind: .wrongType, path: ".a[1].b"))
    }

    @Test("values go 512 deep and no deeper")
    func depth() {
        func nested(_ depth: Int) -> [UInt8] { Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8) }
        #expect(isRead(nested(512)))
        #expect(!isRead(nested(513)))
    }

    private func isRead(_ bytes: [UInt8]) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        do {
            try bytes.withUnsafeBytes { bytes in
                try JSONReader.read(bytes) { (reader) throws(JSONTrouble) in try reader.skip() }
            }
            return true
        } catch {
            return false
        }
    }

    private func isJSON(_ bytes: [UInt8]) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        return (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
    }

    private func string(_ text: String) throws -> String {
        try read(text) { (reader) throws(JSONTrouble) in try reader.string() }
    }

    private func read<Value>(_ text: String, _ body: (inout JSONReader) throws(JSONTrouble) -> Value) throws -> Value {
        try Array(text.utf8).withUnsafeBytes { try JSONReader.read($0, body) }
    }
}
