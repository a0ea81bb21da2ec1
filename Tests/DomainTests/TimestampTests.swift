import RealParts
import Testing

@testable import Domain

struct TimestampTests {
    @Test(
        "a moment is written as RFC 3339 in UTC with milliseconds, and read again",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1, "1970-01-01T00:00:00.001Z"), (999, "1970-01-01T00:00:00.999Z"),
            (1_795_261_327_250, "2026-11-21T11:42:07.250Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (-1, "1969-12-31T23:59:59.999Z"), (-86_400_000, "1969-12-31T00:00:00.000Z"),
        ] as [(Int64, String)])
    func written(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).rfc3339 == text)
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test("no millisecond is lost on the way")
    func roundTrip() {
        let seed = SeededRandom.seed
        var random = SeededRandom(seed: seed)
        let base: Int64 = 1_795_261_327_000
        for milliseconds in (0..<1000).map({ base + $0 })
            + (0..<2000).map({ _ in Int64.random(in: -2_000_000_000_000...8_000_000_000_000, using: &random) })
        {
            let text = Timestamp(milliseconds: milliseconds).rfc3339
            #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds, "\(text), seed \(seed)")
            let thousandths = ((milliseconds % 1000) + 1000) % 1000
            #expect(text.hasSuffix(String(String(1000 + thousandths).dropFirst()) + "Z"), "\(milliseconds), seed \(seed)")
        }
    }

    @Test("what is no time is none", arguments: ["", "now", "2026-11-21", "2026-11-21T11:42:07.250", "21 Nov 2026", "1795261327250"])
    func bad(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test("moments are ordered, moved and subtracted to the millisecond")
    func arithmetic() {
        let moment = Timestamp(milliseconds: 1000)
        let later = moment.advanced(by: .milliseconds(1500))
        #expect(later.milliseconds == 2500)
        #expect(later > moment)
        #expect(later.since(moment) == .milliseconds(1500))
        #expect(moment.since(later) == .milliseconds(-1500))
        #expect(moment.advanced(by: .seconds(-3)).milliseconds == -2000)
    }

    @Test(
        "a duration has whole milliseconds, rounded towards zero",
        arguments: [
            (.seconds(2), 2000), (.milliseconds(1999), 1999), (.microseconds(1999), 1), (.microseconds(-1999), -1),
            (.nanoseconds(999_999), 0),
            (.milliseconds(-1), -1), (.zero, 0),
        ] as [(Duration, Int64)])
    func wholeMilliseconds(duration: Duration, expected: Int64) {
        #expect(duration.wholeMilliseconds == expected)
    }

    @Test(
        "a duration is shown as the configuration writes it",
        arguments: [
            (.zero, "0s"), (.seconds(1), "1s"), (.seconds(60), "60s"), (.seconds(90), "90s"), (.seconds(120), "2m"), (.seconds(900), "15m"),
            (.seconds(3600), "1h"), (.seconds(5400), "90m"), (.seconds(7200), "2h"), (.seconds(86400), "1d"), (.seconds(90000), "25h"),
            (.seconds(604_800), "7d"), (.seconds(3661), "3661s"), (.milliseconds(1500), "1.5s"), (.milliseconds(250), "0.25s"),
        ] as [(Duration, String)])
    func inWords(duration: Duration, words: String) {
        #expect(duration.inWords == words)
    }
}
