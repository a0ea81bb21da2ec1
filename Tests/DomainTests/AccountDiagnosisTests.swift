import Domain
import Testing

/// What `bittern account test` says of what was found.
@Suite struct AccountDiagnosisTests {
    private func facts(_ kind: Account.Kind = .bitbucketCloud, _ rest: RESTCredential? = .accessToken(Secret("t")))
        -> Diagnosis.AccountFacts
    {
        let url = kind == .bitbucketDataCenter ? "https://git.example.com/bitbucket" : nil
        return Diagnosis.AccountFacts(Account(name: "acme", kind: kind, url: url, hookSecrets: [], rest: rest))
    }

    private func lines(_ facts: Diagnosis.AccountFacts) -> [String] {
        Diagnosis.account(facts).map { "\($0.level.rawValue) \($0.subject): \($0.sentence)" }
    }

    @Test(
        "Data Center must be 7.14 or later",
        arguments: [
            ("7.14.0", "ok"), ("7.13.9", "problem"), ("6.99", "problem"), ("9.4.1", "ok"), ("10.0.0-rc1", "ok"), ("8", "warning"),
            ("", "warning"),
        ])
    func version(version: String, level: String) {
        var facts = facts(.bitbucketDataCenter)
        facts.version = .said(version)
        #expect(lines(facts).first?.hasPrefix("\(level) server: ") == true, "\(lines(facts))")
    }

    @Test("links that lead to this machine alone, or to another server, are warned of")
    func links() throws {
        let name = try #require(RepositoryName("SHOP/shop"))
        for (hosts, isWarned) in [
            (["git.example.com"], false), (["localhost", "git.example.com"], true), (["127.0.0.1"], true), ([], false),
        ] as [(Set<String>, Bool)] {
            var facts = facts(.bitbucketDataCenter)
            facts.used = [(name: name, links: .said(hosts))]
            #expect(lines(facts).contains { $0.hasPrefix("warning server: its links lead to") } == isWarned, "\(hosts)")
        }
    }

    @Test("scopes are judged by what they let do, under both kinds of names")
    func scopes() {
        func of(_ rest: RESTCredential, _ scopes: Set<String>) -> [String] {
            var facts = facts(.bitbucketCloud, rest)
            facts.scopes = scopes
            return lines(facts).filter { $0.contains(" scopes: ") }
        }
        let token = RESTCredential.apiToken(Secret("t"), email: "a@b")
        #expect(
            of(token, ["read:repository:bitbucket", "read:webhook:bitbucket", "write:webhook:bitbucket", "delete:webhook:bitbucket"])
                == ["ok scopes: it may read repositories and report build statuses"])
        #expect(
            of(.accessToken(Secret("t")), ["webhook", "pipeline:write"]) == [
                "problem scopes: it may not read repositories", "warning scopes: it may do more than Bittern ever does: pipeline:write",
            ])
        #expect(of(token, ["read:repository:bitbucket"]).last == "warning scopes: it may not register hooks")
    }

    @Test("an account with no credential, or an ssh key alone, is told what it cannot do")
    func noCredential() {
        var facts = facts(.bitbucketCloud, nil)
        #expect(lines(facts).count == 1 && lines(facts)[0].hasPrefix("warning credential: it has no credential"))
        facts.account.ssh = SSHCredential(key: .path("/k"), knownHosts: nil)
        #expect(lines(facts)[0].hasPrefix("warning credential: it has an ssh key alone"))
    }

    @Test("a token that may not look around is no problem as long as its repository is seen")
    func narrow() throws {
        var facts = facts()
        facts.used = [(name: try #require(RepositoryName("acme/shop")), links: .said([]))]
        facts.repositories = [(owner: "acme", count: .refused("no"))]
        facts.hooks = .refused("no")
        #expect(!Diagnosis.account(facts).contains { $0.level == .problem })
        #expect(lines(facts).contains("ok credential: it is an access token, and works"))
    }

    @Test("build statuses that wait are warned of when they have waited for a while")
    func outbox() {
        let now = Timestamp(milliseconds: 1_000_000)
        #expect(Diagnosis.outbox(waiting: 0, oldest: nil, now: now) == nil)
        #expect(Diagnosis.outbox(waiting: 3, oldest: Timestamp(milliseconds: 900_000), now: now) == nil)
        #expect(Diagnosis.outbox(waiting: 3, oldest: Timestamp(milliseconds: 1), now: now)?.level == .warning)
    }
}
