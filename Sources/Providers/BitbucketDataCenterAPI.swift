import Domain
import FoundationEssentials

/// Bitbucket Data Center's REST, 7.14 or later.
///
/// Sources: https://developer.atlassian.com/server/bitbucket/rest/ and, for OAuth, Atlassian, "Bitbucket OAuth 2.0 provider API"
/// (https://confluence.atlassian.com/bitbucketserver/bitbucket-oauth-2-0-provider-api-1108483661.html).
struct BitbucketDataCenterAPI: ForgeAPI {
    let base: String
    /// `repo:modified` tells of a new name; a mirror tells of pushes when it can serve them.
    let hookEvents: Set<String> = ["repo:refs_changed", "repo:modified", "mirror:repo_synchronized"]
    /// A token may belong to a project or a repository, which is nobody.
    let user: ForgeRequest<ForgeIdentity>? = nil
    let owners: ForgeRequest<ForgePage<String>>? = nil

    private static let pageLimit = "100"

    private let site: String
    private var api: String { base + "rest/api/latest/" }

    init(_ account: Account, base: String) {
        site = base
        self.base = base + "/"
    }

    var server: ForgeRequest<String>? {
        ForgeRequest(.get, api + "application-properties", authorization: .none) { (answer) throws(ForgeError) in
            try answer.json(Properties.self).version
        }
    }

    func repository(_ name: RepositoryName) -> ForgeRequest<SeenRepository> {
        ForgeRequest(.get, address(of: .repository(name))) { (answer) throws(ForgeError) in
            guard let repository = try answer.json(Repository.self).value else {
                throw ForgeError(.malformed, "it answered with a repository that has no name")
            }
            return SeenRepository(repository: repository, scopes: nil)
        }
    }

    func repositories(of owner: String) -> ForgeRequest<ForgePage<ForgeRepository>> {
        list(address(of: .owner(owner)) + "/repos") { (repository: Repository) in repository.value }
    }

    func branches(of repository: RepositoryName, search: String?) -> ForgeRequest<ForgePage<ForgeBranch>> {
        let query = search.map { [(name: "filterText", value: $0)] } ?? []
        return list(address(of: .repository(repository)) + "/branches", query: query) { (branch: Branch) in
            CommitID(branch.latestCommit).map { ForgeBranch(name: branch.displayId, commit: $0) }
        }
    }

    // MARK: Hooks

    func hooks(at place: HookPlace) -> ForgeRequest<ForgePage<ForgeHook>> {
        list(hooksAddress(at: place)) { (hook: Hook) in hook.value }
    }

    func add(_ hook: WantedHook, secret: Secret, at place: HookPlace) -> ForgeRequest<ForgeHook> {
        let body = HookBody(
            name: hook.name, url: hook.url, events: hook.events.sorted(), configuration: .init(secret: secret),
            sslVerificationRequired: true)
        return ForgeRequest(
            .post, hooksAddress(at: place), body: .encoding(body), isRepeatable: false, secrets: [secret], decode: Hook.value(in:))
    }

    /// What is not in the body is gone afterwards, so the secret always is.
    func change(_ old: ForgeHook, to hook: WantedHook, secret: Secret?, at place: HookPlace) -> ForgeRequest<ForgeHook> {
        let body = HookBody(
            name: old.name, url: old.url, events: hook.events.union(old.events).sorted(), configuration: secret.map { .init(secret: $0) },
            sslVerificationRequired: old.checksCertificate ?? true)
        return ForgeRequest(
            .put, address(of: old, at: place), body: .encoding(body), secrets: [secret].compactMap(\.self), decode: Hook.value(in:))
    }

    func remove(_ hook: ForgeHook, at place: HookPlace) -> ForgeRequest<Void> {
        ForgeRequest(.delete, address(of: hook, at: place)) { _ in }
    }

