import RealParts
import Testing

@testable import Domain

struct TerminalTextTests {
    @Test(
        "text and colours pass",
        arguments: [
            "plain\n", "\u{1B}[31mred\u{1B}[0m\n", "\u{1B}[m", "\u{1B}[1;38;5;196mx", "\u{1B}[38:2:1:2:3mx", "tab\there", "größe 機能 🚀\n",
            "e\u{301}",
        ])
    func passes(text: String) {
        #expect(filtered(text) == text)
    }

    @Test(
        "everything else that could move the cursor, set a title or turn the reading order is shown as a number",
        arguments: [
            ("\u{1B}[2Jx", "\\x1b[2Jx"), ("\u{1B}[1A", "\\x1b[1A"), ("\u{1B}]0;title\u{7}", "\\x1b]0;title\\x07"), ("\u{1B}c", "\\x1bc"),
            ("\u{1B}[?25l", "\\x1b[?25l"), ("\u{1B}[31", "\\x1b[31"), ("\u{1B}", "\\x1b"), ("\u{1B}[", "\\x1b["),
            ("\u{1B}[3\nm", "\\x1b[3\nm"),
            ("\u{8}", "\\x08"), ("\u{0}", "\\x00"), ("\u{7F}", "\\x7f"), ("\u{9B}31m", "\\x9b31m"), ("\u{202E}", "\\u202e"),
            ("\u{FEFF}", "\\ufeff"),
            ("\u{1B}\u{1B}[1m", "\\x1b\u{1B}[1m"), ("\u{1B}[>4;1m", "\\x1b[>4;1m"),
            ("\u{1B}[" + String(repeating: "1", count: 40) + "m", "\\x1b[" + String(repeating: "1", count: 40) + "m"),
            ("\u{1B}P1$r\u{1B}\\", "\\x1bP1$r\\x1b\\"),
        ])
    func escapes(text: String, shown: String) {
        #expect(filtered(text) == shown)
    }

    @Test("a line that is written again becomes a line of its own, and a Windows line end is one line end")
    func carriageReturn() {
        #expect(filtered("10%\r20%\r\n") == "10%\n20%\n")
        #expect(filtered("a\r\r\nb\n\nc\r") == "a\n\nb\n\nc\n")
        #expect(filtered("a\r\u{1B}[0m\nb") == "a\n\u{1B}[0m\nb")
    }

    @Test(
        "bytes that are no UTF-8 are shown one by one",
        arguments: [
            ([0xFF], "\\xff"), ([0xC3], "\\xc3"), ([0xC3, 0x28], "\\xc3("), ([0xE6, 0xA9], "\\xe6\\xa9"), ([0xC0, 0x80], "\\xc0\\x80"),
            ([0xED, 0xA0, 0x80], "\\xed\\xa0\\x80"), ([0xF4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"), ([0x80, 0x41], "\\x80A"),
            ([0xF0, 0x9F, 0x9A, 0x0A], "\\xf0\\x9f\\x9a\n"), ([0x9B, 0x6D], "\\x9bm"),
        ] as [([UInt8], String)])
    func invalid(bytes: [UInt8], shown: String) {
        #expect(text(filtered(bytes, keepsColours: true)) == shown)
    }

    @Test("without colours they are left out and the rest stays")
    func withoutColours() {
        #expect(text(filtered(Array("\u{1B}[1;31mred\u{1B}[m \u{1B}[2J".utf8), keepsColours: false)) == "red \\x1b[2J")
    }

    @Test("where the stream was cut makes no difference, at any byte", arguments: [true, false])
    func split(keepsColours: Bool) {
        let stream =
            Array("a\r\nb\r\u{1B}[1;31mé機🚀\u{1B}[0m\u{202E}\u{1B}]0;t\u{7}\u{1B}[?1h\r".utf8) + [
                0xC3, 0x28, 0xE6, 0xA9, 0x0D, 0x0A, 0xF0, 0x9F, 0x1B, 0x5B, 0x33,
            ]
        let whole = filtered(stream, keepsColours: keepsColours)
        for first in 0...stream.count {
            for second in first...stream.count {
                var filter = TerminalText(keepsColours: keepsColours)
                let parts = [stream[..<first], stream[first..<second], stream[second...]]
                #expect(parts.flatMap { filter.filter($0) } + filter.finish() == whole, "cut at \(first) and \(second)")
            }
        }
    }

    @Test("what comes out is valid UTF-8 and holds no control character but line ends, tabs and whole colours, whatever goes in")
    func anything() {
        let seed = SeededRandom.seed
        var random = SeededRandom(seed: seed)
        let pieces: [[UInt8]] = [
            [0x1B], [0x5B], [0x6D], [0x33, 0x31], [0x3B], [0x0D], [0x0A], [0xC2], [0x9B], [0xE2, 0x80], [0xAE], [0xF0, 0x9F], [0x41],
            [0x07], [0x00],
        ]
        for _ in 0..<2000 {
            let input = (0..<Int.random(in: 0...40, using: &random)).flatMap { _ in pieces.randomElement(using: &random) ?? [] }
            let output = String(validating: filtered(input, keepsColours: true), as: UTF8.self)
            let rest = output?.replacing(/\u{1B}\[[0-9;:]*m/, with: "")
            let isHarmless = rest?.unicodeScalars.allSatisfy { SafeText.isHarmless($0) || $0 == "\n" || $0 == "\t" }
            #expect(isHarmless == true, "\(input), seed \(seed)")
        }
    }
}

private func filtered(_ bytes: [UInt8], keepsColours: Bool) -> [UInt8] {
    var filter = TerminalText(keepsColours: keepsColours)
    return filter.filter(bytes) + filter.finish()
}

private func filtered(_ string: String) -> String { text(filtered(Array(string.utf8), keepsColours: true)) }

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
