import Foundation
import RealParts
import Testing

/// A build's process that double-forked into a session of its own and cleared its environment.
@Suite(.fewAtOnce) struct HiddenProcessTests {
    /// Starts the process, waits until it runs, and goes on as long as it may.
    private static let app = """
        build:
          - |
            env -i setsid sh -c 'sh @DIR@/hidden.sh > /dev/null 2>&1 &'
            until [ -e @DIR@/up ]; do sleep 0.02; done
            if [ -e @DIR@/again ]; then exit 0; fi
            touch @DIR@/begun
            sleep 600

        """

    @Test("cancel ends what double-forked and cleared its environment too, and job and journal say so")
    func cancel() async throws {
        try await withHiding { site in
            let job = try await site.push(["a": "1"]).job
            try await eventually("the build") { site.exists("begun") }
            #expect(try !hidden(from: site).isEmpty)
            let began = ContinuousClock.now
            #expect(try await site.daemon.run("cancel", "\(job)").status == 0)
            let ended = try await site.runToEnd(job)
            #expect(began.duration(to: .now) < .seconds(10))
            #expect(try hidden(from: site) == [])
            #expect(site.lines("asked") == ["asked"])
            #expect(ended.state == "cancelled" && ended.reason == "cancelled by \(user) during step \"build-1\"", "\(ended)")
            #expect(ended.step("build-1")["state"] == "cancelled")
            try await eventually("the word on it in the journal") {
                site.daemon.standardError.contains("job \(job) of shop cancelled: cancelled by \(user) during step \"build-1\"")
            }
            #expect(!site.exists("srv/shop/current"))
        }
    }

    @Test("a start after a crash ends what hid from the build as well")
    func crash() async throws {
        try await withHiding { site in
            let push = try await site.push(["a": "1"])
            try await eventually("the build") { site.exists("begun") }
            try await site.daemon.kill9()
            let left = try hidden(from: site)
            try #require(!left.isEmpty)
            try Data().write(to: URL(filePath: site.daemon.setup.path("again")))
            try await site.daemon.start()
            #expect(try Set(hidden(from: site)).isDisjoint(with: left))
            let job = try await site.runToEnd(try push.job)
            #expect(job.state == "succeeded" && job.attempt == 2, "\(job)")
            #expect(try hidden(from: site) == [])
        }
    }

    private func withHiding(_ body: (Site) async throws -> Void) async throws {
        try await withSite(app: Self.app) { site in
            let script = "trap 'echo asked >> asked; exit' TERM; echo up >> up; while :; do sleep 0.05; done\n"
            let directory = site.daemon.setup.directory
            try Data("cd '\(directory)'; \(script)".utf8).write(to: URL(filePath: site.daemon.setup.path("hidden.sh")))
            try await withCleanup {
                try await body(site)
            } cleanup: {
                for process in try hidden(from: site) { kill(process, SIGKILL) }
            }
        }
    }

    /// The hidden processes that live, by their command line, which a zombie has not; a child that is not yet `sleep` is one of them.
    private func hidden(from site: Site) throws -> [Int32] {
        let words = ["sh", site.daemon.setup.path("hidden.sh"), ""]
        let commandLine = Data(words.joined(separator: "\0").utf8)
        return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { process in
            guard let file = FileHandle(forReadingAtPath: "/proc/\(process)/cmdline") else { return false }
            defer { try? file.close() }  // read-only: nothing can be lost
            return (try? file.readToEnd()) == commandLine  // processes end at any time
        }
    }
}
