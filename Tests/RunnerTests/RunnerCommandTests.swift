import RealParts
import Testing

/// `bittern runner` without a service manager; with one it is tested in Tests/systemd.
@Suite struct RunnerCommandTests {
    @Test("--list names what would be run, with the hash by which the daemon has to know it, and needs no secret for that")
    func list() async throws {
        try await withTemporaryDirectory { directory in
            let main = try directory.write(
                "runner: systemd\nrunner_roots: [/srv]\naccounts:\n  acme: {kind: bitbucket-cloud, hook_secret: credential:hook}\n",
                to: "bittern.yaml")
            let app = "account: acme\nrepository: acme/shop\nbranch: main\nroot: /srv/shop\nuser: shop\nlimits: {memory: 1G}\n"
            try directory.write(app, to: "apps.d/shop.yaml")
            func listed() async throws -> [Substring] {
                let result = try await Shell.check([try BitternBinary.path(), "runner", "--list", "--config", main])
                return result.output.split(separator: " ")
            }
            let before = try await listed()
            #expect(before.prefix(3) == ["shop", "shop", "/srv/shop"])
            #expect(before.last?.count == 65)
            try directory.write(app.replacing("1G", with: "2G"), to: "apps.d/shop.yaml")
            let after = try await listed()
            #expect(after.prefix(3) == before.prefix(3) && after.last != before.last)
        }
    }

    @Test("started by hand it says who starts it")
    func byHand() async throws {
        let result = try await Shell.run([try BitternBinary.path(), "runner", "--user", "nobody"])
        #expect(result.status == 1)
        #expect(result.error.contains("bittern-runner."), "\(result)")
    }

    @Test("the secrets of apps are the runner's: whoever checks for the daemon is content with the names of their sources")
    func secrets() async throws {
        try await withTemporaryDirectory { directory in
            let secret = try directory.write("0123456789abcdef0123\n", to: "hook")
            try await Shell.check(["chmod", "600", secret])
            let accounts = "accounts:\n  acme: {kind: bitbucket-cloud, hook_secret: \"file:\(secret)\"}\n"
            let app =
                "account: acme\nrepository: acme/shop\nbranch: main\nroot: /srv/shop\nsecrets: {DB: credential:shop-db, KEY: file:/gone}\n"
            func check(_ runner: String, _ more: String) async throws -> ShellResult {
                let main = try directory.write("runner: \(runner)\n" + accounts, to: "bittern.yaml")
                try directory.write(app + more, to: "apps.d/shop.yaml")
                return try await Shell.run([try BitternBinary.path(), "check", main])
            }
            let fine = try await check("systemd", "user: shop\n")
            #expect(fine.status == 0, "\(fine)")
            let child = try await check("child", "")
            #expect(child.status == 2 && child.error.contains("/gone does not exist"), "\(child)")
            let nobody = try await check("systemd", "")
            #expect(nobody.status == 2 && nobody.error.contains("`user` is missing"), "\(nobody)")
            let elsewhere = try await check("systemd\nrunner_roots: [/opt, /srv/shop]", "user: shop\n")
            #expect(elsewhere.error.contains("`root` must lie below one of `runner_roots`: `/opt`, `/srv/shop`"), "\(elsewhere)")
            let idle = try await check("child", "user: shop\nlimits: {memory: 1G}\n")
            #expect(idle.error.contains("`limits` has no effect with `runner: child`"), "\(idle)")
        }
    }
}
