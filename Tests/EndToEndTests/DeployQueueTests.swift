import RealParts
import Testing

@Suite(.fewAtOnce) struct DeployQueueTests {
    @Test("of pushes that come while a build runs only the newest is deployed")
    func latestWins() async throws {
        try await withSite(app: "build: ['\(Site.gate("g")); echo $BITTERN_JOB >> @DIR@/built']\n") { site in
            let running = try await site.push(["a": "1"]).job
            try await site.reached("g")
            var later: [Int] = []
            for text in ["2", "3", "4"] { later.append(try await site.push(["a": text]).job) }
            #expect(try await site.daemon.job(running).state == "running")
            for (old, new) in zip(later, later.dropFirst()) {
                let job = try await site.runToEnd(old)
                #expect(job.state == "superseded" && job.json["superseded_by"].int == new, "\(job)")
                #expect(job.reason.contains("job \(new)") && job.steps.isEmpty)
            }
            try site.open("g")
            #expect(try await site.runToEnd(try #require(later.last)).state == "succeeded")
            #expect(try await site.daemon.job(running).state == "succeeded")
            #expect(site.lines("built") == [running, try #require(later.last)].map { "\($0)" })
            #expect(try site.live("a") == "4")
        }
    }

    @Test("a newer push supersedes no queued job of another branch")
    func otherRef() async throws {
        try await withSite(app: "branches: [main, next, last]\nbuild: ['\(Site.gate("g"))']\n") { site in
            let jobs = [
                try await site.push(["a": "1"]).job, try await site.push(["a": "2"], on: "next").job,
                try await site.push(["a": "3"], on: "last").job,
            ]
            try site.open("g")
            for job in jobs { #expect(try await site.runToEnd(job).state == "succeeded") }
            #expect(try site.live("a") == "3")
        }
    }

    @Test("jobs of two apps run side by side, and two of one app one after the other though a worker is idle")
    func sideBySide() async throws {
        let shop = "branches: [main, next]\nbuild: ['mkdir @DIR@/lock; \(Site.gate("g")); rmdir @DIR@/lock']\n"
        try await withSite(app: shop, apps: ["blog": "branch: blog\n"], config: "workers: 3\n") { site in
            let first = try await site.push(["a": "1"]).job
            try await site.reached("g")
            let second = try await site.push(["a": "2"], on: "next").job
            let blog = try await site.push(["a": "3"], on: "blog").job
            #expect(try await site.runToEnd(blog).state == "succeeded")
            let status = try await site.daemon.json("status")
            #expect(status["running"] == 1 && status["queued"] == 1)
            #expect(try await site.daemon.job(first).state == "running")
            #expect(try await site.daemon.job(second).state == "queued")
            try site.open("g")
            for job in [first, second] { #expect(try await site.runToEnd(job).state == "succeeded") }
        }
    }

    @Test("no more jobs run at once than there are workers")
    func workers() async throws {
        let build = "build: ['\(Site.gate("$BITTERN_APP"))']\n"
        let apps = ["b": build, "c": build]
        try await withSite(app: build, apps: apps, config: "workers: 2\n") { site in
            let jobs = try await site.push(["a": "1"]).answer.results.compactMap(\.job)
            try #require(jobs.count == 3)
            let begun = ["shop", "b", "c"]
            try await eventually("two jobs at their gates") { begun.filter { site.exists("\($0).begun") }.count == 2 }
            let status = try await site.daemon.json("status")
            #expect(status["running"] == 2 && status["queued"] == 1)
            for name in begun { try site.open(name) }
            for job in jobs { #expect(try await site.runToEnd(job).state == "succeeded") }
        }
    }
}
