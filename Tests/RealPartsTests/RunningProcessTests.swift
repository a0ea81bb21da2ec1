import Glibc
import RealParts
import Testing

@Suite struct RunningProcessTests {
    @Test("a process can be signalled and its end awaited")
    func signalled() async throws {
        try await withTemporaryDirectory { directory in
            let process = try await start("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done", in: directory)
            try await eventually("its first line") { try directory.read("out") == "up\n" }
            #expect(process.exitStatus == nil)
            process.send(signal: SIGTERM)
            #expect(try await process.waitForExit() == 7)
            #expect(try directory.read("out") == "up\nbye\n")
        }
    }

    @Test("a process that does not heed SIGTERM is killed at its end")
    func stubborn() async throws {
        try await withTemporaryDirectory { directory in
            let process = try await start("trap '' TERM; echo up; while :; do sleep 0.01; done", in: directory)
            try await eventually("its first line") { try directory.read("out") == "up\n" }
            #expect(try await process.end(grace: .milliseconds(100)) == .signaled(SIGKILL))
        }
    }

    @Test("a program that is not there ends with 127 and says so")
    func missing() async throws {
        try await withTemporaryDirectory { directory in
            let process = try await RunningProcess.start(["/no/such"], output: directory.path("out"), error: directory.path("err"))
            #expect(try await process.waitForExit() == 127)
            #expect(try directory.read("err").contains("/no/such"))
        }
    }

    private func start(_ script: String, in directory: TemporaryDirectory) async throws -> RunningProcess {
        try await RunningProcess.start(["sh", "-c", script], output: directory.path("out"), error: directory.path("err"))
    }
}