    func tryOut(_ hook: ForgeHook, at place: HookPlace) -> ForgeRequest<HookTrial>? {
        let query = [
            (name: "url", value: hook.url), (name: "sslVerificationRequired", value: String(hook.checksCertificate ?? true)),
        ]
        return ForgeRequest(.post, hooksAddress(at: place) + "/test", query: query, body: .encoding([String: String]())) {
            (answer) throws(ForgeError) in
            let trial = try answer.json(Trial.self)
            return HookTrial(status: trial.response?.statusCode, trouble: trial.trouble)
        }
    }

    private func hooksAddress(at place: HookPlace) -> String { address(of: place) + "/webhooks" }

    private func address(of hook: ForgeHook, at place: HookPlace) -> String {
        hooksAddress(at: place) + "/" + Percent.encoded(hook.id)
    }

    private func address(of place: HookPlace) -> String {
        switch place {
        case .repository(let name): api + "projects/\(Percent.encoded(name.owner))/repos/\(Percent.encoded(name.slug))"
        case .owner(let project): api + "projects/" + Percent.encoded(project)
        }
    }

    // MARK: Statuses

    func report(_ status: BuildStatus) -> [ForgeRequest<Void>] {
        let commit = address(of: .repository(status.repository)) + "/commits/\(status.commit.hex)"
        let link = Self.shortened(status.link ?? commitPage(status), to: 450)
        let build = BuildBody(
            key: status.key, state: Self.word(for: status.state, inProgress: "INPROGRESS"), url: link, name: status.name,
            description: status.description, ref: status.ref?.full, buildNumber: String(status.job),
            lastUpdated: status.at.milliseconds)
        let deployment = DeploymentBody(
            deploymentSequenceNumber: status.job, description: status.description, displayName: status.name,
            environment: .init(key: status.key, displayName: status.name), key: status.key,
            state: Self.word(for: status.state, inProgress: "IN_PROGRESS"), url: link, lastUpdated: status.at.milliseconds)
        return [
            ForgeRequest(.post, commit + "/builds", body: .encoding(build)) { (answer) throws(ForgeError) in try answer.expectTaken() },
            // Known since 7.16.
            ForgeRequest(.post, commit + "/deployments", body: .encoding(deployment)) { _ in },
        ]
    }

    private static func word(for state: BuildStatus.State, inProgress: String) -> String {
        switch state {
        case .inProgress: inProgress
        case .successful: "SUCCESSFUL"
        case .failed: "FAILED"
        case .stopped: "CANCELLED"
        }
    }

    /// A longer one is refused; one that is cut leads at least to the right server.
    private static func shortened(_ link: String, to limit: Int) -> String {
        link.utf8.count <= limit ? link : String(decoding: link.utf8.prefix(limit), as: UTF8.self)
    }

    private func commitPage(_ status: BuildStatus) -> String {
        let (owner, slug) = (status.repository.owner, Percent.encoded(status.repository.slug))
        let place = owner.hasPrefix("~") ? "users/" + Percent.encoded(owner.dropFirst()) : "projects/" + Percent.encoded(owner)
        return "\(base)\(place)/repos/\(slug)/commits/\(status.commit.hex)"
    }

    // MARK: OAuth

    func loginAddress(key: String, state: String, challenge: String, redirect: String) -> String {
        let query = [
            ("client_id", key), ("redirect_uri", redirect), ("response_type", "code"), ("state", state), ("scope", "REPO_READ"),
            ("code_challenge", challenge), ("code_challenge_method", "S256"),
        ]
        return "\(base)rest/oauth2/latest/authorize?"
            + query.map { "\($0)=\(Percent.encoded($1))" }.joined(separator: "&")
    }

    func tokens(_ grant: OAuthGrant, key: String, secret: Secret) -> ForgeRequest<OAuthTokens> {
        let consumer = [(name: "client_id", value: Secret(key)), (name: "client_secret", value: secret)]
        return ForgeRequest(
            .post, base + "rest/oauth2/latest/token", body: .form(grant.fields + consumer), authorization: .none,
            isRepeatable: grant == .consumer, secrets: grant.secrets + [secret], decode: TokenReply.tokens(in:))
    }

