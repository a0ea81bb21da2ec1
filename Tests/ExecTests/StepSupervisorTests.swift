import Domain
import Exec
import Foundation
import RealParts
import Testing

@Suite struct StepSupervisorTests {
    @Test(
        "a command ends with its status or its signal",
        arguments: [
            ("true", .succeeded), ("exit 7", .exited(status: 7)), ("kill -KILL $$", .signalled(9)),
            ("no-such-command", .exited(status: 127)),
            ("exit 255", .exited(status: 255)),
        ] as [(String, StepOutcome)])
    func end(script: String, expected: StepOutcome) async throws {
        try await withBench { bench in
            let outcome = try await bench.run(script)
            #expect(outcome == expected)
        }
    }

    @Test("a program that is not there and a directory that is not there are told by name")
    func missing() async throws {
        try await withBench { bench in
            let program = Command("/nonexistent/tool", [], environment: [:])
            let outcome = try await bench.run(program)
            #expect(outcome == .failed(reason: "/nonexistent/tool was not found; install it"))
            let place = Command("/bin/true", [], environment: [:], directory: "/nonexistent/place")
            #expect(try await bench.run(place) == .failed(reason: "the directory /nonexistent/place cannot be entered"))
        }
    }

    @Test("both streams come into the log in the order in which they were written")
    func streams() async throws {
        try await withBench { bench in
            _ = try await bench.run("echo a; echo b >&2; echo c; echo d >&2")
            #expect(try bench.log() == "a\nb\nc\nd\n")
        }
    }

    @Test("a command has the environment it was given and nothing of the test's own")
    func environment() async throws {
        setenv("BITTERN_TEST_OWN", "seen", 1)
        try await withBench { bench in
            let variables = ["A": "1", "EMPTY": "", "MULTI": "a=b c", "UTF": "ä"]
            let outcome = try await bench.run(Command("/usr/bin/env", ["-0"], environment: variables))
            #expect(outcome == .succeeded)
            #expect(try bench.log().split(separator: "\0").sorted() == ["A=1", "EMPTY=", "MULTI=a=b c", "UTF=ä"])
        }
    }

    @Test("a command starts in its directory and reads nothing")
    func directoryAndInput() async throws {
        try await withBench { bench in
            let command = Command("/bin/sh", ["-c", "/bin/pwd; /bin/cat; echo end"], environment: [:], directory: bench.directory.path)
            let outcome = try await bench.run(command)
            #expect(outcome == .succeeded)
            #expect(try bench.log() == "\(bench.directory.path)\nend\n")
        }
    }

