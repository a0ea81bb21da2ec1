import Exec
import Foundation
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

    @Test("what cleared its environment is known by its mark, asked to end, and killed; what has another job's mark lives on")
    func hidden() async throws {
        try await withTemporaryDirectory { directory in
            try await withHidden(in: directory) { hidden in
                try await start(hidden, Hidden.polite, named: "polite", marked: JobMark(job: 7, releaseDirectory: directory.path))
                try await start(hidden, Hidden.deaf, named: "deaf", marked: JobMark(job: 7, releaseDirectory: directory.path))
                try await start(hidden, Hidden.deaf, named: "other", marked: JobMark(job: 8, releaseDirectory: directory.path))
                try await start(hidden, Hidden.deaf, named: "elsewhere", marked: JobMark(job: 7, releaseDirectory: "/elsewhere"))
                try await Shell.check(["sh", "-c", hidden.wait(for: 4)])
                #expect(await Leftovers.end(job: 7, releaseDirectory: directory.path) >= 2)
                for name in ["polite.sh", "deaf.sh"] { #expect(try hidden.left(of: name) == []) }
                for name in ["other.sh", "elsewhere.sh"] { #expect(try !hidden.left(of: name).isEmpty) }
                #expect(hidden.timesAsked == 1)
            }
        }
    }

    @Test("what hides and goes on from process to process, or begins ever new ones, is ended all the same")
    func restless() async throws {
        let mark = JobMark(job: 7, releaseDirectory: "/restless")
        try await withTemporaryDirectory { directory in
            try await withHidden(in: directory) { hidden in
                try await start(
                    hidden, "[ -e up ] || echo hop >>up; [ -e stop ] || sh '\(directory.path)/hop.sh' &", named: "hop", marked: mark)
                let breed = "echo breed >>up; while [ ! -e stop ]; do sh -c 'sleep 0.1 # \(directory.path)/' & sleep 0.005; done"
                try await start(hidden, breed, named: "breed", marked: mark)
                try await Shell.check(["sh", "-c", hidden.wait(for: 2)])
                #expect(await Leftovers.end(job: 7, releaseDirectory: "/restless") > 2)
                for _ in 0..<100 { #expect(try hidden.left == []) }
            }
        }
    }

    @Test("a zombie is not waited for")
    func zombie() async throws {
        let mark = JobMark(job: 7, releaseDirectory: "/zombie")
        try await withTemporaryDirectory { directory in
            try await withHidden(in: directory) { hidden in
                let parent =
                    "my $child = fork // die; exec @ARGV unless $child; open my $file, q(>), q(zombie); print $file $child; close $file; sleep 300"
                let child = "sh -c '\(mark.script)' \(directory.path)/"
                try await Shell.check(["sh", "-c", hidden.start("exec perl -e '\(parent)' \(child)", named: "parent")])
                try await eventually("the zombie's number") { Int32((try? directory.read("zombie")) ?? "") != nil }  // not yet there
                let number = try directory.read("zombie")
                try await eventually("its end") { try String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8).contains(") Z ") }
                let began = ContinuousClock.now
                #expect(await Leftovers.end(job: 7, releaseDirectory: "/zombie") == 0)
                #expect(began.duration(to: .now) < .seconds(1))
                #expect(try hidden.left.count == 1)
            }
        }
    }

    @Test("where nothing is left nothing is ended")
    func nothing() async throws {
        try await withTemporaryDirectory { directory in
            #expect(await Leftovers.end(job: 7, releaseDirectory: directory.path) == 0)
        }
    }

    /// Starts a hidden process under a mark.
    private func start(_ hidden: Hidden, _ script: String, named name: String, marked mark: JobMark) async throws {
        try await Shell.check(["sh", "-c", "\(mark.script); \(hidden.start(script, named: name))"])
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
