import Foundation
import RealParts
import Testing

/// Who may read and act over the control socket, and how what they did is noted. It takes a second user, whom only root can become.
@Suite(.fewAtOnce, .enabled("the tests do not run as root, or nobody else may run bittern") { try await Somebody.isThere() })
struct AccessTests {
    @Test("whoever is not in the socket's group is told so, and gets neither to read nor to act")
    func outside() async throws {
        try await withSite { site in
            try site.letThrough()
            for arguments in [["status"], ["jobs", "--json"], ["deploy", "shop"], ["reload"], ["backup", "-"]] {
                let result = try await site.somebody(arguments)
                #expect(result.status == 1 && result.output.isEmpty, "\(arguments): \(result)")
                let sentence = "bittern: you may not use \(site.daemon.setup.controlSocket); its group may (sudo, or become a member)\n"
                #expect(result.error == sentence, "\(arguments)")
            }
            #expect(try await site.daemon.json("jobs").array.isEmpty)
        }
    }

    @Test("in the group but no operator: everything may be read")
    func reading() async throws {
        try await withSite(app: "operators: [root]\n", config: "min_free: 1M\n") { site in
            try await site.openToSomebody()
            _ = try await site.deploy(["a": "1"])
            let commands = [
                ["status"], ["apps"], ["releases", "shop"], ["accounts"], ["jobs"], ["show", "1"], ["log", "1"], ["deliveries"],
                ["delivery", "1"], ["explain", "1"], ["doctor"], ["metrics"],
            ]
            for arguments in commands {
                let result = try await site.somebody(arguments)
                #expect(result.status == 0 && !result.output.isEmpty && result.error.isEmpty, "\(arguments): \(result)")
            }
        }
    }

    @Test("in the group but no operator: whatever would change something is refused with who may do it, and nothing comes of it")
    func refused() async throws {
        let app = "operators: [root, daemon]\nbuild: ['\(Site.gate("g"))']\n"
        try await withSite(app: app) { site in
            try await site.openToSomebody()
            let job = try await site.push(["a": "1"]).job
            try await site.reached("g")
            let commands = [
                ["deploy", "shop"], ["deploy", "--all"], ["rollback", "shop"], ["cancel", "\(job)"], ["retry", "\(job)"], ["hold", "shop"],
                ["resume", "shop"], ["replay", "1"], ["simulate", "push", "shop"], ["cache", "clear", "shop"],
            ]
            for arguments in commands {
                let result = try await site.somebody(arguments)
                #expect(result.status == 1 && result.output.isEmpty, "\(arguments): \(result)")
                let groups = "they are the groups root, daemon"
                let sentence = "bittern: nobody is none of the operators of shop (\(groups)); ask one of them, or become a member\n"
                #expect(result.error == sentence, "\(arguments): \(result)")
            }
            try site.open("g")
            #expect(try await site.runToEnd(job).state == "succeeded")
            #expect(try await site.daemon.json("jobs").array.count == 1)
            #expect(try await site.daemon.json("deliveries").array.count == 1)
            #expect(try await site.daemon.json("status")["apps"][0]["held"] == false)
        }
    }

