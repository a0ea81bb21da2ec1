import Domain
import Exec
import Foundation
import RealParts
import Testing

/// What a step started is ended with it though it left the session and cleared its environment.
@Suite struct HiddenStepTests {
    @Test("stopping a step ends what hid from it: who listens is asked once, who does not is killed")
    func stop() async throws {
        try await withStep { site, hidden in
            let scripts = [try hidden.start(Hidden.polite, named: "polite"), try hidden.start(Hidden.deaf, named: "deaf")]
            site.app.build = [
                CommandStep(name: "build", run: (scripts + [hidden.wait(for: 2), "echo begun", "sleep 300"]).joined(separator: "\n"))
            ]
            let order = try site.order("build", of: site.job(commit))
            await site.runner.start(order)
            try await eventually("the step's beginning") { try site.log("build", of: site.job(commit)) == "begun\n" }
            let began = ContinuousClock.now
            await site.runner.stop(order.id)
            #expect(try await site.outcome(of: order) == .stopped)
            // 10 s are promised; the rest is for a busy machine.
            #expect(began.duration(to: .now) < .seconds(15))
            #expect(try hidden.left == [])
            #expect(hidden.timesAsked == 1)
        }
    }

    @Test("a limit ends what hid from the step in the same way", arguments: [StepLimit.step(.seconds(3)), .silence(.seconds(3))])
    func limit(limit: StepLimit) async throws {
        try await withStep { site, hidden in
            let script = [try hidden.start(Hidden.polite, named: "polite"), hidden.wait(for: 1), "sleep 300"].joined(separator: "\n")
            site.app.build = [CommandStep(name: "build", run: script, timeout: limit == .step(.seconds(3)) ? .seconds(3) : nil)]
            if limit == .silence(.seconds(3)) { site.app.noOutputTimeout = .seconds(3) }
            #expect(try await site.run("build", of: site.job(commit)) == .exceeded(limit))
            #expect(try hidden.left == [])
            #expect(hidden.timesAsked == 1)
        }
    }

    @Test("what a step that succeeds leaves running in hiding ends with it")
    func leftRunning() async throws {
        try await withStep { site, hidden in
            let scripts = [try hidden.start(Hidden.polite, named: "polite"), try hidden.start(Hidden.deaf, named: "deaf")]
            site.app.build = [CommandStep(name: "build", run: (scripts + [hidden.wait(for: 2), "echo done"]).joined(separator: "\n"))]
            #expect(try await site.run("build", of: site.job(commit)) == .succeeded)
            #expect(try site.log("build", of: site.job(commit)) == "done\n")
            #expect(try hidden.left == [])
            #expect(hidden.timesAsked == 1)
        }
    }

    @Test(
        "another user is no hiding place from root", .enabled(if: getuid() == 0),
        arguments: ["runuser -u nobody --", "su -s /bin/sh nobody -- -c 'exec \"$@\"' su"])
    func otherUser(launcher: String) async throws {
        try await withStep { site, hidden in
            try #require(chmod(site.directory.path, 0o777) == 0)
            let script = [try hidden.start(Hidden.polite, named: "polite", launcher: launcher), hidden.wait(for: 1), "ls -l up"]
            site.app.build = [CommandStep(name: "build", run: script.joined(separator: "\n"))]
            #expect(try await site.run("build", of: site.job(commit)) == .exited(status: 2))
            #expect(try hidden.left == [])
            #expect(hidden.timesAsked == 1)
        }
    }

    @Test("what the shell of a stopped step was waiting for has its time to clean up though the shell is gone")
    func grace() async throws {
        try await withStep { site, hidden in
            // It must say nothing on its way out: whoever writes to a step that is over, ends of that (SIGPIPE).
            let body = "cd '\(hidden.directory.path)'; trap 'sleep 2; echo asked >>asked; exit' TERM; echo begun; exec >/dev/null 2>&1; "
            let script = try hidden.directory.write(body + "while :; do sleep 0.05; done", to: "slow.sh")
            site.app.build = [CommandStep(name: "build", run: "sh \(script)\necho never")]
            let order = try site.order("build", of: site.job(commit))
            await site.runner.start(order)
            try await eventually("the step's beginning") { try site.log("build", of: site.job(commit)) == "begun\n" }
            await site.runner.stop(order.id)
            #expect(try await site.outcome(of: order) == .stopped)
            #expect(hidden.timesAsked == 1)
            #expect(try hidden.left == [])
        }
    }

    @Test("a step carries its job's mark, whatever shell it is run with", arguments: ["sh", "dash", "bash", "busybox sh"])
    func mark(shell: String) async throws {
        let mark = JobMark(job: 7, releaseDirectory: "/srv/shop/releases/7-abc")
        let words = shell.split(separator: " ").map(String.init)
        let limits = try await Shell.check(words + ["-euc", "\(mark.script); cat /proc/self/limits"])
        let line = limits.output.split(separator: "\n").first { $0.hasPrefix("Max file locks") }
        #expect(line?.split(separator: " ").dropFirst(3).prefix(2) == ["\(mark.limit)", "\(mark.limit)"])
        #expect(limits.error == "")
    }

    @Test("the marks of other jobs and of other places differ")
    func marks() {
        let marks = [(7, "/srv/shop/releases/7-abc"), (8, "/srv/shop/releases/7-abc"), (7, "/srv/blog/releases/7-abc")].map {
            JobMark(job: $0, releaseDirectory: $1).limit
        }
        #expect(Set(marks).count == 3)
        for limit in marks { #expect(limit >= 1 << 62 && limit < 1 << 62 + 1 << 60) }
    }

    private let commit = String(repeating: "a", count: 40)

    /// A site whose release directory is there without a fetch.
    private func withStep(_ body: (inout Site, Hidden) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            var site = try Site(directory, cloneURL: "file:///nonexistent")
            try FileSystem.makeDirectory(site.release(of: site.job(commit)), mode: 0o755)
            try await withHidden(in: directory) { try await body(&site, $0) }
        }
    }
}
