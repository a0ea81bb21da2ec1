import Domain
import Exec
import RealParts
import Testing

@Suite struct StepLogTests {
    @Test("what is written stands in the file, and the file is not for others")
    func written() async throws {
        try await withLog { directory, log in
            log.append("first\n".utf8)
            log.append("second".utf8)
            log.close()
            let written = try directory.read("log")
            #expect(written == "first\nsecond")
            #expect(try mode(directory.path("log")) == 0o640)
        }
    }

    @Test("output over the limit is dropped, and the last line says how much")
    func bounded() async throws {
        try await withLog(limit: 10) { directory, log in
            log.append("12345678".utf8)
            log.append("90abc".utf8)
            log.append("defgh".utf8)
            log.close()
            let text = "1234567890\nbittern: 8 bytes of output over the limit of 10 were dropped\n"
            let written = try directory.read("log")
            #expect(written == text)
        }
    }

    @Test("output of exactly the limit is whole, and nothing is said")
    func exact() async throws {
        try await withLog(limit: 10) { directory, log in
            log.append("1234567890".utf8)
            log.close()
            let written = try directory.read("log")
            #expect(written == "1234567890")
        }
    }

    @Test("a secret is masked, also when it comes in pieces, and what only began like one is written at the end")
    func masked() async throws {
        try await withLog(secrets: [Secret("s3cret-value")]) { directory, log in
            log.append("a s3cret-value, s3c".utf8)
            log.append("ret-".utf8)
            log.append("value; s3cret-".utf8)
            log.close()
            let written = try directory.read("log")
            #expect(written == "a ***, ***; s3cret-")
        }
    }

    @Test("a line of Bittern's own can hold no control characters")
    func ownLine() async throws {
        try await withLog { directory, log in
            log.append(line: "fetch \u{1B}[31m\n\u{202E}")
            log.close()
            let written = try directory.read("log")
            #expect(written == "fetch \\x1b[31m\\x0a\\u202e\n")
        }
    }

    @Test(
        "the last line is the last with something in it",
        arguments: [
            ("", nil), ("  \n\n", nil), ("one\ntwo\n", "two"), ("one\ntwo", "two"), ("done\n  \n", "done"), ("10%\r20%\r", "20%"),
            ("red \u{1B}[31mtext\n", "red \\x1b[31mtext"),
        ] as [(String, String?)])
    func lastLine(text: String, line: String?) async throws {
        try await withLog { _, log in
            log.append(text.utf8)
            #expect(log.lastLine == line)
        }
    }

    @Test("the last line of much output is found in its end")
    func lastLineOfMuch() async throws {
        try await withLog { _, log in
            for number in 0..<2000 { log.append("line \(number)\n".utf8) }
            #expect(log.lastLine == "line 1999")
        }
    }

    @Test("a log that is opened again begins empty")
    func again() async throws {
        try await withLog { directory, log in
            log.append("old text".utf8)
            log.close()
            let new = try StepLog(path: directory.path("log"), mask: LogMask(secrets: []), limit: 100)
            new.append("new".utf8)
            new.close()
            let written = try directory.read("log")
            #expect(written == "new")
        }
    }

    @Test("a log does not follow a link that stands in its place")
    func noLink() async throws {
        try await withTemporaryDirectory { directory in
            try directory.write("kept", to: "target")
            try link(directory.path("log"), to: directory.path("target"))
            let error = try #require(throws: ExecError.self) {
                try StepLog(path: directory.path("log"), mask: LogMask(secrets: []), limit: 100)
            }
            #expect(error.phrase.hasPrefix("cannot write the log \(directory.path("log")): "))
            #expect(try directory.read("target") == "kept")
        }
    }

    @Test("a full disk is remembered as the log's failure")
    func full() throws {
        let log = try StepLog(path: "/dev/full", mask: LogMask(secrets: []), limit: 100)
        #expect(log.failure == nil)
        log.append("text".utf8)
        log.close()
        #expect(log.failure == "cannot write the log: No space left on device")
    }

    private func withLog(
        limit: Int = 1 << 20, secrets: [Secret] = [], _ body: (TemporaryDirectory, StepLog) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            try await body(directory, try StepLog(path: directory.path("log"), mask: LogMask(secrets: secrets), limit: limit))
        }
    }
}
