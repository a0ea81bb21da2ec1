/// What an account's credential is good for.
extension Diagnosis {
    /// What the forge said when it was asked with it.
    package struct AccountFacts: Sendable {
        /// An answer, or why there is none: a sentence with, behind a semicolon, what to do.
        package enum Answer<Value: Sendable>: Sendable {
            case said(Value)
            case refused(String)
        }

        package var account: Account
        /// Whether somebody logged in for its OAuth consumer.
        package var isLoggedIn = false
        /// The version that answers; nil: there is but one.
        package var version: Answer<String>?
        /// Whose the credential is; nil: the forge does not say.
        package var user: Answer<String>?
        /// What it may do; nil: the forge does not say.
        package var scopes: Set<String>?
        /// How many repositories it sees in each workspace or project.
        package var repositories: [(owner: String, count: Answer<Int>)] = []
        /// Repositories of apps over REST, with the hosts their links lead to.
        package var used: [(name: RepositoryName, links: Answer<Set<String>>)] = []
        /// Whether it may look at the hooks of the first of them.
        package var hooks: Answer<Void>?

        package init(_ account: Account) {
            self.account = account
        }
    }

    package static func account(_ facts: AccountFacts) -> [Finding] {
        guard facts.account.rest != nil else {
            let what = facts.account.ssh == nil ? "it has no credential" : "it has an ssh key alone, which git uses"
            return [
                Finding(
                    .warning, "credential", "\(what), so repositories and hooks cannot be listed and no build statuses are sent",
                    remedy: "give auth an api_token, access_token or oauth beside it (docs/bitbucket.md)")
            ]
        }
        return [server(facts), credential(facts)].compactMap(\.self) + scopes(facts) + facts.repositories.map(repositories)
            + facts.used.flatMap { used($0.name, $0.links, facts.account) } + [hooks(facts)].compactMap(\.self)
    }

    private static let oldestDataCenter = (7, 14)

    private static func server(_ facts: AccountFacts) -> Finding? {
        switch facts.version {
        case nil: return nil
        case .refused(let phrase):
            return Finding(problem: phrase, "server", remedy: "look at url, ca and proxy of account \(facts.account.name)")
        case .said(let version):
            let parts = version.split(separator: ".").prefix(2).compactMap { Int($0) }
            guard parts.count == 2 else {
                return Finding(.warning, "server", "it calls its version \(version), which is none that is known here")
            }
            guard (parts[0], parts[1]) >= oldestDataCenter else {
                return Finding(
                    .problem, "server", "it is Bitbucket \(version), and Bittern needs 7.14 or later", remedy: "upgrade Bitbucket")
            }
            return Finding(.ok, "server", "it is Bitbucket \(version)")
        }
    }

    private static func credential(_ facts: AccountFacts) -> Finding? {
        let kind =
            switch facts.account.rest {
            case .apiToken: "an API token"
            case .accessToken where facts.account.kind == .bitbucketDataCenter: "an HTTP access token"
            case .accessToken: "an access token"
            case .oauth where facts.isLoggedIn: "an OAuth consumer, as whom somebody logged in"
            case .oauth: "an OAuth consumer by itself"
            case .appPassword: "an app password"
            case nil: "none"
            }
        if case .appPassword = facts.account.rest {
            return Finding(
                .problem, "credential", "it is an app password, and Bitbucket Cloud switched those off in July 2026",
                remedy: "make an API token (docs/bitbucket.md) and name it as auth: {api_token: …, email: …}")
        }
        switch facts.user {
        case .refused(let phrase):
            return Finding(
                problem: phrase, "credential", remedy: "check auth of account \(facts.account.name)")
        case .said(let name): return Finding(.ok, "credential", "it is \(kind) of \(name)")
        case nil:
            // Whether it is any good only a repository tells.
            let works = facts.used.contains { if case .said = $0.links { true } else { false } }
            return works ? Finding(.ok, "credential", "it is \(kind), and works") : nil
        }
    }

    /// Names of scopes, those of API tokens and those of access tokens and consumers.
    private static let readsRepositories: Set<String> = [
        "read:repository:bitbucket", "repository", "repository:write", "pullrequest", "pullrequest:write", "project",
    ]
    private static let managesHooks: Set<String> = ["webhook", "write:webhook:bitbucket"]
    private static let wanted: Set<String> = [
        "read:repository:bitbucket", "repository", "read:webhook:bitbucket", "write:webhook:bitbucket", "delete:webhook:bitbucket",
        "webhook", "read:user:bitbucket", "account", "email", "read:workspace:bitbucket",
    ]

