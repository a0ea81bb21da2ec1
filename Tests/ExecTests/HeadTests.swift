import Domain
import Exec
import Foundation
import RealParts
import Testing

/// Asks a forge where its refs are, without fetching anything.
@Suite struct HeadTests {
    @Test("a branch is at its newest commit, whatever else ends in its name", arguments: ["file://", ""])
    func branch(scheme: String) async throws {
        try await withSite { site, origin, commit in
            site.app.cloneURL = scheme + origin.bare
            _ = try await origin.commit(files: ["index": "other"], on: "heads/main")
            _ = try await origin.commit(files: ["index": "another"], on: "old/main")
            #expect(try await head(.branch, "main", site)?.hex == commit)
            let newer = try await origin.commit(files: ["index": "2"])
            #expect(try await head(.branch, "main", site)?.hex == newer)
            #expect(FileSystem.names(in: site.state.path + "/mirrors").isEmpty)
        }
    }

    @Test("a tag stands for its commit, also an annotated one")
    func tags() async throws {
        try await withSite { site, origin, commit in
            try await origin.tag("v1")
            let object = try await origin.tag("v2", annotated: true)
            #expect(object != commit)
            #expect(try await head(.tag, "v1", site)?.hex == commit)
            #expect(try await head(.tag, "v2", site)?.hex == commit)
        }
    }

    @Test("several refs are asked for at once, and one that is not there is not in the answer")
    func several() async throws {
        try await withSite { site, origin, commit in
            let other = try await origin.commit(files: ["index": "2"], on: "other")
            let refs = try ["main", "other", "nowhere"].map { try #require(RefName(.branch, $0)) }
            let heads = try await GitMirrors(state: site.state).heads(of: refs, app: site.app, account: site.account, environment: [:])
            #expect(heads.mapValues(\.hex) == [refs[0]: commit, refs[1]: other])
            #expect(try await head(.tag, "main", site) == nil)
        }
    }

    @Test("an empty repository answers, and has nothing")
    func empty() async throws {
        try await withTemporaryDirectory { directory in
            let origin = try await GitOrigin(bare: directory.path("empty.git"), work: directory.path("work"))
            let site = try Site(directory, cloneURL: "file://" + origin.bare)
            #expect(try await head(.branch, "main", site) == nil)
            #expect(try await GitMirrors(state: site.state).heads(of: [], app: site.app, account: site.account, environment: [:]).isEmpty)
        }
    }

    @Test("a repository that is away is named, and nothing of git's own words about it is lost")
    func away() async throws {
        try await withSite { site, _, _ in
            site.app.cloneURL = "file://" + site.directory.path("repositories/acme/none.git")
            let phrase = await trouble(site)
            #expect(phrase?.hasPrefix("there is no such repository, or account acme may not see it: ") == true, "\(phrase ?? "")")
            #expect(phrase?.contains("none.git") == true)
        }
    }

    @Test("a server that wants another password says whose credentials it refused; the app's own are shown before the account's")
    func credentials() async throws {
        try await withSite { site, _, commit in
            let repositories = site.directory.path("repositories")
            try await withGitWebHost(repositories: repositories, user: "ci", password: "s3cret-password") { host in
                site.app.cloneURL = host.url(for: "acme/shop")
                let wrong = RESTCredential.appPassword(Secret("wrong-password"), username: "ci")
                site.account = Site.account(url: host.address, ca: host.caFile, rest: wrong)
                let refused = await trouble(site)
                #expect(refused == "127.0.0.1:\(host.port) refused the credentials of account acme; check its auth")
                site.app.credentials = Credentials(rest: .appPassword(Secret("s3cret-password"), username: "ci"))
                let head = try await head(.branch, "main", site)
                #expect(head?.hex == commit)
            }
        }
    }

    @Test("a deploy key opens a server over ssh")
    func key() async throws {
        try await withSite { site, _, commit in
            try await withGitSSHHost(repositories: site.directory.path("repositories")) { host in
                site.app.cloneURL = host.url(for: "acme/shop")
                let key = Secret(try String(contentsOfFile: host.privateKey, encoding: .utf8))
                site.account = Site.account(ssh: SSHCredential(key: .contents(key), knownHosts: host.knownHosts))
                #expect(try await head(.branch, "main", site)?.hex == commit)
                // Once more with the key's file in place.
                #expect(try await head(.branch, "main", site)?.hex == commit)
                // An app's own does not take the place of the account's, which another ssh may be about to read.
                site.app.credentials = Credentials(ssh: site.account.ssh)
                site.account.ssh = nil
                try FileManager.default.removeItem(atPath: site.state.path + "/keys/acme")
                #expect(try await head(.branch, "main", site)?.hex == commit)
                #expect(try FileManager.default.contentsOfDirectory(atPath: site.state.path + "/keys") == ["app:\(site.app.name)"])
            }
        }
    }

    @Test("a server that says nothing is given up, and its git ends")
    func silence() async throws {
        try await withSite { site, _, _ in
            let server = try Eavesdropper(answers: false)
            defer { server.end() }
            site.app.cloneURL = "http://127.0.0.1:\(server.port)/scm/acme/shop.git"
            let began = ContinuousClock.now
            let phrase = await trouble(site, patience: .milliseconds(500))
            #expect(phrase == "127.0.0.1:\(server.port) could not be reached: it gave no answer within 0.5s")
            #expect(began.duration(to: .now) < .seconds(15))
            #expect(try ProcessTable.processes(withEnvironmentContaining: site.app.cloneURL).isEmpty)
        }
    }

    private func head(_ kind: RefName.Kind, _ name: String, _ site: Site) async throws -> CommitID? {
        let ref = try #require(RefName(kind, name))
        return try await GitMirrors(state: site.state).head(
            of: ref, app: site.app, account: site.account.used(by: site.app), environment: [:])
    }

    /// Why the forge does not say; nil: it does.
    private func trouble(_ site: Site, patience: Duration = GitMirrors.remotePatience) async -> String? {
        do {
            _ = try await GitMirrors(state: site.state)
                .heads(of: [], app: site.app, account: site.account.used(by: site.app), environment: [:], patience: patience)
            return nil
        } catch {
            return "\(error)"
        }
    }
}
