import Foundation
import RealParts
import Testing

/// OAuth consumers, on both kinds of forge.
@Suite struct OAuthTests {
    private static let auth = "{oauth: {key: consumer-key, secret: credential:consumer}}"

    @Test("a consumer of Cloud deploys and reports by itself")
    func clientCredentials() async throws {
        try await withForge(.cloud, auth: Self.auth) { place in
            let push = try await place.push(["a": "1"])
            #expect(try await place.site.runToEnd(try push.job).state == "succeeded")
            #expect(try await place.eventualStates(of: push.commit, end: "SUCCESSFUL") == ["INPROGRESS", "SUCCESSFUL"])
            let grants = try await place.forge.tokens().compactMap { $0["grant"].string }
            #expect(grants == ["client_credentials"], "one token for git and REST")
            try await place.expectNoComplaints()
        }
    }

    @Test("somebody logs in, and each refresh token is used once", arguments: FakeBitbucket.Kind.allCases)
    func login(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, auth: Self.auth) { place in
            let login = try await Login(place)
            let callback = try await login.allow()
            #expect(callback.status == 200 && callback.text == "You are logged in; this page may be closed.\n", "\(callback)")
            #expect(try await login.process.waitForExit() == 0)
            #expect(login.output.contains("account acme is logged in"))

            let push = try await place.push(["a": "1"])
            #expect(try await place.site.runToEnd(try push.job).state == "succeeded")
            _ = try await place.eventualStates(of: push.commit, end: "SUCCESSFUL")

            // A daemon that is started anew has no access token any more.
            for number in 2...3 {
                try await place.daemon.restart()
                let push = try await place.push(["a": "\(number)"])
                #expect(try await place.site.runToEnd(try push.job).state == "succeeded")
                _ = try await place.eventualStates(of: push.commit, end: "SUCCESSFUL")
            }
            let grants = try await place.forge.tokens().compactMap { $0["grant"].string }
            // Before the login it may have looked for missed pushes as itself.
            let since = grants.drop { $0 != "authorization_code" }.dropFirst()
            #expect(since.count >= 2 && Set(since) == ["refresh_token"], "\(grants)")
            try await place.expectNoComplaints()

            // What lies on the disk is of no use to who finds it.
            let file = place.daemon.setup.path("state/tokens/acme")
            #expect(try await Shell.check(["stat", "-c", "%a", file]).output == "600\n")
            let text = try place.site.read("state/tokens/acme")
            for token in try await place.forge.tokens() {
                for secret in token.texts where secret.utf8.count > 15 {
                    #expect(!text.contains(secret))
                    #expect(!place.daemon.standardError.contains(secret))
                }
            }
        }
    }

    @Test("an access token that is over is replaced", arguments: FakeBitbucket.Kind.allCases)
    func expiry(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, auth: Self.auth) { place in
            try await place.forge.setOAuth(expiresIn: 61)
            _ = try await Login(place).allow()
            try await place.pushSilently(["a": "1"])
            // Within its last minute it is not shown any more.
            try await eventually("a second refresh") {
                #expect(try await place.daemon.run("account", "test", "acme").status == 0)
                return try await place.forge.tokens().count { $0["grant"].string == "refresh_token" } >= 2
            }
        }
    }

    @Test("a login that the forge refuses, or nobody began, is said to have failed", arguments: FakeBitbucket.Kind.allCases)
    func refused(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, auth: Self.auth) { place in
            #expect(try await place.daemon.send(method: "GET", path: "/oauth/callback?code=x&state=y").status == 404)
            try await place.forge.setOAuth(denies: true)
            let login = try await Login(place)
            // The page is there now, but not for everybody.
            #expect(try await place.daemon.send(method: "GET", path: "/oauth/callback?code=x&state=made-up").status == 400)
            let callback = try await login.allow()
            #expect(callback.status == 400 && callback.text.contains("The login failed"), "\(callback)")
            #expect(try await login.process.waitForExit() == 1)
            #expect(login.errors.contains("access_denied"), "\(login.errors)")
            #expect(try await place.daemon.send(method: "GET", path: "/oauth/callback?code=x&state=y").status == 404)
        }
    }

    @Test("a login that somebody waits for does not keep the daemon from stopping")
    func stop() async throws {
        try await withForge(.cloud, auth: Self.auth) { place in
            for _ in 0..<10 {
                let login = try await Login(place)
                try await place.daemon.terminate()
                if try await login.process.waitForExit() == 1 {
                    return #expect(login.errors.contains("the daemon stops"), "\(login.errors)")
                }
                // It told the address, and had not begun to wait yet.
                #expect(login.errors.contains("the daemon stopped answering"), "\(login.errors)")
                try await place.daemon.start()
            }
            Issue.record("no login ever waited")
        }
    }

    @Test("a forge that hangs does not keep the daemon from stopping", arguments: ["/branches", "oauth2/access_token"])
    func stopWhileAsking(path: String) async throws {
        try await withForge(.cloud, auth: Self.auth) { place in
            try await place.forge.fault(["hang": true], path: path)
            if path == "/branches" {
                // Something must have been asked that hangs.
                _ = try await place.daemon.run("account", "repositories", "acme")
                try await place.forge.forgetRequests()
            } else {
                try await place.daemon.terminate()
                try await place.forge.forgetRequests()
                try await place.daemon.start()
            }
            let asking = Task { try await place.daemon.run("account", "branches", "acme", "acme/shop") }
            try await eventually("the request that hangs") { try await place.forge.requests().contains { $0.path.contains(path) } }
            try await place.daemon.terminate(within: .seconds(10))
            #expect(try await asking.value.status != 0)
        }
    }

    @Test("what an OAuth consumer may do, deploy and simulate may")
    func deploy() async throws {
        try await withForge(.cloud, auth: Self.auth) { place in
            try await place.pushSilently(["a": "1"])
            let deploy = try await place.daemon.run("deploy", "shop", "--wait")
            #expect(deploy.status == 0, "\(deploy)")
            #expect(try await place.daemon.run("simulate", "push", "shop").status == 0)
        }
    }

    @Test("a token that is taken back before its time is replaced", arguments: FakeBitbucket.Kind.allCases)
    func takenBack(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, auth: Self.auth) { place in
            _ = try await Login(place).allow()
            try await place.pushSilently(["a": "1"])
            #expect(try await place.daemon.run("account", "test", "acme").status == 0)
            try await place.forge.fault(["status": 401, "headers": [:], "body": "{}"], path: "/branches", times: 1)
            let branches = try await place.daemon.run("account", "branches", "acme", kind.repository)
            #expect(branches.status == 0, "\(branches)")
        }
    }

    @Test("a refresh token that the forge no longer takes asks for a new login", arguments: FakeBitbucket.Kind.allCases)
    func dead(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, auth: Self.auth) { place in
            let login = try await Login(place)
            _ = try await login.allow()
            try await login.process.waitForExit()
            try await place.daemon.terminate()
            // Somebody else used it: a copy of the state directory, say.
            let stolen = try place.site.read("state/tokens/acme")
            try await place.daemon.start()
            _ = try await place.daemon.run("account", "repositories", "acme")
            try await place.daemon.terminate()
            try Data(stolen.utf8).write(to: URL(filePath: place.daemon.setup.path("state/tokens/acme")))
            try await place.daemon.start()
            let push = try await place.push(["a": "1"])
            let job = try await place.site.runToEnd(try push.job)
            #expect(job.state == "failed" && job.reason.contains("bittern account login acme"), "\(job)")
        }
    }

    @Test("an account without a consumer cannot log in")
    func noConsumer() async throws {
        try await withForge(.cloud) { place in
            let result = try await place.daemon.run("account", "login", "acme")
            #expect(result.status == 1 && result.error.contains("has no OAuth consumer"), "\(result)")
        }
    }
}

