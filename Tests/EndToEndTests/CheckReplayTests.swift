import Foundation
import RealParts
import Testing

/// `bittern check FILE --replay TIME`: what another configuration would have made of the deliveries that came.
@Suite(.fewAtOnce) struct CheckReplayTests {
    /// Delivery 1 is of main, 2 of develop, 3 of a repository without an app, 4 repeats 1, 5 was refused.
    private func withDeliveries(_ body: (Site) async throws -> Void) async throws {
        let apps = ["gone": "", "steady": "branches: [\"**\"]\n", "live": "branch: live\n"]
        try await withSite(apps: apps, config: "workers: 0\n") { site in
            for push in [("acme/shop", "main"), ("acme/shop", "develop"), ("acme/blog", "main"), ("acme/shop", "main")] {
                _ = try await site.deliver(CloudPush(repository: push.0).branch(push.1, new: sha("b")))
            }
            #expect(try await site.refused() == "5")
            try await body(site)
        }
    }

    private let other = [
        "shop": "branch: develop\n", "steady": "branches: [\"*\"]\n", "live": "branches: [live, old]\n", "new": "",
        "blog": "repository: acme/blog\n",
    ]

    @Test("exactly those are listed that would be decided otherwise: matched now, no longer matched, of an app that is gone or new")
    func differences() async throws {
        try await withDeliveries { site in
            let file = try site.otherConfiguration(apps: other)
            let changes = try await site.daemon.json("check", file, "--replay", "30d")
            let mismatch: JSONValue = "branch main does not match develop"
            func change(_ delivery: JSONValue, _ app: JSONValue, _ ref: JSONValue, _ then: JSONValue, _ now: JSONValue, _ reason: JSONValue)
                -> JSONValue
            {
                ["delivery": delivery, "app": app, "ref": ref, "then": then, "now": now, "reason": reason]
            }
            let main: JSONValue = "refs/heads/main"
            #expect(
                changes == [
                    // What repeats another delivery was matched as that one was.
                    change("4", "gone", main, "deploy", "no such app", nil), change("4", "new", main, "no such app", "deploy", nil),
                    change("4", "shop", main, "deploy", "ignore", mismatch),
                    change("3", "blog", main, "no such app", "deploy", nil),
                    change("2", "shop", "refs/heads/develop", "ignore", "deploy", nil),
                    change("1", "gone", main, "deploy", "no such app", nil), change("1", "new", main, "no such app", "deploy", nil),
                    change("1", "shop", main, "deploy", "ignore", mismatch),
                ])
            let table = try await site.daemon.run("check", file, "--replay", "30d")
            #expect(table.status == 0 && table.error.isEmpty, "\(table)")
            let lines = table.output.split(separator: "\n").filter { !$0.hasPrefix("not checked: ") }
            #expect(lines.first?.split(separator: " ", omittingEmptySubsequences: true).first == "DELIVERY")
            #expect(lines.count == 9 && lines[3].hasSuffix("deploy       ignore: branch main does not match develop"), "\(table)")
        }
    }

    @Test("where none would be decided otherwise it says how many were compared, and the JSON is empty")
    func same() async throws {
        try await withDeliveries { site in
            let result = try await site.daemon.run(
                "check", site.daemon.setup.configurationFile, "--replay", "30d",
                environment: ["CREDENTIALS_DIRECTORY": site.daemon.setup.credentialsDirectory])
            #expect(result.status == 0 && result.output == "4 deliveries compared: each would get the verdict it got.\n", "\(result)")
            #expect(try await site.daemon.json("check", site.daemon.setup.configurationFile, "--replay", "30d") == [])
        }
    }

    @Test("the daemon's jobs, deliveries and configuration are the same as before")
    func changesNothing() async throws {
        try await withDeliveries { site in
            let before = try await [site.daemon.json("jobs"), site.daemon.json("deliveries"), site.daemon.json("apps")]
            _ = try await site.daemon.json("check", try site.otherConfiguration(apps: other), "--replay", "30d")
            #expect(try await [site.daemon.json("jobs"), site.daemon.json("deliveries"), site.daemon.json("apps")] == before)
        }
    }

    @Test("an app's own hook counts: what came to the account's hook is no longer its own")
    func ownHook() async throws {
        try await withSite(config: "workers: 0\n") { site in
            try await site.push(["a": "1"])
            let file = try site.otherConfiguration(apps: ["shop": "hook_secret: credential:own\n"])
            let changes = try await site.daemon.json("check", file, "--replay", "30d").array
            #expect(changes.map { $0["now"] } == ["ignore"])
            #expect(changes.first?["reason"] == "shop hears only /hooks/acme/shop")
        }
    }

    @Test("what is no time exits with 2 and says what could be written", arguments: ["soon", "30", "-1d", "30 d", "1w"])
    func badTime(text: String) async throws {
        try await withDoor { daemon in
            let result = try await daemon.run("check", daemon.setup.configurationFile, "--replay=\(text)")
            #expect(result.status == 2 && result.output.isEmpty, "\(result)")
            #expect(result.error == "bittern: \"\(text)\" is no time; write 12h or 30d\n", "\(result)")
        }
    }

    @Test("a file with problems exits with 2 and compares nothing")
    func brokenFile() async throws {
        try await withSite { site in
            let file = try site.otherConfiguration(apps: ["shop": "branhc: main\n"])
            let result = try await site.daemon.run("check", file, "--replay", "30d")
            #expect(result.status == 2 && !result.output.contains("compared") && result.error.contains("branhc"), "\(result)")
        }
    }

    @Test("without a daemon there are no deliveries to compare with, and it exits with 4")
    func noDaemon() async throws {
        try await withSite { site in
            let file = site.daemon.setup.configurationFile
            let result = try await site.daemon.run("check", file, "--replay", "30d", "--socket", "/nonexistent/control.sock")
            #expect(result.status == 4 && result.error.contains("systemctl start bittern"), "\(result)")
            // The file alone needs none.
            #expect(try await site.daemon.run("check", file, "--socket", "/nonexistent/control.sock").status == 0)
        }
    }
}
