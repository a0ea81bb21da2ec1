import Testing

@testable import Domain

struct SafeTextTests {
    @Test(
        "what could move a cursor or turn the reading order is shown as a number",
        arguments: [
            ("\u{1B}[31m", "\\x1b[31m"), ("a\nb", "a\\x0ab"), ("\r", "\\x0d"), ("\t", "\\x09"), ("\u{0}", "\\x00"), ("\u{7F}", "\\x7f"),
            ("\u{9B}31m", "\\x9b31m"), ("\u{80}", "\\x80"), ("\u{9F}", "\\x9f"), ("\u{202E}x", "\\u202ex"), ("\u{202A}", "\\u202a"),
            ("\u{2066}", "\\u2066"), ("\u{2069}", "\\u2069"), ("\u{200E}", "\\u200e"), ("\u{200F}", "\\u200f"), ("\u{61C}", "\\u061c"),
            ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029"), ("\u{FEFF}", "\\ufeff"), ("\r\n", "\\x0d\\x0a"),
        ])
    func escaped(text: String, shown: String) {
        #expect(SafeText.shown(text) == shown)
    }

    @Test("everything else stays as it is", arguments: ["", "main", " ", "~", "é", "e\u{301}", "機能", "🚀", "\u{A0}", "עברית", "\\x1b", "👩‍👩‍👧"])
    func harmless(text: String) {
        #expect(Array(SafeText.shown(text).utf8) == Array(text.utf8))
    }

    @Test("nothing shown is longer than 1 KB, and what was cut says so", arguments: ["a", "é", "機", "🚀", "\u{1B}", "\u{202E}"])
    func bounded(piece: String) {
        let shown = SafeText.shown(String(repeating: piece, count: 5000))
        #expect(shown.utf8.count <= 1024)
        #expect(shown.utf8.count > 1010)
        #expect(shown.hasSuffix("…"))
        let pieces = shown.dropLast()
        #expect(pieces.utf8.count.isMultiple(of: SafeText.shown(piece).utf8.count), "cut inside a character")
    }

    @Test("a text that just fits is not cut")
    func fits() {
        for count in 1020...1024 {
            let text = String(repeating: "a", count: count)
            #expect(SafeText.shown(text) == text)
        }
        #expect(SafeText.shown(String(repeating: "a", count: 1025)) == String(repeating: "a", count: 1021) + "…")
    }

    @Test("a smaller limit holds at every length")
    func smallLimit() {
        let text = "aé機🚀\u{1B}\u{202E}" + String(repeating: "機", count: 30)
        for limit in 3...90 {
            let shown = SafeText.shown(text, limit: limit)
            #expect(shown.utf8.count <= limit)
            #expect(shown.hasSuffix("…"))
            #expect(SafeText.shown(text).hasPrefix(shown.dropLast()))
        }
        #expect(SafeText.shown("short", limit: 80) == "short")
    }
}
