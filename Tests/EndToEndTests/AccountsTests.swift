import Foundation
import RealParts
import Testing

/// `bittern accounts`: what is configured, the addresses to paste, and whether the hooks' secrets are in use.
@Suite(.fewAtOnce) struct AccountsTests {
    private static let secrets = [
        "hook": hookSecret, "new": "0123456789abcdef-new", "own": "a-hook-of-its-own-0123456789", "token": "a-token-nobody-may-see",
        "password": "a-password-nobody-may-see",
    ]

    private static let config = """
        workers: 0
        accounts:
          acme: {kind: bitbucket-cloud, hook_secret: [credential:new, credential:hook], auth: {api_token: credential:token, email: ci@acme.example}}
          bare: {kind: bitbucket-cloud, hook_secret: credential:hook}
          dc:
            kind: bitbucket-datacenter
            url: https://git.example.com/bitbucket
            ssh_url: ssh://git@git.example.com:7999
            hook_secret: credential:hook
            auth: {access_token: credential:token, ssh_key: credential:password}
          old: {kind: bitbucket-cloud, hook_secret: credential:hook, auth: {app_password: credential:password, username: ada}}

        """

    private func withAccounts(_ more: String = "", _ body: (BitternDaemon) async throws -> Void) async throws {
        let apps = ["shop": "", "own": "hook_secret: credential:own\n"].reduce(into: [:]) { $0[$1.key] = Site.completed($1.value, $1.key) }
        try await withBittern(config: Self.config + more, apps: apps, credentials: Self.secrets, body)
    }

    @Test("each hook has the address to paste, an own one beside the account's; a path alone where no public_url is configured")
    func addresses() async throws {
        let base = "https://deploy.example.com/hooks-of-ours"
        for (more, base) in [("", ""), ("public_url: \(base)\n", base), ("public_url: \(base)/\n", base)] {
            try await withAccounts(more) { daemon in
                let accounts = try await daemon.json("accounts").array
                #expect(accounts.map { $0["account"] } == ["acme", "bare", "dc", "old"])
                let hooks = accounts.map { $0["hooks"].array.compactMap { $0["address"].string } }
                #expect(
                    hooks == [
                        ["\(base)/hooks/acme", "\(base)/hooks/acme/own"], ["\(base)/hooks/bare"], ["\(base)/hooks/dc"],
                        ["\(base)/hooks/old"],
                    ])
                #expect(accounts[0]["hooks"].array.map { $0["app"].string } == [nil, "own"])
                #expect(accounts.map { $0["apps"] } == [["own", "shop"], [], [], []])
                let table = try await daemon.run("accounts").output
                #expect(table.contains("  \(base)/hooks/acme  ") && table.contains("  \(base)/hooks/acme/own (own alone)  "), "\(table)")
            }
        }
    }

    @Test("credentials are named by their kind, and no secret is shown anywhere")
    func credentials() async throws {
        try await withAccounts { daemon in
            let accounts = try await daemon.json("accounts").array
            #expect(
                accounts.map { $0["credentials"] } == [
                    ["API token of ci@acme.example"], [], ["access token", "ssh key"], ["app password of ada"],
                ])
            #expect(accounts.map { $0["kind"] } == ["bitbucket-cloud", "bitbucket-cloud", "bitbucket-datacenter", "bitbucket-cloud"])
            let table = try await daemon.run("accounts").output
            for text in ["API token of ci@acme.example", "access token, ssh key", "app password of ada"] { #expect(table.contains(text)) }
            let lines = table.split(separator: "\n")
            #expect(
                lines.count == 6
                    && lines[3].split(separator: " ", omittingEmptySubsequences: true).prefix(3) == ["bare", "bitbucket-cloud", "none"])
            for secret in Self.secrets.values {
                #expect(!table.contains(secret) && !"\(accounts)".contains(secret))
            }
        }
    }

    @Test("it says when each hook last had a delivery that was proved; a refused one does not count, nor one at another hook")
    func lastProved() async throws {
        try await withAccounts { daemon in
            let before = try await daemon.json("accounts").array
            #expect(before.flatMap { $0["hooks"].array }.allSatisfy { $0["last_verified"].isNull })
            #expect(try await daemon.run("accounts").output.contains("never"))
            let push = CloudPush(repository: "acme/shop").branch("main", new: sha("b"))
            #expect(try await daemon.send(push.delivery(secret: "wrong-secret-wrong"), to: "/hooks/acme").status == 401)
            let own = try #require(Self.secrets["own"])
            #expect(try await daemon.send(push.delivery(secret: own), to: "/hooks/acme/own").status == 202)
            try await eventually("the refused one") { try await daemon.json("deliveries").array.count == 2 }
            let received = try #require(try await daemon.json("deliveries").array.first { $0["answer"] == 202 })["received_at"]
            let hooks = try await daemon.json("accounts")[0]["hooks"].array
            #expect(hooks.map { $0["last_verified"] } == [nil, received])
            #expect(hooks.map { $0["secrets"].array.map { $0["last_verified"] } } == [[nil, nil], [received]])
        }
    }

    @Test("while a secret is being rotated it says which of the two proved last, and after a restart at least when one did")
    func rotation() async throws {
        try await withAccounts { daemon in
            func proved() async throws -> [Bool] {
                try await daemon.json("accounts")[0]["hooks"][0]["secrets"].array.map { !$0["last_verified"].isNull }
            }
            for (number, (name, both)) in [("hook", [false, true]), ("new", [true, true])].enumerated() {
                let secret = try #require(Self.secrets[name])
                let push = CloudPush(repository: "acme/shop").branch("b\(number)", new: sha("b"))
                #expect(try await daemon.send(push.delivery(secret: secret), to: "/hooks/acme").status == 200)
                #expect(try await proved() == both)
                let table = try await daemon.run("accounts").output
                #expect(table.contains("secret 1 not since the configuration was read, secret 2 2") == (number == 0), "\(table)")
            }
            let last = try await daemon.json("accounts")[0]["hooks"][0]["last_verified"]
            try await daemon.restart()
            #expect(try await proved() == [false, false])
            #expect(try await daemon.json("accounts")[0]["hooks"][0]["last_verified"] == last)
            let lines = try await daemon.run("accounts").output.split(separator: "\n")
            #expect(lines[1].hasSuffix(", before the configuration was read") && lines[1].contains("  20"), "\(lines)")
        }
    }

    @Test("without a daemon it exits with 4")
    func noDaemon() async throws {
        let result = try await Shell.run([try BitternBinary.path(), "accounts", "--socket", "/nonexistent/control.sock"])
        #expect(result.status == 4 && result.error.contains("systemctl start bittern"), "\(result)")
    }
}