extension JSONValue {
    /// All texts in it.
    fileprivate var texts: [String] {
        switch self {
        case .string(let text): [text]
        case .array(let values): values.flatMap(\.texts)
        case .object(let members): members.filter { $0.key.contains("token") || $0.key.contains("refresh") }.values.flatMap(\.texts)
        default: []
        }
    }
}

/// `bittern account login` under way, and the browser of whoever began it.
private struct Login {
    let process: RunningProcess
    private let place: ForgeSite
    private let address: String

    init(_ place: ForgeSite) async throws {
        self.place = place
        let (out, err) = (place.daemon.setup.path("login.out"), place.daemon.setup.path("login.err"))
        process = try await RunningProcess.start(
            [try BitternBinary.path(), "account", "login", "acme"], environment: ["BITTERN_SOCKET": place.daemon.setup.controlSocket],
            output: out, error: err)
        let site = place.site
        address = try await eventualValue("the address of the login", within: .seconds(20)) {
            site.lines("login.err").map { $0.trimmingCharacters(in: .whitespaces) }.first { $0.hasPrefix("https://") }
        }
    }

    var output: String { place.site.lines("login.out").joined(separator: "\n") }
    var errors: String { place.site.lines("login.err").joined(separator: "\n") }

    /// Opens the address, says yes there, and follows the forge back to the daemon.
    func allow() async throws -> Answer {
        let proxy = place.kind == .cloud ? ["--proxy", place.forge.proxy] : []
        let back = try await Shell.check(
            ["curl", "--silent", "--show-error", "--cacert", place.forge.caFile, "--output", "/dev/null", "--write-out", "%{redirect_url}"]
                + ["--user-agent", "bittern/browser", address] + proxy
        ).output
        let callback = "https://deploy.example.com"
        guard back.hasPrefix(callback + "/oauth/callback?") else { throw UnexpectedRedirect(address: address, back: back) }
        return try await place.daemon.send(method: "GET", path: String(back.dropFirst(callback.count)))
    }
}

private struct UnexpectedRedirect: Error {
    let address: String
    let back: String
}
