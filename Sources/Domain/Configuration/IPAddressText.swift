/// Addresses of machines as text, without asking the system, which would also take `127.1`.
enum IPAddressText {
    /// Four decimal numbers up to 255, without leading zeros, which some read as octal.
    static func isVersion4(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                UnitText.number(part, atMost: 255).map(String.init) == String(part)
            }
    }

    /// RFC 4291, 2.2: eight groups, `::` for one or more of them at most once, an IPv4 address for the last two. No zone.
    static func isVersion6(_ text: String) -> Bool {
        let halves = halves(of: text)
        guard halves.count <= 2 else { return false }
        var groups = 0
        for (index, half) in halves.enumerated() where !half.isEmpty {
            guard let count = groupCount(half, mayEndInVersion4: index == halves.count - 1) else { return false }
            groups += count
        }
        return halves.count == 2 ? groups <= 7 : groups == 8
    }

    /// What stands around each `::`.
    private static func halves(of text: String) -> [Substring] {
        var halves: [Substring] = []
        var rest = text[...]
        while let colon = rest.indices.first(where: { rest[$0...].hasPrefix("::") }) {
            halves.append(rest[..<colon])
            rest = rest[rest.index(colon, offsetBy: 2)...]
        }
        return halves + [rest]
    }

    private static func groupCount(_ half: Substring, mayEndInVersion4: Bool) -> Int? {
        var groups = half.split(separator: ":", omittingEmptySubsequences: false)
        var count = 0
        if mayEndInVersion4, let last = groups.last, isVersion4(String(last)) {
            groups.removeLast()
            count = 2
        }
        let isWellFormed = groups.allSatisfy { (1...4).contains($0.utf8.count) && $0.utf8.allSatisfy(isHexadecimal) }
        return isWellFormed ? count + groups.count : nil
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20)
    }
}
