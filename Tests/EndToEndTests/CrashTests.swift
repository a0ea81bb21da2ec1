import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct CrashTests {
    @Test("a push that was answered 202 is deployed though the daemon is killed at once")
    func rightAfterTheAnswer() async throws {
        try await withSite(app: "build: ['sleep 0.2']\n") { site in
            let push = try await site.push(["a": "1"])
            try await site.daemon.kill9()
            #expect(push.answer.status == 202)
            try await site.daemon.start()
            let job = try await site.runToEnd(try push.job)
            #expect(job.state == "succeeded", "\(job)")
            #expect(try site.live("REVISION").hasPrefix(push.commit))
            #expect(try await site.daemon.json("jobs").array.count == 1)
        }
    }

    @Test("thirty deliveries that were answered 202 are all there after a kill")
    func everyAnswer() async throws {
        try await withDoor(app: "branches: [\"**\"]\nbuild: [sleep 600]\n") { daemon in
            let answers = try await withThrowingTaskGroup { group in
                for number in 0..<30 {
                    group.addTask { try await daemon.send(BitternDaemon.goodPush(to: "b/\(number)"), to: "/hooks/acme") }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            try await daemon.kill9()
            let jobs = answers.compactMap { $0.results.first?.job }
            try #require(jobs.count == 30)
            try await daemon.start()
            #expect(try await Set(daemon.json("jobs", "--limit", "100").array.compactMap { $0["id"].int }) == Set(jobs))
        }
    }

    @Test("a build that runs as the daemon is killed is ended at the next start, and run again as attempt 2")
    func duringBuild() async throws {
        let build =
            "echo run >> @DIR@/builds; touch half; if [ ! -e @DIR@/again ]; then touch @DIR@/begun; setsid sleep 600 & sleep 600; fi"
        try await withSite(app: "build: ['\(build)', 'test ! -e @DIR@/again || touch whole']\n") { site in
            let push = try await site.push(["a": "1"])
            try await eventually("the build") { site.exists("begun") }
            try await site.daemon.kill9()
            let left = try site.daemon.processes()
            try #require(!left.isEmpty)
            try Data().write(to: URL(filePath: site.daemon.setup.path("again")))
            try await site.daemon.start()
            #expect(Set(try site.daemon.processes()).isDisjoint(with: left))
            let job = try await site.runToEnd(try push.job)
            #expect(job.state == "succeeded" && job.attempt == 2, "\(job)")
            #expect(site.lines("builds").count == 2)
            #expect(try site.live("REVISION").hasPrefix(push.commit) && site.live("whole").isEmpty)
        }
    }

    @Test("a kill during a deploy step leaves the release live, and the job goes on there without repeating what had ended")
    func duringDeploy() async throws {
        let last = "echo run >> @DIR@/second; if [ ! -e @DIR@/again ]; then touch @DIR@/begun; sleep 600; fi"
        let app = """
            build: ["echo run >> @DIR@/builds"]
            pre_deploy: ["echo run >> @DIR@/migrations"]
            deploy: ["echo run >> @DIR@/first", '\(last)', "echo run >> @DIR@/third"]

            """
        try await withSite(app: app) { site in
            let push = try await site.push(["a": "1"])
            try await eventually("the deploy step") { site.exists("begun") }
            let link = try FileManager.default.destinationOfSymbolicLink(atPath: site.root() + "/current")
            try await site.daemon.kill9()
            #expect(try site.live("REVISION").hasPrefix(push.commit))
            try Data().write(to: URL(filePath: site.daemon.setup.path("again")))
            try await site.daemon.start()
            let job = try await site.runToEnd(try push.job)
            #expect(job.state == "succeeded" && job.attempt == 2, "\(job)")
            #expect(["builds", "migrations", "first", "second", "third"].map { site.lines($0).count } == [1, 1, 1, 2, 1])
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: site.root() + "/current") == link)
            #expect(job.steps == ["fetch", "checkout", "build-1", "pre-deploy-1", "activate", "deploy-1", "deploy-2", "deploy-3"])
        }
    }

    @Test("the live release stays the live one while a newer one is being built and the daemon dies")
    func liveMeanwhile() async throws {
        try await withSite(app: "build: ['test ! -e slow || { touch @DIR@/begun; sleep 600; }']\n") { site in
            let first = try await site.push(["a": "1"])
            _ = try await site.runToEnd(try first.job)
            try await site.push(["a": "2", "slow": ""])
            try await eventually("the build") { site.exists("begun") }
            try await site.daemon.kill9()
            #expect(try site.live("a") == "1" && site.live("REVISION").hasPrefix(first.commit))
            try FileManager.default.removeItem(atPath: site.daemon.setup.path("begun"))
            try await site.daemon.start()
            try await eventually("the build again") { site.exists("begun") }
            #expect(try site.live("a") == "1" && site.live("REVISION").hasPrefix(first.commit))
            let live = try await site.daemon.json("status")["apps"][0]["live"]
            #expect(live["commit"] == .string(first.commit))
        }
    }

    @Test("the sockets a killed daemon left in the file system are no obstacle to the next")
    func staleSockets() async throws {
        try await withSite(config: "hooks:\n  listen: unix:@DIR@/hooks.sock\n") { site in
            try await site.daemon.kill9()
            try #require(site.exists("control.sock") && site.exists("hooks.sock"))
            #expect(try await site.daemon.run("status").status == 4)
            try await site.daemon.start()
            #expect(try await site.daemon.run("status").status == 0)
            let push = try BitternDaemon.goodPush()
            let request = Request(method: "POST", path: "/hooks/acme", headers: push.headers, body: push.body)
            let answer = try await request.send(to: .unix(path: site.daemon.setup.path("hooks.sock")))
            #expect(answer.status == 202)
        }
    }
}
