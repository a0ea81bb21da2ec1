import Foundation
import RealParts
import Testing

/// `bittern replay`: a delivery is run through matching again.
@Suite(.fewAtOnce) struct ReplayTests {
    @Test("a push that came before its branch was configured deploys once it is, as a retry by whoever asked")
    func configuredLater() async throws {
        try await withSite(app: "branch: live\n") { site in
            let push = try await site.push(["a": "1"])
            #expect(push.answer.results.map(\.verdict) == ["ignored"])
            // Nothing has changed yet, and so nothing comes of it.
            let early = try await site.daemon.json("replay", "1")
            #expect(early["results"].array.map { $0["reason"] } == ["branch main does not match live"])
            try await site.reconfigure("shop", "")
            let replayed = try await site.daemon.json("replay", "1")
            let result: JSONValue = [
                "app": "shop", "ref": "refs/heads/main", "commit": .string(push.commit), "verdict": "queued", "job": 1, "reason": nil,
            ]
            #expect(replayed == ["delivery": "1", "results": [result]])
            let job = try await site.runToEnd(1)
            #expect(job.state == "succeeded", "\(job)")
            #expect(job.json["cause"] == "retry" && job.json["by"] == .string(user) && job.json["delivery"] == "1")
            #expect(try site.live("REVISION").hasPrefix(push.commit))
            // It is no delivery of its own, and what was decided then stays as it was.
            let stored = try await site.daemon.json("deliveries").array
            #expect(stored.count == 1 && stored[0]["results"][0]["verdict"] == "ignored")
        }
    }

    @Test("that the push came before is no obstacle: the head is deployed once more, also from a delivery that was a duplicate")
    func duplicates() async throws {
        try await withSite(app: "deploy: [\"echo . >> @DIR@/runs\"]\n") { site in
            let commit = try await site.push(["a": "1"]).commit
            _ = try await site.runToEnd(1)
            let again = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", new: commit))
            #expect(again.status == 200 && again.duplicateOf == "1")
            for (delivery, job) in [("1", 2), ("2", 3)] {
                let replayed = try await site.daemon.json("replay", delivery)
                #expect(replayed["results"].array.map { $0["job"].int } == [job])
                #expect(try await site.runToEnd(job).state == "succeeded")
            }
            #expect(site.lines("runs").count == 3)
        }
    }

    @Test("the order rules hold: a commit that is no longer the head ends superseded and what is live stays")
    func order() async throws {
        try await withSite { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            let second = try await site.push(["a": "2"])
            #expect(try await site.runToEnd(second.job).state == "succeeded")
            #expect(try await site.daemon.json("replay", "1")["results"][0]["job"] == 3)
            let job = try await site.runToEnd(3)
            #expect(job.state == "superseded" && job.reason == "\(second.commit.prefix(7)) is the head and had its job", "\(job)")
            #expect(try site.live("a") == "2")
        }
    }

    @Test("a delivery that was refused is refused again, with exit status 1 and a sentence")
    func refused() async throws {
        try await withSite { site in
            let id = try await site.refused()
            let result = try await site.daemon.run("replay", id)
            #expect(result.status == 1 && result.output.isEmpty, "\(result)")
            #expect(result.error.contains("delivery \(id) was refused") && result.error.contains("let the forge send it again"))
            #expect(result.error.split(separator: "\n").count == 1)
            #expect(try await site.daemon.json("jobs") == [])
        }
    }

    @Test("of a deletion, a bad name and a delivery that moved nothing no job is queued, and it says why")
    func nothingToDo() async throws {
        try await withSite { site in
            let push = CloudPush(repository: "acme/shop").deletedBranch("main", old: sha("a")).branch("a..b", new: sha("b"))
            #expect(try await site.deliver(push).status == 200)
            let results = try await site.daemon.json("replay", "1")["results"].array
            #expect(results.map { $0["verdict"] } == ["ignored", "ignored"] && results.allSatisfy { $0["job"].isNull })
            #expect(results.map { $0["reason"] } == ["branch main was deleted", "the ref name breaks git's rules"])
            _ = try await site.deliver(CloudPush(repository: "acme/shop"))
            let empty = try await site.daemon.run("replay", "2")
            #expect(empty.status == 0 && empty.output == "Delivery 2 moved nothing.\n", "\(empty)")
            #expect(try await site.daemon.json("replay", "2") == ["delivery": "2", "results": []])
            #expect(try await site.daemon.json("jobs") == [])
        }
    }

    @Test("every app that the delivery concerns now has a line: a job, or why there is none")
    func table() async throws {
        try await withSite(apps: ["blog": "branch: stage\n"], config: "workers: 0\n") { site in
            let commit = try await site.push(["a": "1"]).commit
            let result = try await site.daemon.run("replay", "1")
            #expect(result.status == 0 && result.error.isEmpty)
            let ref = "refs/heads/main  \(commit.prefix(7))"
            let lines = [
                "APP   REF              COMMIT   VERDICT  JOB  REASON", "blog  \(ref)  ignored  -    branch main does not match stage",
                "shop  \(ref)  queued   2", "",
            ]
            #expect(result.output == lines.joined(separator: "\n"), "\(result)")
        }
    }

    @Test("what came to an app's own hook concerns that app alone, and nobody when the hook is gone")
    func ownHook() async throws {
        let own = "hook_secret: credential:own\n"
        let secret = "a-hook-of-its-own-0123456789"
        try await withSite(apps: ["own": own], config: "workers: 0\n", credentials: ["own": secret]) { site in
            let push = CloudPush(repository: "acme/shop").branch("main", new: sha("b"))
            #expect(try await site.daemon.send(push.delivery(secret: secret), to: "/hooks/acme/own").status == 202)
            #expect(try await site.daemon.json("replay", "1")["results"].array.map { $0["app"] } == ["own"])
            try await site.reconfigure("own", "")
            let result = try await site.daemon.run("replay", "1")
            #expect(result.status == 1 && result.error.contains("the hook to which delivery 1 came is no longer configured"), "\(result)")
            #expect(try await site.daemon.json("jobs").array.count == 2)
        }
    }

    @Test("a delivery that is not there exits with 5, what is no number with 2, and without a daemon it is 4")
    func missing() async throws {
        try await withDoor { daemon in
            let result = try await daemon.run("replay", "77")
            #expect(result.status == 5 && result.error == "bittern: there is no delivery 77; bittern deliveries lists them\n", "\(result)")
            #expect(try await daemon.run("replay", "x").status == 2)
            #expect(try await daemon.run("replay").status == 2)
            #expect(try await daemon.run("replay", "1", "--socket", "/nonexistent/control.sock").status == 4)
        }
    }
}
