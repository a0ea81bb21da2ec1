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

    @Test("the daemon does not take what it would not do: it still refuses the keys of the runner")
    func daemon() async throws {
        try await withTemporaryDirectory { directory in
            let main = try directory.write(
                "runner: systemd\naccounts:\n  acme: {kind: bitbucket-cloud, hook_secret: credential:hook}\n", to: "bittern.yaml")
            try directory.makeDirectory("apps.d")
            let result = try await Shell.run([try BitternBinary.path(), "check", main])
            #expect(result.status == 2)
            #expect(result.error.contains("`runner: systemd` is not supported yet"), "\(result)")
        }
    }
}
