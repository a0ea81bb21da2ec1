import Testing

@testable import Domain

struct CommitIDTests {
    private static let sha1 = "0123456789abcdef0123456789abcdef01234567"
    private static let sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

    @Test("40 and 64 hexadecimal digits are a commit, in either case", arguments: [sha1, sha256, sha1.uppercased(), sha256.uppercased()])
    func good(text: String) throws {
        let commit = try #require(CommitID(text))
        #expect(commit.hex == text.lowercased())
        #expect(commit.description == commit.hex)
        #expect(commit.short == "0123456")
        #expect(commit.bytes.count * 2 == text.count)
        #expect(CommitID(bytes: commit.bytes) == commit)
        #expect(CommitID(text.lowercased()) == commit)
        #expect(!commit.isZero)
    }

    @Test(
        "anything else is no commit",
        arguments: [
            "", "HEAD", "0123456", "0123456789abcdef0123456789abcdef0123456", "0123456789abcdef0123456789abcdef012345678",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef00",
            "0123456789abcdef0123456789abcdef0123456g", " 123456789abcdef0123456789abcdef01234567",
            "0123456789abcdef0123456789abcdef0123456\n",
            "0123456789abcdef0123456789abcdef012345é", "٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣", "-123456789abcdef0123456789abcdef01234567",
            "0x23456789abcdef0123456789abcdef01234567",
        ])
    func bad(text: String) {
        #expect(CommitID(text) == nil)
    }

    @Test("stored bytes are a commit when there are 20 or 32 of them")
    func bytes() {
        for count in 0...40 {
            #expect((CommitID(bytes: [UInt8](repeating: 1, count: count)) != nil) == (count == 20 || count == 32))
        }
    }

    @Test("only zeros alone are no commit to Data Center")
    func zero() throws {
        #expect(try commit("0").isZero)
        #expect(try #require(CommitID(String(repeating: "0", count: 64))).isZero)
        #expect(try #require(CommitID(String(repeating: "0", count: 39) + "1")).isZero == false)
    }
}

struct HexadecimalTests {
    @Test("every byte becomes two lower case digits and comes back")
    func roundTrip() {
        let all = Array(UInt8.min...UInt8.max)
        #expect(Hexadecimal.text(of: [0x00, 0x09, 0x0A, 0xF0, 0xFF]) == "00090af0ff")
        #expect(Hexadecimal.bytes(of: Hexadecimal.text(of: all)) == all)
        #expect(Hexadecimal.bytes(of: Hexadecimal.text(of: all).uppercased()) == all)
        #expect(Hexadecimal.bytes(of: "")?.isEmpty == true)
    }

    @Test(
        "half a byte, or a character beside the digits, is none",
        arguments: ["0", "abc", "0g", "g0", "0/", "0:", "0@", "0G", "0`", " 0", "é", "0x"])
    func bad(text: String) {
        #expect(Hexadecimal.bytes(of: text) == nil)
    }
}
