import RealParts
import Testing

@testable import Domain

struct JournalLinesTests {
    @Test("every line is an entry without its line end, the last also when it has none")
    func lines() {
        #expect(journalled("one\ntwo\nthree") == ["one", "two", "three"])
        #expect(journalled("one\n") == ["one"])
        #expect(journalled("") == [])
        #expect(journalled("  indented and closed  \n") == ["  indented and closed  "])
    }

    @Test("a line that comes in pieces is one entry, wherever it was cut, and comes when it has ended")
    func pieces() {
        let stream = Array("first line\r\nover\rwritten\n\n\nthird \u{FC} line\r".utf8) + [0xFF, 0x0A, 0x00, 0x41]
        let whole = entries([stream])
        for cut in 0...stream.count { #expect(entries([Array(stream[..<cut]), Array(stream[cut...])]) == whole, "cut at \(cut)") }
        #expect(entries(stream.map { [$0] }) == whole)

        var lines = JournalLines()
        #expect(lines.take(Array("begun".utf8), elapsed: .zero) == [])
        #expect(lines.take(Array(" and ended\nnext".utf8), elapsed: .zero) == [.line(Array("begun and ended".utf8))])
        #expect(lines.finish(elapsed: .zero) == [.line(Array("next".utf8))])
        #expect(lines.finish(elapsed: .zero) == [])
    }

    @Test("lines with nothing to see are passed over")
    func empty() {
        #expect(journalled("a\n\n  \t\n\r\nb\n \n") == ["a", "b"])
        #expect(journalled("\r\r \r") == [])
    }

    @Test(
        "a carriage return begins a line anew, and before the line end it is part of that",
        arguments: [
            ("windows\r\nlines\r\n", ["windows", "lines"]), ("10%\r20%\r100%\n", ["100%"]), ("10%\r20%\r", ["20%"]),
            ("10%\r\r\r\n", ["10%"]), ("long before\rshort\r\nnext\n", ["short", "next"]), ("\rtext\n", ["text"]),
        ])
    func carriageReturn(text: String, lines: [String]) {
        #expect(journalled(text) == lines)
        #expect(entries(text.utf8.map { [$0] }) == lines.map { .line(Array($0.utf8)) })
    }

    @Test("binary bytes and invalid UTF-8 stay as they are")
    func binary() {
        let bytes: [UInt8] = [0xFF, 0x00, 0xC3, 0x1B, 0x5B, 0x80, 0x41]
        #expect(entries([bytes + [0x0A] + bytes]) == [.line(bytes), .line(bytes)])
    }

    @Test("what looks like a field or a priority is text of its line")
    func injection() {
        #expect(journalled("<0>panic\nPRIORITY=0\nMESSAGE=x\n") == ["<0>panic", "PRIORITY=0", "MESSAGE=x"])
    }

    @Test("of a line that is too long comes the beginning, whole characters of it, and the next line is whole")
    func long() throws {
        let longest = JournalLines.longestLine
        let exact = String(repeating: "x", count: longest)
        #expect(journalled(exact + "\nnext\n") == [exact, "next"])
        for text in [exact + "y", String(repeating: "ü", count: longest), "x" + String(repeating: "ü", count: longest)] {
            let shown = journalled(text + "\nnext\n")
            try #require(shown.count == 2)
            #expect(shown[0].hasSuffix("…") && text.hasPrefix(shown[0].dropLast()) && !shown[0].contains("\u{FFFD}"))
            #expect((longest - 4...longest + 3).contains(shown[0].utf8.count))
            #expect(shown[1] == "next")
        }
        // As a disk image on standard output, say.
        #expect(entries([[UInt8](repeating: 0xA0, count: 3 * longest)]).count == 1)
    }

    @Test("a burst passes whole; after it nothing, until a second's worth may come, and then one entry says how many did not")
    func flood() {
        var lines = JournalLines()
        let some = Array("line\n".utf8)
        func many(_ count: Int) -> [UInt8] { (0..<count).flatMap { _ in some } }
        #expect(lines.take(many(LineAllowance.burst), elapsed: .zero).count == LineAllowance.burst)
        #expect(lines.take(many(500), elapsed: .zero) == [])
        #expect(lines.take(many(500), elapsed: .milliseconds(999)) == [])
        let after = lines.take(many(3000), elapsed: .seconds(1))
        #expect(after.first == .leftOut(1000))
        #expect(after.dropFirst() == ArraySlice(repeating: .line(Array("line".utf8)), count: LineAllowance.perSecond - 1))
        #expect(lines.finish(elapsed: .seconds(1)) == [.leftOut(1001)])
    }

    @Test("empty lines are not counted as left out, and an unfinished one at the end is")
    func floodOfLittle() {
        var lines = JournalLines()
        lines.notTaken([.line([0x41])])
        #expect(lines.take(Array("\n \n\r\nb\nc\n  \nd".utf8), elapsed: .zero) == [])
        #expect(lines.finish(elapsed: .zero) == [.leftOut(4)])
    }

    @Test("what had no room is counted with what was not even offered, and closes the way for a second")
    func notTaken() {
        var lines = JournalLines()
        #expect(lines.take(Array("a\nb\n".utf8), elapsed: .zero).count == 2)
        lines.notTaken([])
        #expect(lines.take(Array("c\n".utf8), elapsed: .zero).count == 1)
        lines.notTaken([.leftOut(40), .line([0x43])])
        #expect(lines.take(Array("d\n".utf8), elapsed: .milliseconds(900)) == [])
        #expect(lines.take(Array("e\n".utf8), elapsed: .milliseconds(1900)) == [.leftOut(42), .line([0x65])])
    }

    @Test("however lines come, no second has more than its share and the burst, and each is passed on or counted")
    func property() {
        let seed = SeededRandom.seed
        var random = SeededRandom(seed: seed)
        for _ in 0..<5 {
            var lines = JournalLines()
            var (elapsed, written, passed, leftOut) = (Duration.zero, 0, 0, 0)
            func count(_ entries: [JournalLines.Entry]) {
                for entry in entries { if case .leftOut(let count) = entry { leftOut += count } else { passed += 1 } }
            }
            for _ in 0..<200 {
                elapsed += .milliseconds(Int.random(in: 0...100, using: &random))
                let more = Int.random(in: 0...1000, using: &random)
                written += more
                count(lines.take(Array(String(repeating: "A\n", count: more).utf8), elapsed: elapsed))
                let allowed = Double(LineAllowance.burst) + elapsed / .seconds(1) * Double(LineAllowance.perSecond)
                #expect(Double(passed) <= allowed, "seed \(seed)")
            }
            count(lines.finish(elapsed: elapsed))
            #expect(passed + leftOut == written, "seed \(seed)")
        }
    }

    @Test("the left-out lines have one sentence")
    func sentence() {
        func text(_ count: Int) -> String { String(decoding: JournalLines.Entry.leftOut(count).message, as: UTF8.self) }
        #expect(text(1) == "bittern: 1 line of output left out here, which the step's log has")
        #expect(text(12000) == "bittern: 12000 lines of output left out here, which the step's log has")
    }

    @Test("a secret that was split over two reads and two lines is in no entry")
    func masked() {
        var mask = LogMask(secrets: [Secret("s3cret-value")])
        var lines = JournalLines()
        var found: [JournalLines.Entry] = []
        for piece in ["a s3cr", "et-val", "ue b\ns3cret\n-val", "ue c\nd"] {
            found += lines.take(mask.mask(Array(piece.utf8)), elapsed: .zero)
        }
        found += lines.take(mask.finish(), elapsed: .zero) + lines.finish(elapsed: .zero)
        #expect(found == ["a *** b", "*** c", "d"].map { .line(Array($0.utf8)) })
    }
}

private func entries(_ pieces: [[UInt8]]) -> [JournalLines.Entry] {
    var lines = JournalLines()
    return pieces.flatMap { lines.take($0, elapsed: .zero) } + lines.finish(elapsed: .zero)
}

private func journalled(_ text: String) -> [String] {
    entries([Array(text.utf8)]).map { String(decoding: $0.message, as: UTF8.self) }
}
