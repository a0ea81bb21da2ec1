import Foundation
import RealParts
import Testing

/// What forges are told of jobs; the same for both kinds.
@Suite struct BuildStatusTests {
    private static let wait = "build: [\"echo $BITTERN_JOB >> @DIR@/begun; while [ ! -e @DIR@/go ]; do sleep 0.05; done\"]\n"

    @Test("the forge is told of a job as it runs and as it ends, under one key", arguments: FakeBitbucket.Kind.allCases)
    func success(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, config: "status_url: \"https://logs.example.com/{app}/{job}\"\n") { place in
            let push = try await place.push(["a": "1"])
            let job = try await place.site.runToEnd(try push.job)
            #expect(job.state == "succeeded", "\(job)")
            #expect(try await place.eventualStates(of: push.commit, end: "SUCCESSFUL") == ["INPROGRESS", "SUCCESSFUL"])
            let status = try #require(try await place.forge.statuses().first)
            #expect(status["key"].string == "bittern:shop@web1")
            let body = status["current"]
            #expect(body["name"].string == "shop on web1")
            #expect(body["description"].string == job.reason)
            #expect(body["url"].string == "https://logs.example.com/shop/\(try push.job)")
            #expect((body["refname"].string ?? body["ref"].string) == (kind == .cloud ? "main" : "refs/heads/main"))
            if kind == .datacenter {
                let deployment = try #require(try await place.forge.deployments().first)
                #expect(deployment["current"]["state"].string == "SUCCESSFUL")
            }
            try await place.expectNoComplaints()
        }
    }

    @Test("without status_url the status leads to the commit's page at the forge", arguments: FakeBitbucket.Kind.allCases)
    func commitPage(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            let push = try await place.push(["a": "1"])
            _ = try await place.eventualStates(of: push.commit, end: "SUCCESSFUL")
            let page =
                switch kind {
                case .cloud: "https://bitbucket.org/acme/shop/commits/\(push.commit)"
                case .datacenter: "\(place.forge.dataCenter)/projects/SHOP/repos/shop/commits/\(push.commit)"
                }
            #expect(try await place.forge.statuses().first?["current"]["url"].string == page)
        }
    }

    @Test("a job that failed, was cancelled or never ran has its end told as well", arguments: FakeBitbucket.Kind.allCases)
    func otherEnds(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, app: Self.wait) { place in
            let running = try await place.push(["a": "1"])
            try await eventually("the build") { place.site.exists("begun") }
            let overtaken = try await place.push(["a": "2"])
            let newest = try await place.push(["a": "3"])
            #expect(try await place.eventualStates(of: overtaken.commit, end: kind.stopped) == [kind.stopped])
            let superseded = try await place.forge.statuses().first { $0["commit"].string == overtaken.commit }
            #expect(superseded?["current"]["description"].string == "superseded by job \(try newest.job)")

            _ = try await place.daemon.run("cancel", "\(try running.job)")
            #expect(try await place.eventualStates(of: running.commit, end: kind.stopped) == ["INPROGRESS", kind.stopped])

            try await eventually("the next build") { place.site.lines("begun").count == 2 }
            try Data().write(to: URL(filePath: place.daemon.setup.path("go")))
            _ = try await place.eventualStates(of: newest.commit, end: "SUCCESSFUL")

            try place.daemon.setup.write(
                app: "shop",
                "account: acme\nrepository: \(kind.repository)\nroot: @DIR@/srv/shop\nbranch: main\nbuild: [\"exit 7\"]\n")
            #expect(try await place.daemon.run("reload").status == 0)
            let bad = try await place.push(["a": "4"])
            #expect(try await place.eventualStates(of: bad.commit, end: "FAILED") == ["INPROGRESS", "FAILED"])
            let failed = try await place.forge.statuses().first { $0["commit"].string == bad.commit }
            #expect(failed?["current"]["description"].string == #"step "build-1" exited with status 7"#)
            try await place.expectNoComplaints()
        }
    }

    @Test("a commit that is live already is reported as it is: successful", arguments: FakeBitbucket.Kind.allCases)
    func alreadyLive(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            let push = try await place.push(["a": "1"])
            _ = try await place.eventualStates(of: push.commit, end: "SUCCESSFUL")
            let other = try await place.push(["a": "2"])
            _ = try await place.eventualStates(of: other.commit, end: "SUCCESSFUL")
            // Back and forth: the last push is of what is live.
            try await place.origin.forcePush("main", to: push.commit)
            let back = try await place.daemon.send(try place.delivery("main", old: other.commit, new: push.commit), to: "/hooks/acme")
            _ = try await place.site.runToEnd(try #require(back.results.first?.job))
            try await place.origin.forcePush("main", to: other.commit)
            _ = try await place.daemon.send(try place.delivery("main", old: push.commit, new: other.commit), to: "/hooks/acme")
            let states = try await place.eventualStates(of: other.commit, end: "SUCCESSFUL")
            #expect(states.suffix(1) == ["SUCCESSFUL"])
        }
    }

    @Test("what could not be told while the forge was down arrives afterwards, each in its order", arguments: FakeBitbucket.Kind.allCases)
    func forgeIsDown(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            let path = kind == .cloud ? "/statuses/build" : "/builds"
            try await place.forge.fault(["status": 503, "headers": [:], "body": "down"], path: path)
            let first = try await place.push(["a": "1"])
            _ = try await place.site.runToEnd(try first.job)
            let second = try await place.push(["a": "2"])
            _ = try await place.site.runToEnd(try second.job)
            #expect(try await place.forge.statuses() == [])
            let metrics = try await place.daemon.run("metrics").output
            #expect(metrics.contains("bittern_outbox 4"))
            // What waits is on the disk.
            try await place.daemon.restart()
            try await place.forge.endFaults()
            for commit in [first.commit, second.commit] {
                #expect(try await place.eventualStates(of: commit, end: "SUCCESSFUL") == ["INPROGRESS", "SUCCESSFUL"])
            }
            #expect(place.daemon.standardError.contains("the forge was not told of job 1 of shop, trying again"))
            try await eventually("an empty outbox") { try await place.daemon.run("metrics").output.contains("bittern_outbox 0") }
            try await place.expectNoComplaints()
        }
    }

    @Test("nothing stays in progress when the daemon is killed", arguments: FakeBitbucket.Kind.allCases)
    func crash(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, app: Self.wait) { place in
            let push = try await place.push(["a": "1"])
            _ = try await place.eventualStates(of: push.commit, end: "INPROGRESS")
            try await place.daemon.kill9()
            try Data().write(to: URL(filePath: place.daemon.setup.path("go")))
            try await place.daemon.start()
            let states = try await place.eventualStates(of: push.commit, end: "SUCCESSFUL")
            #expect(Set(states.dropLast()) == ["INPROGRESS"])
            try await place.expectNoComplaints()
        }
    }

    @Test("an app that is taken away while its job runs has the end of it told", arguments: FakeBitbucket.Kind.allCases)
    func appIsGone(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, app: Self.wait, apps: ["blog": "branch: none\n"]) { place in
            let push = try await place.push(["a": "1"])
            _ = try await place.eventualStates(of: push.commit, end: "INPROGRESS")
            try FileManager.default.removeItem(atPath: place.daemon.setup.path("apps.d/shop.yaml"))
            #expect(try await place.daemon.run("reload").status == 0)
            try Data().write(to: URL(filePath: place.daemon.setup.path("go")))
            _ = try await place.eventualStates(of: push.commit, end: "SUCCESSFUL")
        }
    }

    @Test("a status with which the forge has trouble holds no other one up", arguments: FakeBitbucket.Kind.allCases)
    func troubled(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            let first = try await place.origin.commit(files: ["a": "1"])
            try await place.forge.fault(["status": 500, "headers": [:], "body": "oops"], path: "commits?/\(first)/.*build")
            let answer = try await place.daemon.send(try place.delivery("main", old: nil, new: first), to: "/hooks/acme")
            _ = try await place.site.runToEnd(try #require(answer.results.first?.job))
            let second = try await place.push(["a": "2"])
            _ = try await place.eventualStates(of: second.commit, end: "SUCCESSFUL")
            #expect(try await place.forge.states(of: first) == [])
            try await place.forge.endFaults()
            _ = try await place.eventualStates(of: first, end: "SUCCESSFUL")
        }
    }

    @Test("a status that the forge refuses holds no other one up", arguments: FakeBitbucket.Kind.allCases)
    func refused(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            let first = try await place.origin.commit(files: ["a": "1"])
            try await place.forge.fault(["status": 400, "headers": [:], "body": "{}"], path: "commits?/\(first)/.*build")
            let answer = try await place.daemon.send(try place.delivery("main", old: nil, new: first), to: "/hooks/acme")
            _ = try await place.site.runToEnd(try #require(answer.results.first?.job))
            let second = try await place.push(["a": "2"])
            _ = try await place.eventualStates(of: second.commit, end: "SUCCESSFUL")
            #expect(try await place.forge.states(of: first) == [])
            try await eventually("the giving up") {
                place.daemon.standardError.contains("the forge will not be told that job 1 of shop is succeeded")
            }
        }
    }

    @Test(
        "an answer that cannot be read, is too long, or leads elsewhere is trouble of the forge's", arguments: FakeBitbucket.Kind.allCases)
    func oddAnswers(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            let path = kind == .cloud ? "/statuses/build" : "/builds"
            try await place.forge.fault(["redirect": "https://elsewhere.example/x"], path: path, times: 1)
            let first = try await place.push(["a": "1"])
            #expect(try await place.eventualStates(of: first.commit, end: "SUCCESSFUL") == ["INPROGRESS", "SUCCESSFUL"])
            try await place.forge.fault(["huge": 20_000_000], path: path, times: 1)
            let second = try await place.push(["a": "2"])
            _ = try await place.eventualStates(of: second.commit, end: "SUCCESSFUL")
            // A page for people, as of a proxy under repair.
            try await place.forge.fault(["status": 200, "headers": ["Content-Type": "text/html"], "body": "<html>"], path: path, times: 1)
            let page = try await place.push(["a": "page"])
            #expect(try await place.eventualStates(of: page.commit, end: "SUCCESSFUL") == ["INPROGRESS", "SUCCESSFUL"])
            try await place.forge.fault(["drop": true], path: path, times: 1)
            let third = try await place.push(["a": "3"])
            _ = try await place.eventualStates(of: third.commit, end: "SUCCESSFUL")
            try await place.expectNoComplaints()
        }
    }

    @Test("a forge that is busy is asked again", arguments: FakeBitbucket.Kind.allCases)
    func busy(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            let path = kind == .cloud ? "/statuses/build" : "/builds"
            let limit = "Rate limit for this resource has been exceeded"
            try await place.forge.fault(["status": 429, "headers": [:], "body": .string(limit)], path: path, times: 2)
            let push = try await place.push(["a": "1"])
            #expect(try await place.eventualStates(of: push.commit, end: "SUCCESSFUL") == ["INPROGRESS", "SUCCESSFUL"])
        }
    }

    @Test("no secret of an account is in a log, an error, an answer or the ledger", arguments: FakeBitbucket.Kind.allCases)
    func secrets(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            let path = kind == .cloud ? "/statuses/build" : "/builds"
            // A forge that repeats what it was shown.
            let secret = kind == .cloud ? ForgeSecret.accessToken : ForgeSecret.dataCenterToken
            let body = "{\"error\":{\"message\":\"bad token \(secret)\"},\"errors\":[{\"message\":\"bad token \(secret)\"}]}"
            try await place.forge.fault(["status": 401, "headers": [:], "body": .string(body)], path: path)
            let push = try await place.push(["a": "1"])
            _ = try await place.site.runToEnd(try push.job)
            try await eventually("the refusal") { place.daemon.standardError.contains("bad token ***") }
            let test = try await place.daemon.run("account", "test", "acme")
            let doctor = try await place.daemon.run("doctor")
            try await place.daemon.terminate()
            let ledger = String(
                decoding: try Data(contentsOf: URL(filePath: place.daemon.setup.path("state/bittern.db"))), as: UTF8.self)
            for secret in ForgeSecret.all {
                for text in [place.daemon.standardError, "\(test)", "\(doctor)", ledger] { #expect(!text.contains(secret)) }
            }
        }
    }
}