    // MARK: Lists

    private func list<Raw: Decodable & Sendable, Item: Sendable>(
        _ url: String, query: [(name: String, value: String)] = [], start: Int = 0, _ item: @escaping @Sendable (Raw) -> Item?
    ) -> ForgeRequest<ForgePage<Item>> {
        let place = [(name: "start", value: String(start)), (name: "limit", value: Self.pageLimit)]
        return ForgeRequest(.get, url, query: query + place) { (answer) throws(ForgeError) in
            let page = try answer.json(Page<Raw>.self)
            // A page that leads back to itself would never end.
            let next = page.isLastPage ?? true ? nil : page.nextPageStart.flatMap { $0 > start ? $0 : nil }
            return ForgePage(items: page.values.compactMap(item), next: next.map { list(url, query: query, start: $0, item) })
        }
    }
}

private struct Page<Raw: Decodable>: Decodable {
    var values: [Raw]
    var isLastPage: Bool?
    var nextPageStart: Int?
}

private struct Properties: Decodable {
    var version: String
}

private struct Repository: Decodable {
    var slug: String
    var id: Int?
    var project: Project
    var links: [String: [Link]]?

    struct Project: Decodable { var key: String }

    struct Link: Decodable { var href: String? }

    private enum CodingKeys: String, CodingKey { case slug, id, project, links }

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: CodingKeys.self)
        slug = try object.decode(String.self, forKey: .slug)
        id = try? object.decode(Int.self, forKey: .id)  // of another shape: not needed
        project = try object.decode(Project.self, forKey: .project)
        links = try? object.decode([String: [Link]].self, forKey: .links)  // the same
    }

    var value: ForgeRepository? {
        RepositoryName(owner: project.key, slug: slug).map { name in
            let hosts = (links ?? [:]).values.flatMap { $0.compactMap { $0.href.flatMap(hostOfAddress) } }
            return ForgeRepository(name: name, id: id.map(String.init), mainBranch: nil, linkHosts: Set(hosts))
        }
    }
}

private struct Branch: Decodable {
    var displayId: String
    var latestCommit: String
}

private struct Hook: Decodable {
    var id: Int
    var name: String?
    var url: String
    var active: Bool?
    var events: [String]
    var sslVerificationRequired: Bool?

    var value: ForgeHook {
        ForgeHook(
            id: String(id), url: url, name: name ?? "", events: Set(events), isActive: active ?? true, hasSecret: nil,
            checksCertificate: sslVerificationRequired)
    }

    static func value(in answer: ForgeAnswer) throws(ForgeError) -> ForgeHook { try answer.json(Hook.self).value }
}

private struct HookBody: Encodable {
    var name: String
    var url: String
    var active = true
    var events: [String]
    var configuration: Configuration?
    var sslVerificationRequired: Bool

    struct Configuration: Encodable {
        var secret: String

        init(secret: Secret) {
            self.secret = secret.withBytes { String(decoding: $0, as: UTF8.self) }
        }
    }
}

/// The description says nothing of its members; these were seen.
private struct Trial: Decodable {
    var response: Response?
    var trouble: String?

    struct Response: Decodable { var statusCode: Int? }

    private enum CodingKeys: String, CodingKey { case response, error, errorMessage }

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: CodingKeys.self)
        response = try? object.decode(Response.self, forKey: .response)  // it was not reached
        let error = try? object.decode(String.self, forKey: .error)  // it was
        trouble = error ?? (try? object.decode(String.self, forKey: .errorMessage))
    }
}

private struct BuildBody: Encodable {
    var key: String
    var state: String
    var url: String
    var name: String
    var description: String
    var ref: String?
    var buildNumber: String
    var lastUpdated: Int64
}

private struct DeploymentBody: Encodable {
    var deploymentSequenceNumber: Int64
    var description: String
    var displayName: String
    var environment: Environment
    var key: String
    var state: String
    var url: String
    var lastUpdated: Int64

    struct Environment: Encodable {
        var key: String
        var displayName: String
    }
}
