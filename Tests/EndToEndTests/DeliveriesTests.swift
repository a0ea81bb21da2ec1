import Foundation
import RealParts
import Testing

/// The ledger of webhooks, as people see it.
@Suite(.fewAtOnce) struct DeliveriesTests {
    @Test("every delivery is there with what it meant for each app, also one that was refused")
    func all() async throws {
        try await withSite(apps: ["blog": "branch: stage\n"], config: "workers: 0\n") { site in
            let push = try await site.push(["a": "1"])
            let again = CloudPush(repository: "acme/shop").branch("main", old: nil, new: push.commit)
            #expect(try await site.deliver(again).status == 200)
            let refused = try await site.daemon.send(again.delivery(secret: "wrong-secret-wrong"), to: "/hooks/acme")
            #expect(refused.status == 401)
            try await eventually("the refused one") { try await site.daemon.json("deliveries").array.count == 3 }
            let deliveries = try await site.daemon.json("deliveries").array
            #expect(deliveries.map { $0["id"].string } == ["3", "2", "1"])
            #expect(deliveries.map { $0["answer"].int } == [401, 200, 202])
            #expect(deliveries[0]["reason"].string?.contains("signature is wrong") == true && deliveries[0]["results"].array.isEmpty)
            #expect(deliveries[1]["duplicate_of"].string == "1")
            let first = try await site.daemon.json("delivery", "1")
            #expect(first == deliveries[2])
            #expect(first["account"] == "acme" && first["event"] == "repo:push" && first["remote_address"] == "127.0.0.1")
            #expect(first["results"].array.map { $0["app"].string } == ["blog", "shop"])
            #expect(first["results"][0]["reason"].string == "branch main does not match stage")
            #expect(first["results"][1]["job"].int == 1)
            let table = try await site.daemon.run("deliveries", "--limit", "2").output
            #expect(table.contains("signature is wrong") && table.contains("job 1 of shop") == false, "\(table)")
            let shown = try await site.daemon.run("delivery", "1").output
            #expect(shown.contains("branch main does not match stage") && shown.contains("queued"), "\(shown)")
            let missing = try await site.daemon.run("delivery", "77")
            #expect(missing.status == 5 && missing.error.contains("bittern deliveries lists them"), "\(missing)")
        }
    }

    @Test("the headers it came with are there, but nothing that proves who sends: those names only, and refused deliveries alike")
    func hiddenHeaders() async throws {
        try await withSite(config: "workers: 0\n") { site in
            let secrets = [
                "Authorization": "Basic c2VjcmV0LW9uZQ==", "Proxy-Authorization": "Bearer secret-two", "Cookie": "session=secret-three",
                "X-Gitlab-Token": "secret-four", "X-Api-Key": "secret-five", "X-Auth-Request-User": "secret-six",
                "X-Secret": "secret-seven",
                "X-Hub-Signature-256": "sha256=secret-eight", "X-Amz-Security-Token": "secret-nine",
            ]
            var delivery = try CloudPush(repository: "acme/shop").branch("main", new: sha("b")).delivery(secret: hookSecret)
            delivery.headers.merge(secrets) { $1 }
            delivery.headers["X-Forwarded-Proto"] = "https"
            var unsigned = delivery
            unsigned.headers["X-Hub-Signature"] = "sha256=\(sha("0"))"
            #expect(try await site.daemon.send(delivery, to: "/hooks/acme").status == 202)
            #expect(try await site.daemon.send(unsigned, to: "/hooks/acme").status == 401)
            try await eventually("the refused one") { try await site.daemon.json("deliveries").array.count == 2 }
            for (id, sent) in [("1", delivery), ("2", unsigned)] {
                let headers = try await site.daemon.json("delivery", id)["headers"].array.compactMap(\.string)
                for name in secrets.keys.map({ $0.lowercased() }) + ["x-hub-signature"] {
                    #expect(headers.contains("\(name): (hidden)"), "\(headers)")
                }
                for name in ["User-Agent", "X-Event-Key", "X-Request-UUID", "X-Hook-UUID", "X-Attempt-Number", "X-Forwarded-Proto"] {
                    #expect(headers.contains("\(name.lowercased()): \(sent.headers[name] ?? "")"), "\(name): \(headers)")
                }
                let shown = try await site.daemon.run("delivery", id).output
                #expect(shown.contains("\nHEADERS\n") && shown.contains("\n  user-agent: Bitbucket-Webhooks/2.0\n"), "\(shown)")
                for value in ["secret-", "c2VjcmV0", sent.headers["X-Hub-Signature"] ?? ""] {
                    #expect(!shown.contains(value) && !headers.joined().contains(value), "\(value): \(shown)")
                }
            }
            // Nor does the ledger have them: what is not kept cannot get out.
            try await site.daemon.terminate()
            for name in ["bittern.db", "bittern.db-wal"] where site.exists("state/\(name)") {
                let bytes = try Data(contentsOf: URL(filePath: site.daemon.setup.stateDirectory + "/" + name))
                for value in ["secret-two", "secret-three", "secret-nine", "c2VjcmV0"] { #expect(bytes.range(of: Data(value.utf8)) == nil) }
            }
        }
    }

    @Test("a header that is long or hostile comes out short and harmless, and many of them are bounded")
    func hostileHeaders() async throws {
        try await withSite(config: "workers: 0\n") { site in
            var delivery = try CloudPush(repository: "acme/shop").branch("main", new: sha("b")).delivery(secret: hookSecret)
            delivery.headers["X-Long"] = String(repeating: "y", count: 3000)
            delivery.headers["X-Marks"] = "a\u{202E}b\u{9B}2Jc\u{2066}"
            for number in 10..<40 { delivery.headers["X-Many-\(number)"] = String(repeating: "z", count: 290) }
            for (signature, status) in [(delivery.headers["X-Hub-Signature"], 202), (nil, 401)] {
                delivery.headers["X-Hub-Signature"] = signature
                #expect(try await site.daemon.send(delivery, to: "/hooks/acme").status == status)
            }
            try await eventually("the refused one") { try await site.daemon.json("deliveries").array.count == 2 }
            for id in ["1", "2"] {
                let headers = try await site.daemon.json("delivery", id)["headers"].array.compactMap(\.string)
                let shown = try await site.daemon.run("delivery", id).output
                #expect(headers.joined(separator: "\n").utf8.count < 5000 && headers.last == "(more is left out)", "\(headers)")
                #expect(headers.allSatisfy { $0.utf8.count < 450 }, "\(headers)")
                #expect(shown.unicodeScalars.allSatisfy { ![0x1B, 0x9B, 0x202E, 0x2066].contains($0.value) }, "\(shown)")
                let deliveries = try await site.daemon.run("deliveries").output
                #expect(deliveries.split(separator: "\n").count == 3, "\(deliveries)")
            }
            // Alone, so that none is left out.
            delivery.headers = delivery.headers.filter { !$0.key.hasPrefix("X-Many-") }
            _ = try await site.daemon.send(delivery.signed(with: hookSecret), to: "/hooks/acme")
            let headers = try await site.daemon.json("delivery", "3")["headers"].array.compactMap(\.string)
            #expect(headers.contains(#"x-marks: a\u202eb\x9b2Jc\u2066"#), "\(headers)")
            #expect(headers.contains { $0.hasPrefix("x-long: yyyy") && $0.hasSuffix("…") }, "\(headers)")
        }
    }
}
