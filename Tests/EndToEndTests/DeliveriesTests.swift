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
}
