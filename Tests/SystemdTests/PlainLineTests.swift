import Dispatch
import Foundation
import Logging
import Testing

@testable import Systemd

@Suite("Plain log lines")
struct PlainLineTests {
    private func line(_ message: String, _ metadata: Logger.Metadata = [:], at time: Int64? = nil) -> String {
        PlainLine(level: .info, message: message, metadata: metadata, time: time).text
    }

    @Test("say level, message and metadata sorted by key, without the event's id")
    func whole() {
        #expect(
            line("job 42 queued", ["job": "42", "app": "shop", EventID.metadataKey: EventID.jobQueued.metadataValue])
                == "INFO job 42 queued (app=shop job=42)")
        #expect(line("listening") == "INFO listening")
    }

    @Test("begin with the time in UTC and milliseconds when asked to")
    func time() {
        #expect(line("a", at: 1_795_261_327_250) == "2026-11-21T11:42:07.250Z INFO a")
        #expect(line("a", at: 1_795_261_327_008) == "2026-11-21T11:42:07.008Z INFO a")
        #expect(line("a", at: -1) == "1969-12-31T23:59:59.999Z INFO a")
        #expect(line("a", at: 0) == "1970-01-01T00:00:00.000Z INFO a")
    }

    @Test("stay one line whatever message, keys and values hold")
    func escapes() {
        #expect(
            line("a\n\u{1b}[31m\u{202e}", ["ref\n": "x\u{85}y\u{2066}"]) == #"INFO a\x0a\x1b[31m\u202e (ref\x0a=x\x85y\u2066)"#)
    }

    @Test("quote a value that could pass for something else")
    func quotes() {
        #expect(
            line("a", ["x": "1 job=7)", "y": #"say "\""#, "z": "", "path": #"C:\x"#])
                == #"INFO a (path=C:\x x="1 job=7)" y="say \"\\\"" z="")"#)
    }

    @Test("hold no value longer than 1 KB")
    func long() {
        let long = String(repeating: "x", count: 5000)
        let cut = String(repeating: "x", count: 1021) + "…"
        #expect(line(long, ["ref": "\(long)"]) == "INFO \(cut) (ref=\(cut))")
        #expect(line(String(repeating: "é", count: 512)) == "INFO " + String(repeating: "é", count: 512))
    }

    @Test("carry the logger's metadata, the provider's over it, the statement's over that, and the error")
    func merged() throws {
        let pipe = try LinePipe()
        var handler = PlainHandler(level: .info, timestamps: false, descriptor: pipe.writing)
        handler.metadataProvider = Logger.MetadataProvider { ["a": "provider", "b": "provider"] }
        var logger = Logger(label: "test") { _ in handler }
        for key in ["a", "b", "c"] { logger[metadataKey: key] = "logger" }
        logger.error("no", error: SystemdError(call: "sd_notify", number: ENOENT), metadata: ["b": "here"])
        logger.debug("below the level")
        #expect(pipe.lines() == [#"ERROR no (a=provider b=here c=logger error="sd_notify: No such file or directory")"#])
    }

    @Test("do not mix when threads log at the same time")
    func threads() throws {
        let pipe = try LinePipe()
        let logger = Logger(label: "test") { _ in
            PlainHandler(level: .info, timestamps: false, descriptor: pipe.writing)
        }
        for letter in ["a", "b", "c", "d"] {
            let long = String(repeating: letter, count: 900)
            let metadata = Logger.Metadata(uniqueKeysWithValues: (0..<8).map { ("k\($0)", "\(long)") })
            // Threads of their own, because they wait when the pipe is full.
            DispatchQueue(label: letter).async {
                for _ in 0..<100 { logger.info("\(long)", metadata: metadata) }
            }
        }
        let lines = pipe.lines(until: 400)
        #expect(lines.count == 400)
        #expect(lines.allSatisfy { line in Set(line.filter { "abcd".contains($0) }).count == 1 && line.hasSuffix(")") })
    }
}

/// A pipe whose lines are read back.
private final class LinePipe: Sendable {
    private let reading: CInt
    let writing: CInt

    init() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        reading = ends[0]
        writing = ends[1]
    }

    /// What stands in the pipe now, or, with `until`, once that many lines came.
    func lines(until count: Int = 0) -> [String] {
        var text: [UInt8] = []
        var newlines = 0
        var buffer = [UInt8](repeating: 0, count: 65536)
        repeat {
            let got = read(reading, &buffer, buffer.count)
            guard got > 0 else { break }
            text += buffer[..<got]
            newlines += buffer[..<got].count { $0 == UInt8(ascii: "\n") }
        } while newlines < count
        return text.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    }

    deinit {
        close(reading)
        close(writing)
    }
}
