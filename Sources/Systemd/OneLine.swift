/// Text that stays on one line wherever it is shown: no control character, no mark that turns the reading order, no end out of
/// sight. The rule is the one `Domain.SafeText` keeps; it stands here a second time because this room does not know Domain.
enum OneLine {
    /// No shown value is longer, in bytes of UTF-8.
    static let limit = 1024

    private static let ellipsis = "…"

    /// `text` with control characters and bidirectional marks as `\x1b` and `\u202e`, at most `limit` bytes long; what was cut
    /// ends in `…`.
    static func shown(_ text: String, limit: Int = OneLine.limit) -> String {
        if text.utf8.count <= limit, isPlain(text) { return text }
        var result = ""
        var lengthThatLeavesRoom = 0
        for scalar in text.unicodeScalars {
            if isHarmless(scalar) { result.unicodeScalars.append(scalar) } else { result += escaped(scalar) }
            let length = result.utf8.count
            if length <= limit - ellipsis.utf8.count { lengthThatLeavesRoom = length }
            guard length <= limit else {
                return String(decoding: result.utf8.prefix(lengthThatLeavesRoom), as: UTF8.self) + ellipsis
            }
        }
        return result
    }

    /// Whether all of it is ASCII that can be printed, as nearly all there ever is.
    private static func isPlain(_ text: String) -> Bool {
        let isPlain = text.utf8.withContiguousStorageIfAvailable { bytes in bytes.allSatisfy { $0 &- 0x20 < 0x5F } }
        return isPlain ?? text.utf8.allSatisfy { $0 &- 0x20 < 0x5F }
    }

    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        // C0, DEL, C1.
        case 0x00...0x1F, 0x7F...0x9F: false
        // Marks, embeddings, overrides and isolates of the Unicode Bidirectional Algorithm (UAX #9, 2), line and paragraph
        // separators, and the byte order mark.
        case 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: false
        default: true
        }
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        scalar.value < 0x100
            ? "\\x" + padded(String(scalar.value, radix: 16), to: 2)
            : "\\u" + padded(String(scalar.value, radix: 16), to: 4)
    }

    /// `digits` with zeros in front, so that it has at least `width` characters.
    static func padded(_ digits: String, to width: Int) -> String {
        String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
