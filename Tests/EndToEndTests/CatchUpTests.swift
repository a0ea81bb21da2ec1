import Foundation
import RealParts
import Testing

/// Pushes that no webhook told of; the same for both kinds of forge.
@Suite struct CatchUpTests {
    private static let branches = "branches: [main, \"release/*\"]\nbuild: [\"echo $BITTERN_BRANCH $BITTERN_CAUSE >> @DIR@/ran\"]\n"

    @Test("of pushes that came while the daemon was stopped exactly the tips are deployed", arguments: FakeBitbucket.Kind.allCases)
    func stopped(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, app: Self.branches) { place in
            _ = try await place.site.runToEnd(try await place.push(["a": "1"]).job)
            _ = try await place.site.runToEnd(try await place.push(["b": "1"], on: "release/1").job)
            try await place.daemon.terminate()

            let before = try #require(try await place.origin.head(of: "main"))
            try await place.pushSilently(["a": "2"])
            try await place.pushSilently(["a": "3"])
            let tip = try await place.pushSilently(["a": "4"])
            try await place.pushSilently(["b": "2"], on: "release/1")
            try await place.origin.deleteBranch("release/1")

            try await place.daemon.start()
            let job = try await eventualValue("the job of the missed push") {
                try await place.daemon.json("jobs").array.first { $0["commit"].string == tip }
            }
            let id = try #require(job["id"].int)
            let ended = try await place.site.runToEnd(id)
            #expect(ended.state == "succeeded" && ended.json["cause"].string == "catch-up", "\(ended)")
            #expect(place.site.lines("ran") == ["main push", "release/1 push", "main catch-up"])
            #expect(try place.site.live("a") == "4")
            #expect(try await place.daemon.json("jobs").array.count == 3)
            try await eventually("the sum of the look") {
                place.daemon.standardError.contains("looked for pushes missed in 1 repository: 1 found\n")
            }

            // The late delivery is a duplicate.
            let late = try await place.daemon.send(try place.delivery("main", old: before, new: tip), to: "/hooks/acme")
            #expect(late.status == 200)
            #expect(late.results.first?.reason == "already job \(id); bittern retry \(id) runs it again")
            try await place.expectNoComplaints()
        }
    }

    @Test("a branch that was pushed for the first time while the daemon was stopped is deployed")
    func newBranch() async throws {
        try await withForge(.cloud, app: Self.branches) { place in
            _ = try await place.site.runToEnd(try await place.push(["a": "1"]).job)
            try await place.daemon.restart()
            try await place.daemon.terminate()
            try await place.pushSilently(["b": "1"], on: "release/2")
            try await place.daemon.start()
            try await eventually("release/2") { place.site.lines("ran").last == "release/2 catch-up" }
        }
    }

    @Test("after a reload, missed pushes are looked for")
    func reload() async throws {
        try await withForge(.cloud, app: Self.branches) { place in
            _ = try await place.site.runToEnd(try await place.push(["a": "1"]).job)
            try await place.pushSilently(["a": "2"])
            #expect(try await place.daemon.run("reload").status == 0)
            try await eventually("the missed push") { place.site.lines("ran").last == "main catch-up" }
        }
    }

    @Test("a mirror that leaves refs out has its repository looked at")
    func limitedMirror() async throws {
        try await withForge(.datacenter, app: Self.branches) { place in
            _ = try await place.site.runToEnd(try await place.push(["a": "1"]).job)
            try await place.pushSilently(["a": "2"])
            let delivery = try DataCenterPush(repository: "SHOP/shop", id: ForgeSite.id).limitedDelivery(secret: hookSecret)
            #expect(try await place.daemon.send(delivery, to: "/hooks/acme").status == 200)
            try await eventually("the missed push") { place.site.lines("ran").last == "main catch-up" }
        }
    }

    @Test("a new app waits for a push, unless it is to deploy at once")
    func newApp() async throws {
        try await withForge(.cloud, app: "branch: other\n") { place in
            let commit = try await place.pushSilently(["a": "1"])
            for (name, more) in [("calm", ""), ("eager", "deploy_on_add: true\n")] {
                try place.daemon.setup.write(
                    app: name,
                    "account: acme\nrepository: acme/shop\nroot: @DIR@/srv/\(name)\nbranch: main\n"
                        + "build: [\"echo $BITTERN_APP >> @DIR@/ran\"]\n\(more)")
            }
            #expect(try await place.daemon.run("reload").status == 0)
            try await eventually("the eager app") { place.site.lines("ran") == ["eager"] }
            let job = try await place.daemon.json("jobs").array
            #expect(job.map { $0["app"].string } == ["eager"])
            // What it was at when it was added, somebody may still tell of.
            let push = try await place.daemon.send(try place.delivery("main", old: nil, new: commit), to: "/hooks/acme")
            #expect(push.results.first { $0.app == "calm" }?.verdict == "queued")
            try await eventually("the other app") { place.site.lines("ran") == ["eager", "calm"] }
        }
    }

    @Test("an app that is given another branch waits for a push of it")
    func otherBranch() async throws {
        try await withForge(.cloud, app: "build: [\"echo $BITTERN_BRANCH >> @DIR@/ran\"]\n") { place in
            _ = try await place.site.runToEnd(try await place.push(["a": "1"]).job)
            try await place.pushSilently(["a": "2"], on: "production")
            try place.daemon.setup.write(
                app: "shop",
                "account: acme\nrepository: acme/shop\nroot: @DIR@/srv/shop\nbranch: production\n"
                    + "build: [\"echo $BITTERN_BRANCH >> @DIR@/ran\"]\n")
            #expect(try await place.daemon.run("reload").status == 0)
            try await place.forge.forgetRequests()
            // Two more looks change nothing.
            for _ in 0..<2 {
                #expect(try await place.daemon.run("reload").status == 0)
                try await place.eventualLook()
            }
            #expect(place.site.lines("ran") == ["main"])
            try await place.pushSilently(["a": "3"], on: "production")
            #expect(try await place.daemon.run("reload").status == 0)
            try await eventually("production") { place.site.lines("ran") == ["main", "production"] }
        }
    }

    @Test("an app with catch_up: false is left alone")
    func leftOut() async throws {
        let build = "build: [\"echo $BITTERN_APP >> @DIR@/ran\"]\n"
        try await withForge(.cloud, app: build, apps: ["quiet": build + "catch_up: false\n"]) { place in
            let push = try await place.push(["a": "1"])
            for result in push.answer.results { _ = try await place.site.runToEnd(try #require(result.job)) }
            try await place.daemon.terminate()
            try await place.pushSilently(["a": "2"])
            try await place.daemon.start()
            try await eventually("the app that catches up") { place.site.lines("ran").count == 3 }
            #expect(place.site.lines("ran").last == "shop")
            #expect(try await place.daemon.json("jobs").array.count == 3)
        }
    }

    @Test("one repository is asked once for all of its apps, and only for what they deploy")
    func oneCall() async throws {
        let build = "build: [\"echo $BITTERN_APP >> @DIR@/ran\"]\n"
        try await withForge(.cloud, app: build, apps: ["two": build]) { place in
            let push = try await place.push(["a": "1"])
            for result in push.answer.results { _ = try await place.site.runToEnd(try #require(result.job)) }
            try await place.daemon.terminate()
            try await place.pushSilently(["a": "2"])
            try await place.forge.forgetRequests()
            // Nothing is fetched, so all that is asked is where the refs are.
            let file = place.daemon.setup.configurationFile
            try await Shell.check(["sed", "-i", "$ a workers: 0", file])
            try await place.daemon.start()
            try await eventually("both jobs") { try await place.daemon.json("jobs", "--state", "queued").array.count == 2 }
            let asked = try await place.forge.requests().filter { $0.forge == "git-cloud" }
            #expect(asked.count { $0.path.contains("info/refs") } == 1, "\(asked.map(\.path))")
        }
    }

    @Test("a repository that cannot be asked is said once, and again when it answers")
    func forgeIsDown() async throws {
        try await withForge(.cloud) { place in
            try await place.pushSilently(["a": "1"])
            try await place.forge.fault(["status": 503, "headers": [:], "body": "down"], path: "info/refs")
            try await place.daemon.restart()
            try await eventually("the warning") {
                place.daemon.standardError.contains("whether a push to acme/shop was missed cannot be seen")
            }
            try await eventually("the sum of the look") {
                place.daemon.standardError.contains("looked for pushes missed in 1 repository: 0 found, 1 did not answer\n")
            }
            try await place.forge.endFaults()
            #expect(try await place.daemon.run("reload").status == 0)
            try await eventually("the other news") { place.daemon.standardError.contains("acme/shop answers again") }
        }
    }

    @Test("with hooks: off nothing listens, no hook secret is needed, and pushes are deployed all the same")
    func behindFirewall() async throws {
        try await withForge(
            .cloud, app: "build: [\"echo $BITTERN_CAUSE >> @DIR@/ran\"]\ndeploy_on_add: true\n", config: "hooks: off\ncatch_up: 10s\n"
        ) { place in
            try await place.pushSilently(["a": "1"])
            #expect(try await place.daemon.run("reload").status == 0)
            try await eventually("the first deploy") { place.site.lines("ran") == ["catch-up"] }
            await #expect(throws: (any Error).self) { try await place.daemon.connect() }
            let second = try await place.pushSilently(["a": "2"])
            // Nobody says anything: the next look finds it.
            try await eventually("the second deploy") { place.site.lines("ran").count == 2 }
            _ = try await place.eventualStates(of: second, end: "SUCCESSFUL")
            let doctor = try await place.daemon.run("doctor")
            #expect(doctor.status == 0, "\(doctor)")
            #expect(!doctor.output.contains("public_url"))
            let accounts = try await place.daemon.json("accounts")
            #expect(accounts[0]["hooks"].array == [], "\(accounts)")
            let hooks = try await place.daemon.run("hooks", "add", "acme")
            #expect(hooks.status == 1 && hooks.error.contains("`hooks: off`"), "\(hooks)")
            let simulate = try await place.daemon.run("simulate", "push", "shop")
            #expect(simulate.status == 1 && simulate.error.contains("hooks: off"), "\(simulate)")
        }
    }
}

extension ForgeSite {
    /// Waits until the repository's refs have been asked for once more.
    func eventualLook() async throws {
        let path = "info/refs"
        try await eventually("a look at the refs") { try await forge.requests().contains { $0.path.contains(path) && $0.status == 200 } }
        try await forge.forgetRequests()
    }
}