    private static func scopes(_ facts: AccountFacts) -> [Finding] {
        guard let scopes = facts.scopes else { return [] }
        let isToken = if case .apiToken = facts.account.rest { true } else { false }
        var findings: [Finding] = []
        if scopes.isDisjoint(with: readsRepositories) {
            findings.append(
                Finding(
                    .problem, "scopes", "it may not read repositories",
                    remedy: "give it the scope \(isToken ? "read:repository:bitbucket" : "repository")"))
        } else {
            findings.append(Finding(.ok, "scopes", "it may read repositories and report build statuses"))
        }
        if scopes.isDisjoint(with: managesHooks) {
            let right =
                isToken ? "read:webhook:bitbucket, write:webhook:bitbucket and delete:webhook:bitbucket" : "webhook"
            findings.append(
                Finding(
                    .warning, "scopes", "it may not register hooks", remedy: "give it \(right) for bittern hooks, or make them by hand"))
        }
        let more = scopes.subtracting(wanted).sorted()
        if !more.isEmpty {
            findings.append(
                Finding(
                    .warning, "scopes", "it may do more than Bittern ever does: \(more.joined(separator: ", "))",
                    remedy: "make one without these scopes"))
        }
        return findings
    }

    private static func repositories(_ owner: String, _ count: AccountFacts.Answer<Int>) -> Finding {
        switch count {
        case .said(let number):
            Finding(
                number == 0 ? .warning : .ok, "repositories",
                "it sees \(number) repositor\(number == 1 ? "y" : "ies") in \(owner)")
        // A token of one repository may not look around.
        case .refused(let phrase): Finding(.warning, "repositories", "those of \(owner) cannot be listed: \(phrase)")
        }
    }

    private static func used(_ name: RepositoryName, _ links: AccountFacts.Answer<Set<String>>, _ account: Account) -> [Finding] {
        let subject = "repository \(name)"
        switch links {
        case .refused(let phrase):
            return [Finding(problem: phrase, subject, remedy: "check the repository's name and the credential's rights")]
        case .said(let hosts):
            var findings = [Finding(.ok, subject, "it is seen over REST")]
            let local = hosts.intersection(["localhost", "127.0.0.1", "::1"])
            let own = account.url.flatMap(hostOfAddress)
            if let host = local.sorted().first, !local.contains(own ?? "") || own == nil {
                findings.append(
                    Finding(
                        .warning, "server", "its links lead to \(host), so people who follow them get nowhere",
                        remedy: "set the base URL in Bitbucket's server settings"))
            } else if !local.isEmpty, let wrong = hosts.first(where: { $0 != own }) {
                findings.append(
                    Finding(
                        .warning, "server", "its links lead to \(wrong), and not to \(own ?? "it")",
                        remedy: "set the base URL in Bitbucket's server settings"))
            }
            return findings
        }
    }

    private static func hooks(_ facts: AccountFacts) -> Finding? {
        switch facts.hooks {
        case nil: nil
        case .said: Finding(.ok, "hooks", "it may look at hooks: bittern hooks list \(facts.account.name)")
        case .refused(let phrase): Finding(.warning, "hooks", "it may not manage hooks, so make them by hand: \(phrase)")
        }
    }

    /// An app whose repository has another name by now.
    package static func renamed(_ app: String, from configured: RepositoryName, to current: RepositoryName) -> Finding {
        Finding(
            .warning, "repository of \(app)", "\(configured) is called \(current) now; \(app) goes on deploying it",
            remedy: "write `repository: \(current)` in the app's file and reload")
    }

    /// Build statuses that wait.
    package static func outbox(waiting: Int, oldest: Timestamp?, now: Timestamp) -> Finding? {
        guard waiting > 0, let oldest, now.since(oldest) > .seconds(300) else { return nil }
        return Finding(
            .warning, "build statuses", "\(waiting) wait\(waiting == 1 ? "s" : "") for the forge, the oldest since \(oldest.rfc3339)",
            remedy: "journalctl --unit=bittern says why; bittern account test shows what the credential may do")
    }
}
