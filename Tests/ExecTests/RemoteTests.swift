import Domain
import Exec
import Foundation
import RealParts
import Testing

/// Fetches from real servers, with credentials.
@Suite struct RemoteTests {
    private static let password = "s3cret-password"

    @Test("a password opens the account's own server, and stands nowhere afterwards")
    func password() async throws {
        try await withForge { site, host, commit in
            site.account = account(host)
            let job = try site.job(commit)
            #expect(try await site.run(["fetch", "checkout"], of: job) == .succeeded)
            #expect(try await host.requests().contains { $0.user == "ci" && $0.status == 200 })
            #expect(try site.file("index", of: job) == "1")
            try await expectNowhere(site)
        }
    }

    @Test("a wrong password is refused at once, the account is named, and it stands nowhere afterwards")
    func wrongPassword() async throws {
        try await withForge(password: "another-password") { site, host, commit in
            site.account = account(host)
            let outcome = try await site.run("fetch", of: site.job(commit))
            let reason = "127.0.0.1:\(host.port) refused the credentials of account acme; check its auth"
            #expect(outcome == .failed(reason: reason))
            #expect(try !site.log("fetch", of: site.job(commit)).contains("trying again"))
            try await expectNowhere(site)
        }
    }

    @Test("an access token opens a server that wants one")
    func token() async throws {
        try await withForge(password: "unused", token: Self.password) { site, host, commit in
            site.account = account(host)
            site.account.rest = .accessToken(Secret(Self.password))
            #expect(try await site.run("fetch", of: site.job(commit)).isThere)
            try await expectNowhere(site)
        }
    }

    @Test("a server whose certificate nobody vouches for is refused")
    func certificate() async throws {
        try await withForge { site, host, commit in
            site.account = account(host)
            site.account.certificateAuthority = nil
            let outcome = try await site.run("fetch", of: site.job(commit))
            guard case .failed(let reason) = outcome else { return #expect(outcome == .failed(reason: "")) }
            #expect(reason.contains("certificate"))
            #expect(try await host.requests().isEmpty)
        }
    }

    @Test("a repository the server does not have fails at once and names it")
    func noRepository() async throws {
        try await withForge { site, host, commit in
            site.account = account(host)
            site.app.cloneURL = host.url(for: "acme/none")
            let outcome = try await site.run("fetch", of: site.job(commit))
            #expect(
                outcome
                    == .failed(
                        reason:
                            "there is no such repository, or account acme may not see it: repository '\(host.url(for: "acme/none"))/' not found"
                    ))
        }
    }

    @Test("a clone address at another server gets no credential, though that server asks for one")
    func otherServer() async throws {
        try await withForge { site, own, commit in
            site.account = account(own)
            let other = try Eavesdropper()
            defer { other.end() }
            site.app.cloneURL = "http://127.0.0.1:\(other.port)/scm/acme/shop.git"
            let outcome = try await site.run("fetch", of: site.job(commit))
            #expect(outcome == .failed(reason: "127.0.0.1:\(other.port) refused the credentials of account acme; check its auth"))
            #expect(other.requests.count { $0.hasPrefix("GET /scm/acme/shop.git/info/refs?service=git-upload-pack HTTP/1.1\r\n") } > 0)
            #expect(other.requests.filter { $0.lowercased().contains("authorization") } == [])
            #expect(try await own.requests().isEmpty)
        }
    }

    @Test("a deploy key opens a server that is known")
    func key() async throws {
        try await withSSHForge { site, host, commit in
            site.account = Site.account(ssh: SSHCredential(key: .path(host.privateKey), knownHosts: host.knownHosts))
            let job = try site.job(commit)
            #expect(try await site.run(["fetch", "checkout"], of: job) == .succeeded)
            #expect(try host.commands().contains("git-upload-pack '/acme/shop.git'"))
            #expect(try site.file("index", of: job) == "1")
        }
    }

    @Test("a deploy key that is no file becomes one for the daemon alone, and is in no log")
    func keyContents() async throws {
        try await withSSHForge { site, host, commit in
            let key = try String(contentsOfFile: host.privateKey, encoding: .utf8)
            site.account = Site.account(ssh: SSHCredential(key: .contents(Secret(key)), knownHosts: host.knownHosts))
            #expect(try await site.run("fetch", of: site.job(commit)).isThere)
            #expect(try mode(site.state.path + "/keys/acme") == 0o600)
            #expect(try mode(site.state.path + "/keys") == 0o700)
        }
    }

    @Test("a server whose host key is not known is refused")
    func unknownHost() async throws {
        try await withSSHForge { site, host, commit in
            let empty = try site.directory.write("", to: "known_hosts")
            site.account = Site.account(ssh: SSHCredential(key: .path(host.privateKey), knownHosts: empty))
            let outcome = try await site.run("fetch", of: site.job(commit))
            let reason = "the ssh host key of 127.0.0.1:\(host.port) is not in the known_hosts of account acme"
            #expect(outcome == .failed(reason: reason))
            #expect(try host.commands().isEmpty)
            #expect(try site.directory.read("known_hosts") == "")
        }
    }

    @Test("another key is refused, and the account is named")
    func wrongKey() async throws {
        try await withSSHForge { site, host, commit in
            let other = site.directory.path("other")
            try await Shell.check(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other])
            site.account = Site.account(ssh: SSHCredential(key: .path(other), knownHosts: host.knownHosts))
            let outcome = try await site.run("fetch", of: site.job(commit))
            let reason = "127.0.0.1:\(host.port) does not let account acme read the repository; check its auth and its rights"
            #expect(outcome == .failed(reason: reason))
        }
    }

    private func account(_ host: GitWebHost) -> Account {
        Site.account(url: host.address, ca: host.caFile, rest: .appPassword(Secret(Self.password), username: "ci"))
    }

    private func withForge(
        password: String = Self.password, token: String? = nil, _ body: (inout Site, GitWebHost, String) async throws -> Void
    ) async throws {
        try await withSite { site, _, commit in
            var site = site
            try await withGitWebHost(repositories: site.directory.path("repositories"), user: "ci", password: password, token: token) {
                site.app.cloneURL = $0.url(for: "acme/shop")
                try await body(&site, $0, commit)
            }
        }
    }

    private func withSSHForge(_ body: (inout Site, GitSSHHost, String) async throws -> Void) async throws {
        try await withSite { site, _, commit in
            var site = site
            try await withGitSSHHost(repositories: site.directory.path("repositories")) {
                site.app.cloneURL = $0.url(for: "acme/shop")
                try await body(&site, $0, commit)
            }
        }
    }

    /// Looks for the password, plain and as it goes over the wire, in the state directory, the releases and git's own settings.
    private func expectNowhere(_ site: Site) async throws {
        let header = Base64.encode(Array("ci:\(Self.password)".utf8))
        for text in [Self.password, header] {
            for place in [site.state.path, site.app.root] {
                let found = try await Shell.run(["grep", "--recursive", "--text", "--files-with-matches", "--fixed-strings", text, place])
                #expect(found.status == 1, "\(found)")
            }
            #expect(try await !site.gitInMirror("config", "--list").contains(text))
        }
        // So that the search itself is known to find what is there.
        let found = try await Shell.run(["grep", "--recursive", "--fixed-strings", site.app.cloneURL, site.state.path])
        #expect(found.status == 0)
    }
}
