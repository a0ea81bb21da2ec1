import Foundation
import Logging
import Testing

@testable import Systemd

@Suite("Native journal entries")
struct JournalTests {
    private func fields(
        _ message: String = "text", level: Logger.Level = .info, _ metadata: Logger.Metadata = [:]
    ) -> Set<String> {
        let entry = JournalEntry(level: level, message: message, metadata: metadata)
        return Set(entry.fields.map { String(decoding: $0, as: UTF8.self) })
    }

    @Test("the daemon's words become fields with its prefix")
    func words() {
        let words = ["app", "job", "step", "commit", "ref", "delivery", "account", "remote", "stream"]
        let metadata = Logger.Metadata(uniqueKeysWithValues: words.map { ($0, "x") })
        #expect(
            fields("job 42 queued", metadata)
                == Set(words.map { "BITTERN_\($0.uppercased())=x" })
                .union(["MESSAGE=job 42 queued", "PRIORITY=6", "SYSLOG_IDENTIFIER=bittern"]))
    }

    @Test(
        "levels become syslog priorities",
        arguments: zip(
            [Logger.Level.trace, .debug, .info, .notice, .warning, .error, .critical], ["7", "7", "6", "5", "4", "3", "2"]))
    func priorities(level: Logger.Level, priority: String) {
        #expect(fields(level: level).contains("PRIORITY=\(priority)"))
    }

    @Test("an event's id becomes MESSAGE_ID, anything else under that key is left out")
    func messageID() {
        #expect(
            fields("text", [EventID.metadataKey: EventID.jobFailed.metadataValue])
                .contains("MESSAGE_ID=c7a2d148e4aa4de6b1660003d24ad8b5"))
        #expect(fields("text", [EventID.metadataKey: "job-failed"]) == fields())
    }

    @Test("a value with newlines is one value: it sets no field and no priority")
    func newlines() {
        let hostile = "main\nPRIORITY=0\nBITTERN_APP=bank\0"
        #expect(
            fields(hostile, ["ref": "\(hostile)"])
                == ["MESSAGE=\(hostile)", "BITTERN_REF=\(hostile)", "PRIORITY=6", "SYSLOG_IDENTIFIER=bittern"])
    }

    @Test("names are capital letters, digits and underscores, 64 at most; others and empty values are left out")
    func names() {
        #expect(JournalEntry.fieldName(for: "hb.request-id2") == "BITTERN_HB_REQUEST_ID2")
        #expect(JournalEntry.fieldName(for: "priority") == "BITTERN_PRIORITY")
        #expect(JournalEntry.fieldName(for: String(repeating: "a", count: 56))?.utf8.count == 64)
        for wrong in ["", "a=b", "a b", "a\n", "ä", String(repeating: "a", count: 57)] {
            #expect(JournalEntry.fieldName(for: wrong) == nil, "\(wrong.debugDescription)")
        }
        #expect(fields("text", ["app": "", "a\nPRIORITY": "0"]) == fields())
    }

    @Test(
        "a running journald stores the entry under its fields",
        .enabled("there is no journald running, or no journalctl, on this machine") {
            access(LogDestination.journalSocket, F_OK) == 0 && access("/usr/bin/journalctl", X_OK) == 0
        })
    func realJournal() async throws {
        let job = "\(UInt32.random(in: 0 ... .max))"
        var logger = Logger(label: "test") { _ in JournalHandler(level: .info) }
        logger[metadataKey: "app"] = "shop\nPRIORITY=0"
        logger.warning("two\nlines", metadata: ["job": "\(job)", EventID.metadataKey: EventID.jobFailed.metadataValue])

        var found = ""
        for _ in 0..<50 where found.isEmpty {  // journald stores in its own time
            try await Task.sleep(for: .milliseconds(100))
            found = try output(of: "/usr/bin/journalctl", "--quiet", "--output=json", "BITTERN_JOB=\(job)").text
        }
        let entry = try #require(try JSONSerialization.jsonObject(with: Data(found.utf8)) as? [String: Any])
        #expect(entry["MESSAGE"] as? String == "two\nlines")
        #expect(entry["PRIORITY"] as? String == "4")
        #expect(entry["SYSLOG_IDENTIFIER"] as? String == "bittern")
        #expect(entry["BITTERN_APP"] as? String == "shop\nPRIORITY=0")
        #expect(entry["MESSAGE_ID"] as? String == EventID.jobFailed.rawValue)
    }
}

@Suite("Where log statements go")
struct LogDestinationTests {
    /// What fstat(2) says of `descriptor`, as systemd writes it into `$JOURNAL_STREAM`.
    private func stream(of descriptor: CInt) -> [String: String] {
        var status = stat()
        fstat(descriptor, &status)
        return ["JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)"]
    }

    @Test("to the journal when standard error is connected to it and it takes native entries")
    func journal() {
        #expect(LogDestination(environment: stream(of: STDERR_FILENO), socket: "/") == .journal)
    }

    @Test("to standard error without a timestamp when the journal reads only lines there")
    func lines() {
        #expect(LogDestination(environment: stream(of: STDERR_FILENO), socket: "/nonexistent") == .plain(timestamps: false))
    }

    @Test("to standard error with a timestamp otherwise, also when $JOURNAL_STREAM is left over from another stream")
    func plain() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        #expect(LogDestination(environment: [:], socket: "/") == .plain(timestamps: true))
        #expect(LogDestination(environment: ["JOURNAL_STREAM": "8:1"], socket: "/") == .plain(timestamps: true))
        #expect(
            LogDestination(environment: stream(of: STDERR_FILENO), descriptor: ends[0], socket: "/") == .plain(timestamps: true))
    }

    @Test("at the level that was asked for")
    func level() {
        #expect(logHandlerFactory(environment: [:], level: .debug)("any").logLevel == .debug)
        #expect(LogDestination.journal.handler(level: .error).logLevel == .error)
    }
}