    @Test("an operator may do it all, and each job and hold says who asked for it")
    func operators() async throws {
        try await withSite(app: "operators: [daemon, \(Somebody.group)]\n", apps: ["closed": "operators: [root]\n"]) { site in
            try await site.openToSomebody()
            for text in ["1", "2"] {
                for job in try await site.push(["a": text]).answer.results.compactMap(\.job) { _ = try await site.runToEnd(job) }
            }
            let asked = [
                (["deploy", "shop", "--wait"], "manual"), (["rollback", "shop", "--wait"], "rollback"),
                (["retry", "4", "--wait"], "retry"),
            ]
            for (arguments, cause) in asked {
                let result = try await site.somebody(arguments)
                #expect(result.status == 0, "\(arguments): \(result)")
                let job = try #require(try await site.daemon.json("jobs", "--limit", "1").array.first)
                #expect(job["cause"].string == cause && job["by"].string == Somebody.user && job["app"] == "shop", "\(job)")
                let shown = try await site.daemon.run("show", "\(job["id"].int ?? 0)").output
                #expect(shown.contains(" \(cause) by nobody\n"), "\(shown)")
            }
            // What somebody may not do is left out.
            let all = try JSONValue(parsing: try await site.somebody(["deploy", "--all", "--json"]).output).array
            #expect(all.map { $0["app"] } == ["shop"] && all.map { $0["by"].string } == [Somebody.user], "\(all)")
            for job in all { _ = try await site.runToEnd(try #require(job["id"].int)) }
            #expect(try await site.somebody(["cache", "clear", "shop"]).status == 0)
            let replay = try await site.somebody(["replay", "1"])
            #expect(replay.status == 1 && replay.error.contains("none of the operators of closed (they are the group root)"), "\(replay)")
        }
    }

    @Test("a push that is simulated for one app and heard by another takes the operators of both")
    func simulatedForAnother() async throws {
        try await withSite(app: "operators: [\(Somebody.group)]\n", apps: ["closed": "operators: [root]\n"], config: "workers: 0\n") {
            site in
            try await site.openToSomebody()
            try await site.origin.commit(files: ["a": "1"])
            let result = try await site.somebody(["simulate", "push", "shop"])
            #expect(result.status == 1 && result.error.contains("none of the operators of closed"), "\(result)")
            #expect(try await site.daemon.json("deliveries") == [])
        }
    }

    @Test("a hold, its end and a cancelled job say who")
    func who() async throws {
        try await withSite(app: "operators: [\(Somebody.group)]\n") { site in
            try await site.openToSomebody()
            #expect(try await site.somebody(["hold", "shop", "--reason", "a freeze"]).status == 0)
            #expect(try await site.daemon.json("status")["apps"][0]["hold"]["by"].string == Somebody.user)
            #expect(
                try await site.daemon.run("status").output.contains("shop is held by nobody: a freeze\n  bittern resume shop lets it go"))
            let job = try await site.push(["a": "1"]).job
            #expect(try await site.somebody(["cancel", "\(job)"]).status == 0)
            #expect(try await site.runToEnd(job).reason == "cancelled by nobody while it was queued")
            #expect(try await site.somebody(["resume", "shop"]).status == 0)
            #expect(site.daemon.standardError.contains("shop is no longer held: nobody resumed it"))
            #expect(try await site.somebody(["replay", "1"]).status == 0)
            let replayed = try await site.runToEnd(job + 1)
            #expect(replayed.state == "succeeded" && replayed.json["by"].string == Somebody.user, "\(replayed)")
        }
    }

    @Test("without operators whoever may open the socket may act; with none listed nobody but root may")
    func whoever() async throws {
        try await withSite(apps: ["closed": "operators: []\n"]) { site in
            try await site.openToSomebody()
            _ = try await site.origin.commit(files: ["a": "1"])
            #expect(try await site.somebody(["deploy", "shop", "--wait"]).status == 0)
            let refused = try await site.somebody(["deploy", "closed"])
            #expect(refused.status == 1 && refused.error.contains("none of the operators of closed (there are none)"), "\(refused)")
            let root = try await site.daemon.run("deploy", "closed", "--wait")
            #expect(root.status == 0, "\(root)")
            #expect(try await site.daemon.job(2).json["by"] == "root")
        }
    }

    @Test("what an app that is no longer configured left is root's")
    func removed() async throws {
        try await withSite(apps: ["blog": "branch: blog\n"], config: "workers: 0\n") { site in
            try await site.openToSomebody()
            let job = try await site.push(["a": "1"], on: "blog").job
            try FileManager.default.removeItem(atPath: site.daemon.setup.path("apps.d/blog.yaml"))
            #expect(try await site.daemon.run("reload").status == 0)
            #expect(try await site.daemon.job(job).state == "failed")
            let refused = try await site.somebody(["cancel", "\(job)"])
            #expect(refused.status == 1 && refused.error.contains("blog is no longer configured; only root can do that"), "\(refused)")
        }
    }
}

/// Someone who is not root and in one group alone.
private enum Somebody {
    static let user = "nobody"
    static let group = "nogroup"
    static let command = ["setpriv", "--reuid=\(user)", "--regid=\(group)", "--clear-groups", "--"]

    static func isThere() async throws -> Bool {
        try await Shell.run(command + [try BitternBinary.path(), "--version"], in: "/").status == 0
    }
}

extension Site {
    /// Runs bittern as somebody.
    fileprivate func somebody(_ arguments: [String]) async throws -> ShellResult {
        let environment = ["BITTERN_SOCKET": daemon.setup.controlSocket]
        return try await Shell.run(Somebody.command + [try BitternBinary.path()] + arguments, in: "/", environment: environment)
    }

    /// Lets everybody reach the socket, which still admits its owner and group alone.
    fileprivate func letThrough() throws {
        try FileManager.default.setAttributes([.posixPermissions: 0o711], ofItemAtPath: daemon.setup.directory)
    }

    /// Makes somebody's group the socket's.
    fileprivate func openToSomebody() async throws {
        try letThrough()
        try await Shell.check(["chgrp", Somebody.group, daemon.setup.controlSocket])
    }
}
