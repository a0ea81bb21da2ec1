import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct StopTests {
    @Test("SIGTERM during a build ends the daemon with 0 and puts the job back, its attempt not counted; the next start deploys it")
    func duringBuild() async throws {
        let build = "echo run >> @DIR@/builds; if [ ! -e @DIR@/again ]; then touch @DIR@/begun; sleep 600 & sleep 600; fi"
        try await withSite(app: "build: ['\(build)']\n", config: "drain: 0s\n") { site in
            let push = try await site.push(["a": "1"])
            try await eventually("the build") { site.exists("begun") }
            #expect(try await site.daemon.terminate() == 0)
            #expect(try site.daemon.processes().isEmpty)
            try Data().write(to: URL(filePath: site.daemon.setup.path("again")))
            try await site.daemon.start()
            let job = try await site.runToEnd(try push.job)
            #expect(job.state == "succeeded" && job.attempt == 1, "\(job)")
            #expect(site.lines("builds").count == 2)
            #expect(try site.live("REVISION").hasPrefix(push.commit))
        }
    }

    @Test("deliveries are taken and answered while the last step ends, and their jobs run after the next start")
    func goesOnAnswering() async throws {
        // The step ends of itself once it was asked to and the gate is open.
        let build =
            "exec 2> /dev/null; trap \"until [ -e @DIR@/g.open ]; do sleep 0.02; done; exit 1\" TERM; touch @DIR@/g.begun; "
            + "until [ -e @DIR@/g.open ]; do sleep 0.02 || :; done"
        try await withSite(app: "branches: [\"**\"]\nbuild: ['\(build)']\n") { site in
            let branches = ["b/1", "b/2", "b/3"]
            var commits: [String] = []
            for branch in branches { commits.append(try await site.origin.commit(files: ["a": branch], on: branch)) }
            let running = try await site.push(["a": "0"]).job
            try await site.reached("g")
            site.daemon.send(signal: SIGTERM)
            try await site.daemon.notify.wait(for: "STOPPING=1")
            var jobs: [Int] = []
            for (branch, commit) in zip(branches, commits) {
                let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch(branch, new: commit))
                #expect(answer.status == 202)
                jobs += answer.results.compactMap(\.job)
            }
            #expect(site.daemon.exitStatus == nil)
            try site.open("g")
            #expect(try await site.daemon.waitForExit() == 0)
            try await site.daemon.start()
            try #require(jobs.count == 3)
            for job in [running] + jobs { #expect(try await site.runToEnd(job).state == "succeeded") }
        }
    }

    @Test("an idle daemon ends with 0 on SIGTERM and on SIGINT", arguments: [SIGTERM, SIGINT])
    func idle(signal: Int32) async throws {
        try await withDoor { daemon in
            daemon.send(signal: signal)
            let status = try await daemon.waitForExit()
            #expect(status == 0)
            #expect(daemon.notify.lines.contains("STOPPING=1"))
        }
    }

    @Test("a follower of a log is let go when the daemon stops, and told that the job is not over")
    func follower() async throws {
        try await withSite(app: "build: ['\(Site.gate("g"))']\n", config: "drain: 0s\n") { site in
            let job = try await site.push(["a": "1"]).job
            try await site.reached("g")
            let following = try await RunningProcess.start(
                [try BitternBinary.path(), "log", "\(job)", "-f", "--socket", site.daemon.setup.controlSocket],
                output: site.daemon.setup.path("followed"),
                error: site.daemon.setup.path("followed")
            )
            try await eventually("the follower's first line") { site.lines("followed").contains { $0.contains("build-1") } }
            #expect(try await site.daemon.terminate() == 0)
            #expect(try await following.waitForExit() == 4)
        }
    }

    @Test("the service manager hears READY, a STATUS that names what runs, and STOPPING, each line whole")
    func notifications() async throws {
        let app = "branches: [\"**\"]\nbuild: ['\(Site.gate("g"))']\n"
        try await withSite(app: app) { site in
            let ready = try #require(site.daemon.notify.messages.first { $0.contains("READY=1") })
            #expect(ready.split(separator: "\n").contains { $0.hasPrefix("STATUS=") })
            let push = try await site.push(["a": "1"], on: "x\u{202E}y")
            try await site.reached("g")
            let queued = try await site.push(["a": "2"], on: "z")
            try await eventually("a status that names both") {
                site.daemon.statusLines.contains {
                    $0.hasPrefix("1 running, 1 queued") && $0.contains("shop") && $0.contains(push.commit.prefix(7))
                }
            }
            try site.open("g")
            for job in [try push.job, try queued.job] { _ = try await site.runToEnd(job) }
            try await site.daemon.terminate()
            #expect(site.daemon.notify.lines.contains("STOPPING=1"))
            let known = ["READY=1", "STOPPING=1", "STATUS=", "WATCHDOG=1", "EXTEND_TIMEOUT_USEC="]
            for line in site.daemon.notify.lines {
                #expect(known.contains { line.hasPrefix($0) } && line.utf8.count <= 1100, "\(line)")
                #expect(!line.unicodeScalars.contains("\u{202E}"))
            }
        }
    }

    @Test("a storm of pushes is no storm of STATUS, and the last one tells how many wait")
    func statusInAStorm() async throws {
        try await withDoor(config: "workers: 0\n", app: "branches: [\"**\"]\n") { daemon in
            for number in 0..<100 {
                #expect(try await daemon.send(BitternDaemon.goodPush(to: "b\(number)"), to: "/hooks/acme").status == 202)
            }
            try await eventually("the last STATUS") { daemon.statusLines.last == "0 running, 100 queued" }
            #expect(daemon.statusLines.count < 20)
        }
    }
}
