import RealParts
import Testing

@Suite struct ShellTests {
    @Test("a command gives its status, output and errors")
    func collects() async throws {
        let result = try await Shell.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
        #expect(result.status == 3)
        #expect(result.output == "out\n")
        #expect(result.error == "err\n")
    }

    @Test("a command that a signal ends says so")
    func signaled() async throws {
        #expect(try await Shell.run(["sh", "-c", "kill -9 $$"]).status == .signaled(9))
    }

    @Test("a command gets its input, and one that does not read it is no error")
    func input() async throws {
        #expect(try await Shell.run(["cat"], input: "text").output == "text")
        #expect(try await Shell.run(["true"], input: String(repeating: "x", count: 1 << 20)).status == 0)
    }

    @Test("a command sees nothing of the environment of the tests")
    func environment() async throws {
        let lines = try await Shell.run(["env"], environment: ["A": "1"]).output.split(separator: "\n").map(String.init)
        #expect(Set(lines) == Set(Shell.environment.map { "\($0.key)=\($0.value)" } + ["A=1"]))
    }

    @Test("check throws what a failed command wrote")
    func check() async throws {
        let failure = await #expect(throws: ShellFailure.self) { try await Shell.check(["sh", "-c", "echo why >&2; exit 1"]) }
        #expect(failure?.result.error == "why\n")
    }

    @Test("a command that takes too long is ended with what it started")
    func limit() async throws {
        try await withTemporaryDirectory { directory in
            let environment = ["MARK": directory.path]
            await #expect(throws: TimeLimitExceeded.self) {
                try await Shell.run(["sh", "-c", "sleep 60 & sleep 60"], environment: environment, within: .milliseconds(300))
            }
            try await eventually("the end of both") { try ProcessTable.processes(withEnvironmentContaining: directory.path).isEmpty }
        }
    }
}
