import Exec
import Glibc
import RealParts
import Testing

@Suite struct LeftoversTests {
    @Test("what carries the job and its release is ended, whatever session it is in; all else lives on")
    func ended() async throws {
        try await withTemporaryDirectory { directory in
            let release = directory.path("releases/7-abc")
            try await withCleanup {
                try await start(job: 7, release: release, number: 2)
                try await start(job: 7, release: directory.path("other/7-abc"))
                try await start(job: 77, release: release)
                try await start(job: 7, release: release + "d")
                #expect(try left(of: directory).count == 5)
                #expect(await Leftovers.end(job: 7, releaseDirectory: release) == 2)
                #expect(try left(of: directory).count == 3)
                #expect(try ProcessTable.processes(withEnvironmentContaining: "BITTERN_RELEASE=\(release)\0").count == 1)
            } cleanup: {
                try endAll(of: directory)
            }
        }
    }

    @Test("what begins while others are ended is ended too")
    func forking() async throws {
        try await withTemporaryDirectory { directory in
            try await withCleanup {
                try await start(job: 7, release: directory.path, script: "while :; do sleep 0.01; done")
                #expect(await Leftovers.end(job: 7, releaseDirectory: directory.path) > 0)
                #expect(try left(of: directory) == [])
            } cleanup: {
                try endAll(of: directory)
            }
        }
    }

    @Test("where nothing is left nothing is ended")
    func nothing() async throws {
        try await withTemporaryDirectory { directory in
            #expect(await Leftovers.end(job: 7, releaseDirectory: directory.path) == 0)
        }
    }

    /// Starts processes that outlive the command that started them, and waits until they have the environment they are given.
    private func start(job: Int, release: String, number: Int = 1, script: String = "exec sleep 300") async throws {
        let environment = ["BITTERN_JOB": "\(job)", "BITTERN_RELEASE": release, "SCRIPT": script]
        for _ in 0..<number {
            let command = "echo started | setsid sh -c \"read word; $SCRIPT\" >/dev/null 2>&1 &"
            try await Shell.check(["sh", "-c", command], environment: environment)
        }
    }
}
