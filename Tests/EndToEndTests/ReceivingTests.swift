import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct ReceivingTests {
    @Test("a push that concerns an app is answered 202, with every field of the result")
    func queued() async throws {
        try await withDoor { daemon in
            let answer = try await daemon.send(BitternDaemon.goodPush(), to: "/hooks/acme")
            #expect(answer.status == 202)
            #expect(answer.headers["content-type"]?.hasPrefix("application/json") == true)
            let body = try answer.decode(JSONValue.self)
            let delivery = try #require(body["delivery"].string)
            let job = try #require(body["results"][0]["job"].int)
            #expect(!delivery.isEmpty)
            let result: JSONValue = [
                "app": "shop", "ref": "refs/heads/main", "commit": .string(sha("b")), "verdict": "queued",
                "job": .number(Double(job)), "reason": nil,
            ]
            #expect(body == ["delivery": .string(delivery), "duplicate_of": nil, "results": [result]])
            #expect(try await daemon.job(job).json["delivery"].string == delivery)
        }
    }

    @Test("a push of a repository nobody configured is answered 200 with the app null")
    func unconfigured() async throws {
        try await withDoor { daemon in
            let push = try CloudPush(repository: "acme/blog").branch("main", new: sha("b")).delivery(secret: hookSecret)
            let answer = try await daemon.send(push, to: "/hooks/acme")
            #expect(answer.status == 200)
            let body = try answer.decode(JSONValue.self)
            #expect(body["duplicate_of"].isNull)
            #expect(body["results"].array.count == 1)
            let result = body["results"][0]
            #expect(result["app"].isNull && result["job"].isNull)
            #expect(result["verdict"] == "ignored")
            #expect(result["ref"] == "refs/heads/main")
            #expect(result["commit"] == .string(sha("b")))
            #expect(result["reason"].string?.contains("acme/blog") == true)
        }
    }

    @Test("every change of a delivery and every app of its repository has a result")
    func resultPerChangeAndApp() async throws {
        try await withDoor { daemon in
            let push = CloudPush(repository: "ACME/Shop").branch("main", new: sha("b")).branch("feature/x", new: sha("c"))
                .deletedBranch("old", old: sha("d")).tag("v1", new: sha("e")).deletedTag("v0", old: sha("f"))
            let answer = try await daemon.send(push.delivery(secret: hookSecret), to: "/hooks/acme")
            #expect(answer.status == 202)
            let refs = ["refs/heads/main", "refs/heads/feature/x", "refs/heads/old", "refs/tags/v1", "refs/tags/v0"]
            #expect(answer.results.map(\.ref) == refs)
            #expect(answer.results.map(\.verdict) == ["queued", "ignored", "ignored", "ignored", "ignored"])
            #expect(answer.results.map(\.commit) == [sha("b"), sha("c"), nil, sha("e"), nil])
            #expect(answer.results.allSatisfy { $0.app == "shop" })
            #expect(answer.results[0].reason == nil)
            #expect(answer.results[1].reason == "branch feature/x does not match main")
            #expect(answer.results[2].reason == "branch old was deleted")
            #expect(answer.results[3].reason?.contains("tags") == true)
            #expect(answer.results[4].reason == "tag v0 was deleted")
        }
    }

    @Test("an event that is no push, and a push without a change, are answered 200 with no result")
    func nothingToDo() async throws {
        try await withDoor { daemon in
            let other = Delivery.cloud(event: "pullrequest:created", body: Array(#"{"pullrequest": 1}"#.utf8), secret: hookSecret)
            let empty = try CloudPush(repository: "acme/shop").delivery(secret: hookSecret)
            for delivery in [other, empty] {
                let answer = try await daemon.send(delivery, to: "/hooks/acme")
                #expect(answer.status == 200)
                let body = try answer.decode(JSONValue.self)
                #expect(body == ["delivery": body["delivery"], "duplicate_of": nil, "results": []])
                #expect(body["delivery"].string?.isEmpty == false)
            }
        }
    }

    @Test("a delivery that comes again makes no second job and names the first one")
    func duplicate() async throws {
        try await withDoor { daemon in
            let delivery = try BitternDaemon.goodPush()
            let first = try await daemon.send(delivery, to: "/hooks/acme")
            let second = try await daemon.send(delivery, to: "/hooks/acme")
            var doubled = delivery
            doubled.headers["X-Request-UUID"] = Delivery.freshID()
            let third = try await daemon.send(doubled, to: "/hooks/acme")
            let job = try #require(first.results.first?.job)
            for again in [second, third] {
                #expect(again.status == 200)
                #expect(again.duplicateOf == first.delivery)
                #expect(again.delivery != first.delivery)
                #expect(again.results.map(\.verdict) == ["ignored"])
                #expect(again.results.first?.reason == "already job \(job); bittern retry \(job) runs it again")
            }
            #expect(try await daemon.json("jobs").array.count == 1)
        }
    }

    @Test("Data Center's push, and that of its mirror, are answered as Cloud's are")
    func dataCenter() async throws {
        let app = "account: dc\nrepository: ACME/shop\n"
        try await withDoor(app: app) { daemon in
            let push = DataCenterPush(repository: "ACME/shop").branch("main", new: sha("b")).deletedBranch("old", old: sha("c"))
            let answer = try await daemon.send(push.delivery(secret: hookSecret), to: "/hooks/dc")
            #expect(answer.status == 202)
            #expect(answer.results.map(\.verdict) == ["queued", "ignored"])
            #expect(answer.results.map(\.commit) == [sha("b"), nil])
            let moved = DataCenterPush(repository: "ACME/shop").branch("main", old: sha("b"), new: sha("d"))
            #expect(try await daemon.send(moved.mirrorDelivery(secret: hookSecret), to: "/hooks/dc").status == 202)
            let repeated = try await daemon.send(moved.delivery(secret: hookSecret), to: "/hooks/dc")
            #expect(repeated.status == 200)
        }
    }

    @Test("an app hears nothing that came to another account")
    func otherAccount() async throws {
        try await withDoor { daemon in
            let push = DataCenterPush(repository: "acme/shop").branch("main", new: sha("b"))
            let answer = try await daemon.send(push.delivery(secret: hookSecret), to: "/hooks/dc")
            #expect(answer.status == 200)
            #expect(answer.results.map(\.app) == [nil])
        }
    }

    @Test("Data Center's connection test is answered 200 unsigned and does nothing; Cloud has none")
    func ping() async throws {
        try await withDoor { daemon in
            let ping = Delivery.dataCenterPing()
            let answer = try await daemon.send(ping, to: "/hooks/dc")
            #expect(answer.status == 200)
            let body = try answer.decode(JSONValue.self)
            #expect(body["results"] == [] && body["duplicate_of"].isNull)
            #expect(try await daemon.send(ping, to: "/hooks/acme").status == 401)
            #expect(try await daemon.json("jobs").array.isEmpty)
            var large = ping
            large.body += [UInt8](repeating: 0x20, count: 1024 - large.body.count)
            #expect(try await daemon.send(large, to: "/hooks/dc").status == 200)
            large.body.append(0x20)
            #expect(try await daemon.send(large, to: "/hooks/dc").status == 401)
        }
    }

    @Test("control characters and bidirectional marks of a branch's name are escaped in answer, log, status and tables")
    func escaping() async throws {
        let tricky = "a\u{202E}b\u{9B}c"
        try await withDoor(app: "branches: [\"a*\"]\n") { daemon in
            let push = CloudPush(repository: "acme/shop").branch(tricky, new: sha("b")).branch("x\u{1B}[2J", new: sha("c"))
                .branch("no\u{2066}", new: sha("d"))
            let answer = try await daemon.send(push.delivery(secret: hookSecret), to: "/hooks/acme")
            #expect(answer.results.map(\.verdict) == ["queued", "ignored", "ignored"])
            #expect(answer.results[0].ref == #"refs/heads/a\u202eb\x9bc"#)
            #expect(answer.results[2].ref == #"refs/heads/no\u2066"#)
            _ = try await daemon.runToEnd(try #require(answer.results[0].job))
            let jobs = try await daemon.run("jobs").output
            #expect(jobs.contains(#"a\u202eb\x9bc"#))
            try await eventually("the log lines") { daemon.standardError.contains(#"no\u2066"#) }
            for text in [answer.text, jobs, daemon.standardError] + daemon.notify.messages {
                let marks = text.unicodeScalars.filter { [0x1B, 0x9B, 0x202E, 0x2066].contains($0.value) }
                #expect(marks.isEmpty, "\(text)")
            }
        }
    }
}
