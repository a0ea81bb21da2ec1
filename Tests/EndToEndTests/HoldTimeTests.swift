import Foundation
import RealParts
import Testing

/// `bittern hold APP --until T`, as people write T.
@Suite(.fewAtOnce) struct HoldTimeTests {
    /// Half an hour beside everybody else's hours, no summer time, and no file of zones is needed for it.
    private static let zone = (name: "IST-5:30", offset: 19_800)

    @Test("a weekday and time is the next such moment in the caller's zone, today's where it is still to come")
    func weekdays() async throws {
        try await withDoor { daemon in
            let hour: TimeInterval = 3600
            let now = Date()
            for days in 0..<7 {
                let moment = Self.wholeMinute(now + 2 * hour + Double(days) * 24 * hour)
                let until = try await Self.hold(daemon, until: Self.written(moment, "EEE HH:mm"))
                #expect(until == moment, "in 2 hours and \(days) days")
            }
            // Two hours ago is next week.
            let past = Self.wholeMinute(now - 2 * hour)
            let until = try await Self.hold(daemon, until: Self.written(past, "EEE HH:mm"))
            #expect(until == past + 7 * 24 * hour)
        }
    }

    @Test("a weekday may be written out, in any case, and an hour with one digit")
    func spellings() async throws {
        try await withDoor { daemon in
            let moment = Self.wholeMinute(Date() + 3 * 86_400)
            for text in ["EEEE HH:mm", "EEE H:mm"].map({ Self.written(moment, $0) }) {
                for spelling in [text, text.lowercased(), text.uppercased(), text.replacing(" ", with: "  ")] {
                    let until = try await Self.hold(daemon, until: spelling)
                    #expect(until == moment, "\(spelling)")
                }
            }
        }
    }

    @Test("what people are told is the same moment in their own zone")
    func words() async throws {
        try await withDoor { daemon in
            let moment = Self.wholeMinute(Date() + 3 * 86_400)
            let text = Self.written(moment, "EEE HH:mm")
            let result = try await daemon.run("hold", "shop", "--until", text, environment: ["TZ": Self.zone.name])
            #expect(
                result.output == "shop is held until \(Self.written(moment, "yyyy-MM-dd HH:mm:ss")) IST; bittern resume shop lets it go.\n",
                "\(result)")
        }
    }

    @Test("how long, and a time with its offset, are read as well")
    func otherForms() async throws {
        try await withDoor { daemon in
            let before = Date()
            let inTwoHours = try await Self.hold(daemon, until: "2h")
            #expect((before + 7199...Date() + 7201).contains(inTwoHours))
            let moment = Self.wholeMinute(before + 86_400)
            let until = try await Self.hold(daemon, until: Self.written(moment, "yyyy-MM-dd'T'HH:mm:ss") + "+05:30")
            #expect(until == moment)
        }
    }

    @Test("what is no time exits with 2 and one sentence that shows it and what could be written, and holds nothing")
    func notATime() async throws {
        let texts = [
            "fri", "18:00", "fri 24:00", "fri 18:60", "fri 18", "fri 18:00:00", "fri -1:00", "fri 6pm", "fry 18:00", "monkey 18:00",
            "fri 18:00 cet",
            "next fri 18:00", "tomorrow", "2", "2 h", "-2h", "2h30m", "2026-12-24", "24.12.2026",
        ]
        try await withDoor { daemon in
            for (text, shown) in texts.map({ ($0, $0) }) + [("fry\u{202e} 18:00", "fry\\u202e 18:00")] {
                let result = try await daemon.run("hold", "shop", "--until=\(text)")
                #expect(result.status == 2 && result.output.isEmpty, "\(result)")
                #expect(result.error.contains("\"\(shown)\" is no time; write 2h, \"Mon 08:00\" or "), "\(result)")
                #expect(result.error.split(separator: "\n").count == 1, "\(result)")
            }
            let resumed = try await daemon.run("resume", "shop")
            #expect(resumed.error.contains("shop is not held"), "\(resumed)")
        }
    }

    @Test("a time that has passed is refused with a sentence")
    func past() async throws {
        try await withDoor { daemon in
            let result = try await daemon.run("hold", "shop", "--until", "2026-01-01T00:00:00Z")
            #expect(result.status == 1 && result.error.contains("name a later time"), "\(result)")
        }
    }

    // Words.

    private static func hold(_ daemon: BitternDaemon, until text: String) async throws -> Date {
        let result = try await daemon.run("hold", "shop", "--until", text, "--json", environment: ["TZ": zone.name])
        try #require(result.status == 0, "\(text): \(result)")
        let until = try #require(try JSONValue(parsing: result.output)["until"].string)
        return try Date(until, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    private static func wholeMinute(_ date: Date) -> Date {
        Date(timeIntervalSince1970: (date.timeIntervalSince1970 / 60).rounded(.down) * 60)
    }

    private static func written(_ date: Date, _ format: String) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: zone.offset)
        formatter.dateFormat = format
        return formatter.string(from: date)
    }
}
