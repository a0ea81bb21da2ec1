import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct QueueTests {
    @Test("cancel ends a running job with all its processes, and says so; an ended job is refused")
    func cancelRunning() async throws {
        let build = "touch @DIR@/begun; setsid sleep 600 & sleep 600 & sleep 600"
        try await withSite(app: "build: ['\(build)']\n") { site in
            let job = try await site.push(["a": "1"]).job
            try await eventually("the build") { site.exists("begun") }
            #expect(try await site.daemon.run("cancel", "\(job)").status == 0)
            let ended = try await site.runToEnd(job)
            #expect(ended.state == "cancelled" && ended.reason == "cancelled by \(user) during step \"build-1\"", "\(ended)")
            try await eventually("the end of its processes") { try site.daemon.processes() == [try #require(site.daemon.processID)] }
            let again = try await site.daemon.run("cancel", "\(job)")
            #expect(again.status == 1 && again.error.contains("has ended already: cancelled"))
            #expect(try await site.daemon.run("cancel", "99").status == 5)
        }
    }

    @Test("cancel takes a queued job out of the queue; retry makes a new job that does the same")
    func cancelQueuedAndRetry() async throws {
        try await withSite(app: "build: ['\(Site.gate("g"))']\n") { site in
            let first = try await site.push(["a": "1"]).job
            try await site.reached("g")
            let second = try await site.push(["a": "2"])
            #expect(try await site.daemon.run("retry", "\(second.job)").status == 1)
            #expect(try await site.daemon.run("cancel", "\(second.job)").status == 0)
            #expect(try await site.runToEnd(second.job).reason == "cancelled by \(user) while it was queued")
            try site.open("g")
            // The head's own job was cancelled, and that is somebody's word on it: the first job has no other to queue.
            #expect(try await site.runToEnd(first).state == "succeeded")
            let retry = try await site.daemon.run("retry", "\(second.job)", "--wait")
            #expect(retry.status == 0)
            #expect(try site.live("a") == "2")
            let job = try await site.daemon.json("show", "\(second.job + 1)")
            #expect(job["cause"].string == "retry")
        }
    }

    @Test("pushes to a held app wait, only the newest of them, and run when it is resumed")
    func hold() async throws {
        try await withSite { site in
            let hold = try await site.daemon.run("hold", "shop", "--until", "2h", "--reason", "a freeze")
            #expect(hold.status == 0 && hold.output.contains("shop is held until"))
            let old = try await site.push(["a": "1"]).job
            let new = try await site.push(["a": "2"]).job
            #expect(try await site.runToEnd(old).reason == "superseded by job \(new)")
            #expect(try await site.daemon.json("show", "\(new)")["state"].string == "queued")
            #expect(try await site.daemon.run("status").output.contains("shop (held)"))
            #expect(try await site.daemon.run("resume", "shop").status == 0)
            #expect(try await site.runToEnd(new).state == "succeeded")
            #expect(try await site.daemon.run("resume", "shop").status == 1)
            #expect(try await site.daemon.run("hold", "nope").status == 5)
            #expect(try await site.daemon.run("hold", "shop", "--until", "yesterday").status == 2)
        }
    }

    @Test("a hold ends by itself, and outlives a restart")
    func holdEnds() async throws {
        try await withSite { site in
            #expect(try await site.daemon.run("hold", "shop", "--until", "2s").status == 0)
            let job = try await site.push(["a": "1"]).job
            try await site.daemon.kill9()
            try await site.daemon.start()
            #expect(try await site.runToEnd(job).state == "succeeded")
        }
    }

    @Test("apps that share a lock run one at a time")
    func lock() async throws {
        let build = "lock: host\nbuild: ['mkdir @DIR@/busy; sleep 0.2; rmdir @DIR@/busy']\n"
        try await withSite(app: build, apps: ["blog": build], config: "workers: 4\n") { site in
            let answer = try await site.push(["a": "1"]).answer
            for job in answer.results.compactMap(\.job) { #expect(try await site.runToEnd(job).state == "succeeded") }
        }
    }

    @Test("with no workers jobs are queued, and run when there are some")
    func noWorkers() async throws {
        try await withSite(config: "workers: 0\n") { site in
            let job = try await site.push(["a": "1"]).job
            #expect(try await site.daemon.json("show", "\(job)")["state"].string == "queued")
            #expect(try await site.daemon.terminate() == 0)
        }
    }

    @Test("a newer push takes the place of a running job where the app wants that")
    func impatient() async throws {
        try await withSite(app: "cancel_running: true\nbuild: ['[ -e @DIR@/once ] || { touch @DIR@/once; sleep 600; }']\n") { site in
            let old = try await site.push(["a": "1"]).job
            try await eventually("the build") { site.exists("once") }
            let new = try await site.push(["a": "2"]).job
            #expect(try await site.runToEnd(old).state == "cancelled")
            #expect(try await site.runToEnd(new).state == "succeeded")
        }
    }

    @Test("a job under which the daemon dies again and again is given up")
    func maxAttempts() async throws {
        try await withSite(app: "max_attempts: 2\nbuild: ['touch @DIR@/begun; sleep 600']\n") { site in
            let job = try await site.push(["a": "1"]).job
            for _ in 1...2 {
                try await eventually("the build") { site.exists("begun") }
                try await site.daemon.kill9()
                try FileManager.default.removeItem(atPath: site.daemon.setup.path("begun"))
                try await site.daemon.start()
            }
            let ended = try await site.runToEnd(job)
            #expect(ended.state == "failed" && ended.reason.contains("died under it 2 times"), "\(ended)")
        }
    }

    @Test("a stop lets a running job finish, and a second SIGTERM does not wait for it")
    func drain() async throws {
        try await withSite(app: "build: ['\(Site.gate("g"))']\n") { site in
            let job = try await site.push(["a": "1"]).job
            try await site.reached("g")
            site.daemon.send(signal: SIGTERM)
            try await site.daemon.notify.wait(for: "STOPPING=1")
            try site.open("g")
            #expect(try await site.daemon.waitForExit() == 0)
            #expect(try site.live("a") == "1")
            try await site.daemon.start()
            #expect(try await site.daemon.json("show", "\(job)")["state"].string == "succeeded")
        }
        try await withSite(app: "build: ['touch @DIR@/begun; sleep 600']\n") { site in
            let job = try await site.push(["a": "1"]).job
            try await eventually("the build") { site.exists("begun") }
            site.daemon.send(signal: SIGTERM)
            try await site.daemon.notify.wait(for: "STOPPING=1")
            site.daemon.send(signal: SIGTERM)
            #expect(try await site.daemon.waitForExit() == 0)
            try await site.daemon.start()
            #expect(try await site.daemon.json("show", "\(job)")["attempt"].int == 1)
            #expect(try await site.daemon.run("cancel", "\(job)").status == 0)
        }
    }

    @Test("an older commit never goes live after a newer one, whatever order their deliveries come in")
    func order() async throws {
        try await withSite(app: "build: ['\(Site.gate("g"))']\n") { site in
            let one = try await site.origin.commit(files: ["a": "1"])
            let two = try await site.origin.commit(files: ["a": "2"])
            let newer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", old: one, new: two))
            let older = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", new: one))
            try site.open("g")
            let job = try #require(older.results.first?.job)
            let ended = try await site.runToEnd(job)
            #expect(ended.state == "superseded", "\(ended)")
            _ = try await site.runToEnd(try #require(newer.results.first?.job))
            try await eventually("the head to be live") { try site.exists("srv/shop/current") && site.live("a") == "2" }
        }
    }
}