    @Test("a command leads a session and a process group of its own")
    func session() async throws {
        try await withBench { bench in
            _ = try await bench.run("echo $$; exec ps -o sid=,pgid= -p $$")
            let numbers = try bench.log().split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) }
            try #require(numbers.count == 3)
            #expect(Set(numbers).count == 1)
            #expect(numbers.first != getsid(0))
        }
    }

    @Test("a command can be sent every signal, and its writing to nobody ends it")
    func signals() async throws {
        // A daemon of servers ignores it; the commands it starts must not.
        signal(SIGPIPE, SIG_IGN)
        try await withBench { bench in
            _ = try await bench.run(Command("/bin/grep", ["Sig[BI]", "/proc/self/status"], environment: [:]))
            let words = try bench.log().split(whereSeparator: \.isWhitespace)
            try #require(words.count == 4)
            #expect(UInt64(words[1], radix: 16) == 0, "blocked")
            // 32 and 33 are the C library's own.
            #expect(UInt64(words[3], radix: 16).map { $0 & 0x7FFF_FFFF } == 0, "ignored")
        }
    }

    @Test("no descriptor of the test's own reaches a command")
    func descriptors() async throws {
        try await withBench { bench in
            let descriptor = open(bench.directory.path("own"), O_CREAT | O_RDWR, 0o600)
            defer { close(descriptor) }
            try #require(descriptor > 2)
            _ = try await bench.run("for file in /proc/$$/fd/*; do readlink $file; done; echo end")
            #expect(try bench.log().hasSuffix("end\n"))
            #expect(try !bench.log().contains("/own"))
        }
    }

    @Test("a command that takes too long is ended with all that it started")
    func stepLimit() async throws {
        try await withBench { bench in
            let outcome = try await bench.run("sleep 300 & (sleep 300; true) & sleep 300", step: .milliseconds(300))
            #expect(outcome == .exceeded(.step(.milliseconds(300))))
            #expect(try left(of: bench.directory) == [])
        }
    }

    @Test("a command that writes nothing for too long is ended with all that it started")
    func silence() async throws {
        try await withBench { bench in
            let outcome = try await bench.run("echo begin; sleep 300 & sleep 300", silence: .milliseconds(300))
            #expect(outcome == .exceeded(.silence(.milliseconds(300))))
            #expect(try left(of: bench.directory) == [])
        }
    }

    @Test("a command that goes on writing is not silent, however long it takes")
    func notSilent() async throws {
        try await withBench { bench in
            let script = "i=0; while [ $i -lt 36 ]; do echo $i; i=$((i+1)); sleep 0.2; done"
            let outcome = try await bench.run(script, silence: .seconds(6))
            #expect(outcome == .succeeded)
        }
    }

    @Test("a command that is stopped is ended with all that it started, also what does not listen to TERM")
    func cancelled() async throws {
        try await withBench { bench in
            let script = "(trap '' TERM; echo deaf; while :; do sleep 1; done) & (sleep 300) & sleep 300"
            let outcome = try await bench.runStopping(script, whenLogHolds: "deaf")
            #expect(outcome == .stopped)
            #expect(try left(of: bench.directory) == [])
        }
    }

    @Test("a command that does not listen to TERM itself is ended all the same")
    func deaf() async throws {
        try await withBench { bench in
            let script = "trap '' TERM; echo deaf; while :; do sleep 1; done"
            let outcome = try await bench.runStopping(script, whenLogHolds: "deaf")
            #expect(outcome == .stopped)
            #expect(try left(of: bench.directory) == [])
        }
    }

    @Test("what a command leaves running neither holds the step up nor outlives it")
    func background() async throws {
        try await withBench { bench in
            let script = "sleep 300 & (trap '' TERM; sleep 300) & echo done; exit 3"
            let outcome = try await bench.run(script)
            #expect(outcome == .exited(status: 3))
            #expect(try bench.log() == "done\n")
            #expect(try left(of: bench.directory) == [])
        }
    }

    @Test("what leaves the session with the pipe in its hands does not hold the step up")
    func detached() async throws {
        try await withBench { bench in
            let outcome = try await bench.run("setsid sleep 300 & echo done")
            #expect(outcome == .succeeded)
            #expect(try bench.log() == "done\n")
        }
    }

    @Test("twenty megabytes of output come into the log whole, to the last byte")
    func much() async throws {
        try await withBench { bench in
            let outcome = try await bench.run("head -c 20000000 /dev/zero | tr '\\0' x; echo END")
            #expect(outcome == .succeeded)
            let bytes = try bench.bytes()
            #expect(bytes.count == 20_000_004)
            #expect(bytes.suffix(5) == Data("xEND\n".utf8))
        }
    }

    @Test("output beyond the limit is dropped and does not hold the command up")
    func tooMuch() async throws {
        try await withBench { bench in
            let outcome = try await bench.run("head -c 20000000 /dev/zero; exit 5", limit: 1_000_000)
            #expect(outcome == .exited(status: 5))
            let said = "\nbittern: 19000000 bytes of output over the limit of 1000000 were dropped\n"
            #expect(try bench.bytes().count == 1_000_000 + said.utf8.count)
            #expect(try bench.log().hasSuffix(said))
        }
    }

    @Test("binary output comes into the log byte for byte")
    func binary() async throws {
        try await withBench { bench in
            let bytes = Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
            try bytes.write(to: URL(filePath: bench.directory.path("binary")))
            let outcome = try await bench.run("cat \"$DIR/binary\"")
            #expect(outcome == .succeeded)
            #expect(try bench.bytes() == bytes)
        }
    }

    @Test("a secret that is written in two goes is masked")
    func masked() async throws {
        try await withBench { bench in
            let secrets = [Secret("s3cret-value")]
            _ = try await bench.run("printf 'a s3cret'; sleep 0.3; printf -- '-value b'", secrets: secrets)
            #expect(try bench.log() == "a *** b")
        }
    }
}

/// A place to run commands; they carry its path as `DIR`, by which what is left of them is found.
private struct Bench: Sendable {
    let directory: TemporaryDirectory

    func bytes() throws -> Data { try Data(contentsOf: URL(filePath: directory.path("log"))) }
    func log() throws -> String { try directory.read("log") }

    func run(
        _ script: String, step: Duration? = nil, silence: Duration? = nil, limit: Int = 64 << 20, secrets: [Secret] = []
    ) async throws -> StepOutcome {
        try await run(shell(script), step: step, silence: silence, limit: limit, secrets: secrets)
    }

    func run(
        _ command: Command, step: Duration? = nil, silence: Duration? = nil, limit: Int = 64 << 20, secrets: [Secret] = []
    ) async throws -> StepOutcome {
        let log = try StepLog(path: directory.path("log"), mask: LogMask(secrets: secrets), limit: limit)
        defer { log.close() }
        let supervisor = StepSupervisor(command, limits: .init(step: step, silence: silence), log: log)
        return try await withTimeLimit(.seconds(30), waitingFor: "the command") { await supervisor.run() }
    }

    /// Stops the command when it has written this.
    func runStopping(_ script: String, whenLogHolds text: String) async throws -> StepOutcome {
        let log = try StepLog(path: directory.path("log"), mask: LogMask(secrets: []), limit: 1000)
        let supervisor = StepSupervisor(shell(script), limits: .init(step: .seconds(60), silence: nil), log: log)
        let task = Task { await supervisor.run() }
        defer { task.cancel() }
        try await eventually("\(text) in the log") { try self.log().contains(text) }
        task.cancel()
        return await task.value
    }

    private func shell(_ script: String) -> Command {
        Command("/bin/sh", ["-c", script], environment: ["PATH": "/usr/bin:/bin", "DIR": directory.path])
    }
}

private func withBench(_ body: (Bench) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        try await withCleanup {
            try await body(Bench(directory: directory))
        } cleanup: {
            try endAll(of: directory)
        }
    }
}
