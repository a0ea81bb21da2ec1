import Foundation
import RealParts
import Testing

/// A new server, as docs/move.md has it: the commands are taken from the page.
@Suite(.fewAtOnce) struct MoveTests {
    private static let config = "min_free: 1M\npublic_url: https://deploy.example.com\n"
    private static let app = "build: [\"cat a > made\"]\n"

    @Test("the page has five commands, and bittern knows those that are its own")
    func page() async throws {
        let commands = try Self.commands()
        #expect(commands.count == 5)
        let own = commands.filter { $0.hasPrefix("bittern ") }
        #expect(own == ["bittern backup /var/backups/bittern.db", "bittern deploy --all --wait", "bittern doctor"])
        #expect(commands.filter { $0.contains("/var/lib/bittern/bittern.db") }.count == 1)
    }

    @Test("five commands bring a new server to where the old one was")
    func move() async throws {
        try await withSite(app: Self.app, apps: ["blog": "branch: blog\n" + Self.app], config: Self.config) { old in
            let first = try await old.push(["a": "1"])
            _ = try await old.runToEnd(try first.job)
            let shop = try await old.push(["a": "2"])
            _ = try await old.runToEnd(try shop.job)
            #expect(try await old.deploy(["a": "3"], on: "blog").state == "succeeded")
            #expect(try await old.daemon.run("hold", "blog", "--reason", "a freeze").status == 0)
            let jobs = try await old.daemon.json("jobs")
            let clone = "clone_url: file://\(old.origin.bare)\n"
            try await withBittern(
                config: "accounts:\n  acme: {kind: bitbucket-cloud, hook_secret: credential:hook}\n" + Self.config,
                apps: [
                    "shop": Site.completed(clone + Self.app, "shop"), "blog": Site.completed("branch: blog\n" + clone + Self.app, "blog"),
                ],
                credentials: ["hook": hookSecret]
            ) { daemon in
                let new = Site(daemon: daemon, origin: old.origin)
                #expect(try await daemon.json("jobs").array.isEmpty)
                for command in try Self.commands() {
                    let server = command.hasPrefix("bittern backup ") ? old : new
                    try await Self.run(command, on: server, carrying: old.daemon.setup.path("bittern.db"))
                }

                #expect(try new.live("made") == "2" && new.live("made", of: "blog") == "3")
                #expect(try new.live("REVISION").hasPrefix(shop.commit))
                let known = try await daemon.json("jobs").array
                #expect(Array(known.dropFirst(2)) == jobs.array, "\(known)")
                #expect(known.prefix(2).allSatisfy { $0["cause"] == "manual" && $0["state"] == "succeeded" }, "\(known)")
                #expect(try await daemon.run("status").output.contains("blog (held)"))

                // What the old server had taken is known here, and what comes now is deployed.
                let push = CloudPush(repository: "acme/shop").branch("main", old: first.commit, new: shop.commit)
                let again = try await new.deliver(push)
                let reason = again.results.first { $0.app == "shop" }?.reason ?? ""
                let job = try shop.job
                #expect(again.status == 200 && reason.contains("already job \(job)"), "\(again)")
                #expect(try await new.deploy(["a": "4"]).state == "succeeded")
                #expect(try new.live("made") == "4")
                #expect(try await daemon.run("rollback", "shop", "--wait").status == 0)
                #expect(try new.live("made") == "2")
            }
        }
    }

    // Words.

    /// The commands of the page, those that go over several lines as one.
    private static func commands() throws -> [String] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = String(decoding: try Data(contentsOf: root.appending(path: "docs/move.md")), as: UTF8.self)
        let blocks = text.components(separatedBy: "```").enumerated().filter { !$0.offset.isMultiple(of: 2) }.map(\.element)
        return blocks.map { block in
            block.split(separator: "\n").dropFirst().map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
                .joined(separator: " ")
        }
    }

    /// Runs a command of the page, with the directories of the two daemons for those of the package.
    /// - Parameter carried: the copy of the ledger, on its way from one to the other.
    private static func run(_ command: String, on site: Site, carrying carried: String) async throws {
        func placed(_ word: String) -> String {
            if word == "/var/backups/bittern.db" { return carried }
            return word.replacing("/var/lib/bittern/", with: site.daemon.setup.stateDirectory + "/")
        }
        for part in command.components(separatedBy: " && ") {
            let words = part.split(separator: " ").map(String.init)
            switch words.first {
            case "bittern":
                let result = try await site.daemon.run(words.dropFirst().map(placed), within: .seconds(60))
                #expect(result.status == 0, "\(part): \(result)")
            case "systemctl" where words.dropFirst() == ["stop", "bittern.socket", "bittern-control.socket", "bittern"]:
                try await site.daemon.terminate()
            case "systemctl" where words.dropFirst() == ["enable", "--now", "bittern.socket", "bittern-control.socket", "bittern"]:
                try await site.daemon.start()
            case "install", "rm":
                // There is no user of that name here, and the tests may not be root.
                let own = part.replacing(" -o bittern -g bittern", with: "").split(separator: " ").map(String.init)
                try await Shell.check(own.map(placed))
            case "apt":
                // The new daemon was started before.
                #expect(words == ["apt", "install", "./bittern.deb"])
            default:
                Issue.record("docs/move.md has a command that is not tried here: \(part)")
            }
        }
    }
}
