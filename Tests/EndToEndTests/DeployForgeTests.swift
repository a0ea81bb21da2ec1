import Foundation
import RealParts
import Testing

/// Data Center over https and over ssh.
@Suite(.fewAtOnce) struct DeployForgeTests {
    @Test("a push to Data Center goes live over https, with an access token, a certificate authority and a context path")
    func https() async throws {
        try await withOrigin { directory, origin in
            let repositories = directory.path("repositories")
            try await withGitWebHost(
                repositories: repositories, user: "ci", password: "unused", token: "t0ken-t0ken", prefix: "/bitbucket/scm/"
            ) { host in
                let account = "url: \(host.address)/bitbucket, ca: \(host.caFile), auth: {access_token: credential:token}"
                try await withDataCenter(account) { daemon in
                    let commit = try await origin.commit(files: ["a": "1"])
                    let answer = try await deliver(.init(repository: "ACME/shop").branch("main", new: commit), to: daemon)
                    let job = try await daemon.runToEnd(try #require(answer.results.first?.job))
                    #expect(job.state == "succeeded", "\(job)")
                    #expect(try live(daemon) == commit)
                    let requests = try await host.requests()
                    #expect(requests.contains { $0.method == "POST" && $0.path.hasSuffix("/git-upload-pack") && $0.status == 200 })
                    try await isNowhere("t0ken-t0ken", daemon)
                }
            }
        }
    }

    @Test("an app with a credential of its own shows that one, not the account's")
    func ofTheApp() async throws {
        try await withOrigin { directory, origin in
            let commit = try await origin.commit(files: ["a": "1"])
            let repositories = directory.path("repositories")
            try await withGitWebHost(repositories: repositories, user: "ci", password: "unused", token: "t0ken-t0ken") { host in
                let account = "url: \(host.address), ca: \(host.caFile), auth: {access_token: credential:hook}"
                try await withDataCenter(account, app: "branch: main\nauth: {access_token: credential:token}\n") { daemon in
                    let answer = try await deliver(.init(repository: "ACME/shop").branch("main", new: commit), to: daemon)
                    let job = try await daemon.runToEnd(try #require(answer.results.first?.job))
                    #expect(job.state == "succeeded", "\(job)")
                    #expect(try live(daemon) == commit)
                    try await isNowhere("t0ken-t0ken", daemon)
                }
            }
        }
    }

    @Test("a wrong access token, and a certificate nobody vouches for, fail the job with a reason that says so")
    func refusedHTTPS() async throws {
        try await withOrigin { directory, origin in
            let commit = try await origin.commit(files: ["a": "1"])
            let repositories = directory.path("repositories")
            try await withGitWebHost(repositories: repositories, user: "ci", password: "unused", token: "another") { host in
                let cases = [
                    "ca: \(host.caFile), auth: {access_token: credential:token}": "credentials",
                    "auth: {access_token: credential:token}": "certificate",
                ]
                for (settings, word) in cases {
                    try await withDataCenter("url: \(host.address), \(settings)") { daemon in
                        let answer = try await deliver(.init(repository: "ACME/shop").branch("main", new: commit), to: daemon)
                        let job = try await daemon.runToEnd(try #require(answer.results.first?.job))
                        #expect(job.state == "failed")
                        #expect(job.reason.contains(word), "\(job.reason)")
                        #expect(job.steps == ["fetch"])
                    }
                }
            }
        }
    }

    @Test("a push to Data Center goes live over ssh with a deploy key, tags with the tag object's hash too")
    func ssh() async throws {
        try await withOrigin { directory, origin in
            try await withGitSSHHost(repositories: directory.path("repositories")) { host in
                let auth = "auth: {ssh_key: \"file:\(host.privateKey)\", known_hosts: \(host.knownHosts)}"
                let account = "url: https://127.0.0.1:1, ssh_url: ssh://\(host.user)@127.0.0.1:\(host.port), \(auth)"
                try await withDataCenter(account, app: "branch: main\ntags: [\"v*\"]\n") { daemon in
                    let commit = try await origin.commit(files: ["a": "1"])
                    let push = DataCenterPush(repository: "ACME/shop")
                    let answer = try await deliver(push.branch("main", new: commit), to: daemon)
                    let job = try await daemon.runToEnd(try #require(answer.results.first?.job))
                    #expect(job.state == "succeeded", "\(job)")
                    #expect(try live(daemon) == commit)
                    #expect(try host.commands() != [])
                    let next = try await origin.commit(files: ["a": "2"])
                    let tag = try await origin.tag("v1", annotated: true)
                    try #require(tag != next)
                    let tagged = try await deliver(push.tag("v1", new: tag), to: daemon)
                    let tagJob = try await daemon.runToEnd(try #require(tagged.results.first?.job))
                    #expect(tagJob.state == "succeeded", "\(tagJob)")
                    #expect(try live(daemon) == next)
                }
            }
        }
    }

    @Test("a host key that is not in known_hosts fails the job with a reason that says so")
    func unknownHost() async throws {
        try await withOrigin { directory, origin in
            let commit = try await origin.commit(files: ["a": "1"])
            try await withGitSSHHost(repositories: directory.path("repositories")) { host in
                let empty = try directory.write("", to: "known_hosts")
                let auth = "auth: {ssh_key: \"file:\(host.privateKey)\", known_hosts: \(empty)}"
                try await withDataCenter("url: https://127.0.0.1:1, ssh_url: ssh://\(host.user)@127.0.0.1:\(host.port), \(auth)") {
                    daemon in
                    let answer = try await deliver(.init(repository: "ACME/shop").branch("main", new: commit), to: daemon)
                    let job = try await daemon.runToEnd(try #require(answer.results.first?.job))
                    #expect(job.state == "failed")
                    #expect(job.reason.contains("host key"), "\(job.reason)")
                    #expect(try host.commands() == [])
                }
            }
        }
    }

    /// A repository `ACME/shop` below `repositories`.
    private func withOrigin(_ body: (TemporaryDirectory, GitOrigin) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let origin = try await GitOrigin(bare: directory.path("repositories/ACME/shop.git"), work: directory.path("work"))
            try await body(directory, origin)
        }
    }

    private func withDataCenter(
        _ account: String,
        app: String = "branch: main\n",
        _ body: (BitternDaemon) async throws -> Void
    ) async throws {
        let text = "accounts:\n  dc: {kind: bitbucket-datacenter, hook_secret: credential:hook, \(account)}\n"
        try await withBittern(
            config: text,
            apps: ["shop": "account: dc\nrepository: ACME/shop\nroot: @DIR@/srv/shop\n" + app],
            credentials: ["hook": hookSecret, "token": "t0ken-t0ken"],
            body
        )
    }

    private func deliver(_ push: DataCenterPush, to daemon: BitternDaemon) async throws -> Answer {
        let answer = try await daemon.send(push.delivery(secret: hookSecret), to: "/hooks/dc")
        #expect(answer.status == 202, "\(answer)")
        return answer
    }

    private func live(_ daemon: BitternDaemon) throws -> String {
        try String(contentsOfFile: daemon.setup.path("srv/shop/current/REVISION"), encoding: .utf8).trimmingCharacters(in: .newlines)
    }

    /// A secret stands in no file the daemon wrote.
    private func isNowhere(_ secret: String, _ daemon: BitternDaemon) async throws {
        let places = [daemon.setup.stateDirectory, daemon.setup.path("srv"), daemon.setup.path("serve.err")]
        let found = try await Shell.run(["grep", "-rlF", "--", secret] + places)
        #expect(found.status == 1, "\(found)")
    }
}
