/// Takes secrets out of a stream of output before it reaches a disk.
///
/// Every secret of 6 bytes or more is found as it is, line by line when it has several, in base64 (alone or inside a longer text,
/// wrapped or not) and percent-encoded, also when it is split over two reads. A pure value: feed bytes, get bytes.
package struct LogMask: Sendable {
    /// Shorter secrets are not masked: they would take half of every text with them, and `check` warns of them.
    package static let shortest = 6
    private static let replacement = Array("***".utf8)
    /// Bytes of line ends in a row that may stand between two bytes of a secret.
    private static let longestBreak = 8

    private let needlesByFirstByte: [[[UInt8]]]
    /// For every two bytes whether a secret may begin with them, one bit each. Nearly all of a build's output is told by it to be
    /// harmless, at a look per byte.
    private let beginnings: [UInt64]
    /// What may be the beginning of a secret and waits for more.
    private var held: [UInt8] = []

    package init(secrets: some Sequence<Secret>) {
        let needles = Set(secrets.flatMap { secret in secret.withBytes(Self.needles) })
        var byFirstByte = [[[UInt8]]](repeating: [], count: 256)
        var beginnings = [UInt64](repeating: 0, count: 1024)
        // The longest first, so that a secret that begins with another is masked whole.
        for needle in needles.sorted(by: { $0.count > $1.count }) {
            byFirstByte[Int(needle[0])].append(needle)
            for second in [needle[1], 0x0A, 0x0D] {
                let pair = Self.number(needle[0], second)
                beginnings[pair >> 6] |= 1 << (pair & 63)
            }
        }
        needlesByFirstByte = byFirstByte
        self.beginnings = beginnings
        isEmpty = needles.isEmpty
    }

    /// Whether there is nothing to look for.
    package let isEmpty: Bool

    /// Masks `bytes`; what may still turn out to be a secret is kept back until the next call or ``finish()``.
    package mutating func mask(_ bytes: some Collection<UInt8>) -> [UInt8] {
        if isEmpty { return Array(bytes) }
        // Rarely is anything held, and without it the bytes need not be put together first.
        let masked = held.isEmpty ? bytes.withContiguousStorageIfAvailable { mask($0, isLast: false) } : nil
        return masked ?? (held + bytes).withUnsafeBufferPointer { mask($0, isLast: false) }
    }

    /// The end of the output: whatever was kept back.
    package mutating func finish() -> [UInt8] {
        let rest = held
        return rest.withUnsafeBufferPointer { mask($0, isLast: true) }
    }

    private mutating func mask(_ input: UnsafeBufferPointer<UInt8>, isLast: Bool) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(input.count)
        var copied = 0
        var index = 0
        held = []
        while let start = nextBeginning(in: input, from: index) {
            switch find(in: input, at: start, isLast: isLast) {
            case .none:
                index = start + 1
            case .match(let length):
                output += input[copied..<start]
                output += Self.replacement
                index = start + length
                copied = index
            case .needsMore:
                held = Array(input[start...])
                output += input[copied..<start]
                return output
            }
        }
        output += input[copied...]
        return output
    }

    /// Where a secret may begin, as far as two bytes tell; the last byte of the input has no second one yet.
    private func nextBeginning(in input: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        var index = start
        let last = input.count - 1
        while index < last {
            let pair = Self.number(input[index], input[index + 1])
            if beginnings[pair >> 6] >> (pair & 63) & 1 == 1 { return index }
            index += 1
        }
        return index == last && !needlesByFirstByte[Int(input[index])].isEmpty ? index : nil
    }

    private static func number(_ first: UInt8, _ second: UInt8) -> Int { Int(first) << 8 | Int(second) }

    private enum Find { case none, match(length: Int), needsMore }

    private func find(in input: UnsafeBufferPointer<UInt8>, at start: Int, isLast: Bool) -> Find {
        for needle in needlesByFirstByte[Int(input[start])] {
            switch Self.compare(needle, with: input, at: start) {
            case .none: continue
            case .match(let length): return .match(length: length)
            case .needsMore: if !isLast { return .needsMore }
            }
        }
        return .none
    }

    /// Line ends inside the input are passed over, so that a wrapped secret is found too; not without end, so that what is held
    /// back is bounded.
    private static func compare(_ needle: [UInt8], with input: UnsafeBufferPointer<UInt8>, at start: Int) -> Find {
        var index = start
        var matched = 0
        var passedOver = 0
        while matched < needle.count {
            guard index < input.count else { return .needsMore }
            if input[index] == needle[matched] {
                matched += 1
                passedOver = 0
            } else {
                passedOver += 1
                guard isLineEnd(input[index]), passedOver <= longestBreak else { return .none }
            }
            index += 1
        }
        return .match(length: index - start)
    }

    private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    private static func needles(of secret: [UInt8]) -> [[UInt8]] {
        let lines = secret.split(whereSeparator: isLineEnd).map(Array.init)
        // Of several lines: each; all as they are, for their encoded forms; and all without line ends, because those of the input
        // are passed over. The line ends around a secret are not looked for: few tools print them too.
        let trimmed = Array(secret.trimmingPrefix(while: isLineEnd).reversed().trimmingPrefix(while: isLineEnd).reversed())
        let whole = lines + [trimmed, lines.flatMap { $0 }]
        return whole.filter { $0.count >= shortest }.flatMap(forms)
    }

    private static func forms(of value: [UInt8]) -> [[UInt8]] {
        var forms = [value, percentEncoded(value, digits: "0123456789ABCDEF"), percentEncoded(value, digits: "0123456789abcdef")]
        for shift in 0..<3 {
            forms += [Base64.core(of: value, shift: shift, alphabet: .standard), Base64.core(of: value, shift: shift, alphabet: .url)]
        }
        return forms.filter { $0.count >= shortest }
    }

    /// RFC 3986, 2.3: all but the unreserved characters.
    private static func percentEncoded(_ value: [UInt8], digits: String) -> [UInt8] {
        let digits = Array(digits.utf8)
        return value.flatMap { byte -> [UInt8] in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): [byte]
            default: [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
    }
}

