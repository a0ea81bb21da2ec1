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
                try await start(job: 7, release: release, number: 2, in: directory)
                try await start(job: 7, release: directory.path("other/7-abc"), in: directory)
                try await start(job: 77, release: release, in: directory)
                try await start(job: 7, release: release + "d", in: directory)
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
                try await start(job: 7, release: directory.path, script: "while :; do sleep 0.01; done", in: directory)
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

    /// Starts processes that outlive the command that started them, and waits until each runs.
    private func start(
        job: Int, release: String, number: Int = 1, script: String = "exec sleep 300", in directory: TemporaryDirectory
    ) async throws {
        let mark = directory.path("started")
        let environment = ["BITTERN_JOB": "\(job)", "BITTERN_RELEASE": release, "SCRIPT": "echo >>'\(mark)'; \(script)"]
        for _ in 0..<number {
            let before = (try? directory.read("started"))?.count ?? 0  // the first makes it
            try await Shell.check(["sh", "-c", "setsid sh -c \"$SCRIPT\" >/dev/null 2>&1 &"], environment: environment)
            try await eventually("the beginning of a process") { (try? directory.read("started"))?.count == before + 1 }  // as above
        }
    }
}
