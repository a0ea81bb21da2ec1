/// How text from outside (names, messages, git's answers) is shown to people, so that it can neither move a terminal's cursor
/// nor turn the reading order nor fill a line without end.
package enum SafeText {
    /// No shown value is longer, in bytes of UTF-8.
    package static let limit = 1024

    /// `text` with control characters and bidirectional marks as `\x1b` and `\u202e`, at most ``limit`` bytes long; what was
    /// cut ends in `…`.
    package static func shown(_ text: String, limit: Int = SafeText.limit) -> String {
        // Nearly all there ever is.
        if text.utf8.count <= limit, isPlain(text) { return text }
        var result = ""
        // How many bytes stay if all of it turns out to be too long.
        var cut = 0
        for scalar in text.unicodeScalars {
            result += isHarmless(scalar) ? String(scalar) : escaped(scalar)
            let bytes = result.utf8.count
            guard bytes <= limit else { return String(decoding: result.utf8.prefix(cut), as: UTF8.self) + "…" }
            if bytes <= limit - "…".utf8.count { cut = bytes }
        }
        return result
    }

    /// Whether all of it is ASCII that can be printed.
    private static func isPlain(_ text: String) -> Bool {
        let isPlain = text.utf8.withContiguousStorageIfAvailable { bytes in bytes.allSatisfy { $0 &- 0x20 < 0x5F } }
        return isPlain ?? text.utf8.allSatisfy { $0 &- 0x20 < 0x5F }
    }

    /// Whether ``shown(_:limit:)`` leaves the scalar as it is.
    package static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
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
        let hex = String(scalar.value, radix: 16)
        return scalar.value < 0x100
            ? "\\x" + String(repeating: "0", count: 2 - hex.count) + hex
            : "\\u" + String(repeating: "0", count: max(0, 4 - hex.count)) + hex
    }
}