/// Base64 (RFC 4648, 4 and 5), as far as masking and HTTP's Basic scheme need it.
package enum Base64 {
    package enum Alphabet: Sendable { case standard, url }

    package static func encode(_ value: [UInt8], alphabet: Alphabet = .standard) -> String {
        let padding = (3 - value.count % 3) % 3
        return String(decoding: digits(of: value, alphabet: alphabet), as: UTF8.self) + String(repeating: "=", count: padding)
    }

    /// The digits that `value` alone decides when it stands `shift` bytes (modulo 3) into a longer text.
    static func core(of value: [UInt8], shift: Int, alphabet: Alphabet) -> [UInt8] {
        let all = digits(of: [UInt8](repeating: 0, count: shift) + value, alphabet: alphabet)
        let decidedByOthersBefore = [0, 2, 3][shift]
        let decidedByOthersAfter = (shift + value.count) % 3 == 0 ? 0 : 1
        return Array(all.dropFirst(decidedByOthersBefore).dropLast(decidedByOthersAfter))
    }

    private static func digits(of value: [UInt8], alphabet: Alphabet) -> [UInt8] {
        let table = Array(("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + (alphabet == .standard ? "+/" : "-_")).utf8)
        var digits: [UInt8] = []
        var accumulator: UInt32 = 0
        var bits: UInt32 = 0
        for byte in value {
            accumulator = (accumulator << 8 | UInt32(byte)) & 0xFFFF
            bits += 8
            while bits >= 6 {
                bits -= 6
                digits.append(table[Int(accumulator >> bits & 63)])
            }
        }
        if bits > 0 { digits.append(table[Int(accumulator << (6 - bits) & 63)]) }
        return digits
    }
}
