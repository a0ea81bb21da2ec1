import Domain
import FoundationEssentials

/// Bitbucket Cloud's REST 2.0.
///
/// Sources: https://developer.atlassian.com/cloud/bitbucket/rest/ and, for OAuth, Atlassian, "Use OAuth on Bitbucket Cloud"
/// (https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/).
struct BitbucketCloudAPI: ForgeAPI {
    let base = "https://api.bitbucket.org/2.0/"
    /// `repo:updated` tells of a new name.
    let hookEvents: Set<String> = ["repo:push", "repo:updated"]
    let server: ForgeRequest<String>? = nil

    private static let site = "https://bitbucket.org"
    /// The largest page there is.
    private static let pageLength = (name: "pagelen", value: "100")

    private let isUser: Bool

    init(_ account: Account) {
        // An access token is nobody's.
        if case .accessToken = account.rest { isUser = false } else { isUser = true }
    }

    var user: ForgeRequest<ForgeIdentity>? {
        guard isUser else { return nil }
        return ForgeRequest(.get, base + "user") { (answer) throws(ForgeError) in
            ForgeIdentity(name: try answer.json(User.self).display_name ?? "a user", scopes: answer.scopes)
        }
    }

    /// `GET /workspaces` and `GET /repositories` are gone since April 2026 (CHANGE-2770).
    var owners: ForgeRequest<ForgePage<String>>? {
        guard isUser else { return nil }
        return list(base + "user/workspaces", query: [Self.pageLength]) { (membership: Membership) in membership.workspace?.slug }
    }

    func repository(_ name: RepositoryName) -> ForgeRequest<SeenRepository> {
        ForgeRequest(.get, address(of: .repository(name))) { (answer) throws(ForgeError) in
            guard let repository = try answer.json(Repository.self).value else {
                throw ForgeError(.malformed, "it answered with a repository that has no name")
            }
            return SeenRepository(repository: repository, scopes: answer.scopes)
        }
    }

    func repositories(of owner: String) -> ForgeRequest<ForgePage<ForgeRepository>> {
        list(base + "repositories/" + Percent.encoded(owner), query: [Self.pageLength]) { (repository: Repository) in repository.value }
    }

    func branches(of repository: RepositoryName, search: String?) -> ForgeRequest<ForgePage<ForgeBranch>> {
        let quoted = search.map { $0.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\\\") }
            .map { $0.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"") }
        let query = quoted.map { [(name: "q", value: "name ~ \"\($0)\"")] } ?? []
        return list(address(of: .repository(repository)) + "/refs/branches", query: [Self.pageLength] + query) { (branch: Branch) in
            branch.target?.hash.flatMap { CommitID($0) }.map { ForgeBranch(name: branch.name, commit: $0) }
        }
    }

    // MARK: Hooks

    func hooks(at place: HookPlace) -> ForgeRequest<ForgePage<ForgeHook>> {
        list(hooksAddress(at: place), query: [Self.pageLength]) { (hook: Hook) in hook.value }
    }

    func add(_ hook: WantedHook, secret: Secret, at place: HookPlace) -> ForgeRequest<ForgeHook> {
        let body = HookBody(description: hook.name, url: hook.url, events: hook.events.sorted(), secret: Self.text(of: secret))
        return ForgeRequest(
            .post, hooksAddress(at: place), body: .encoding(body), isRepeatable: false, secrets: [secret], decode: Hook.value(in:))
    }

    func change(_ old: ForgeHook, to hook: WantedHook, secret: Secret?, at place: HookPlace) -> ForgeRequest<ForgeHook> {
        let body = HookBody(
            description: old.name, url: old.url, events: hook.events.union(old.events).sorted(), secret: secret.map(Self.text(of:)))
        return ForgeRequest(
            .put, address(of: old, at: place), body: .encoding(body), secrets: [secret].compactMap(\.self), decode: Hook.value(in:))
    }

    func remove(_ hook: ForgeHook, at place: HookPlace) -> ForgeRequest<Void> {
        ForgeRequest(.delete, address(of: hook, at: place)) { _ in }
    }

    /// Cloud has no connection test.
    func tryOut(_ hook: ForgeHook, at place: HookPlace) -> ForgeRequest<HookTrial>? { nil }

    private func hooksAddress(at place: HookPlace) -> String { address(of: place) + "/hooks" }

    private func address(of hook: ForgeHook, at place: HookPlace) -> String {
        hooksAddress(at: place) + "/" + Percent.encoded(hook.id)
    }

    private func address(of place: HookPlace) -> String {
        switch place {
        case .repository(let name): base + "repositories/\(Percent.encoded(name.owner))/\(Percent.encoded(name.slug))"
        case .owner(let workspace): base + "workspaces/" + Percent.encoded(workspace)
        }
    }

    // MARK: Statuses

    /// A public deployments API for what is no Pipeline there is none.
    func report(_ status: BuildStatus) -> [ForgeRequest<Void>] {
        let state =
            switch status.state {
            case .inProgress: "INPROGRESS"
            case .successful: "SUCCESSFUL"
            case .failed: "FAILED"
            case .stopped: "STOPPED"
            }
        let body = StatusBody(
            type: "build", key: status.key, state: state, name: status.name, description: status.description,
            url: status.link ?? commitPage(status), refname: status.ref?.shortName)
        let address = address(of: .repository(status.repository)) + "/commit/\(status.commit.hex)/statuses/build"
        return [ForgeRequest(.post, address, body: .encoding(body)) { (answer) throws(ForgeError) in try answer.expectTaken() }]
    }

    private func commitPage(_ status: BuildStatus) -> String {
        "\(Self.site)/\(Percent.encoded(status.repository.owner))/\(Percent.encoded(status.repository.slug))/commits/\(status.commit.hex)"
    }

    // MARK: OAuth

    /// Cloud knows no PKCE, and redirects to the callback of the consumer's settings.
    func loginAddress(key: String, state: String, challenge: String, redirect: String) -> String {
        "\(Self.site)/site/oauth2/authorize?client_id=\(Percent.encoded(key))&response_type=code&state=\(Percent.encoded(state))"
    }

    func tokens(_ grant: OAuthGrant, key: String, secret: Secret) -> ForgeRequest<OAuthTokens> {
        // It takes neither, as it was given neither.
        let fields = grant.fields.filter { $0.name != "code_verifier" && $0.name != "redirect_uri" }
        return ForgeRequest(
            .post, Self.site + "/site/oauth2/access_token", body: .form(fields),
            authorization: .basic(user: key, password: secret),
            // A code and a refresh token are dead once they were shown.
            isRepeatable: grant == .consumer, secrets: grant.secrets + [secret], decode: TokenReply.tokens(in:))
    }

    private static func text(of secret: Secret) -> String { secret.withBytes { String(decoding: $0, as: UTF8.self) } }

    // MARK: Lists

    private func list<Raw: Decodable & Sendable, Item: Sendable>(
        _ url: String, query: [(name: String, value: String)], _ item: @escaping @Sendable (Raw) -> Item?
    ) -> ForgeRequest<ForgePage<Item>> {
        ForgeRequest(.get, url, query: query) { (answer) throws(ForgeError) in
            let page = try answer.json(Page<Raw>.self)
            return ForgePage(
                items: page.values.compactMap(item),
                next: try page.next.map { (next) throws(ForgeError) in
                    // Taken as it is (the page is named by what only the forge understands), but from nobody else.
                    guard next.hasPrefix(base), next.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                        throw ForgeError(.malformed, "it names another server for the next page")
                    }
                    return list(next, query: [], item)
                })
        }
    }
}

private struct Page<Raw: Decodable>: Decodable {
    var values: [Raw]
    var next: String?
}

private struct User: Decodable {
    var display_name: String?
}

private struct Membership: Decodable {
    var workspace: Workspace?

    struct Workspace: Decodable { var slug: String? }
}

private struct Repository: Decodable {
    var uuid: String?
    var full_name: String
    var mainbranch: Branch?

    struct Branch: Decodable { var name: String? }

    var value: ForgeRepository? {
        RepositoryName(full_name).map { ForgeRepository(name: $0, id: uuid, mainBranch: mainbranch?.name) }
    }
}

private struct Branch: Decodable {
    var name: String
    var target: Target?

    struct Target: Decodable { var hash: String? }
}

private struct Hook: Decodable {
    var uuid: String
    var url: String
    var description: String?
    var active: Bool?
    var events: [String]
    var secret_set: Bool?

    var value: ForgeHook {
        ForgeHook(
            id: uuid, url: url, name: description ?? "", events: Set(events), isActive: active ?? true, hasSecret: secret_set)
    }

    static func value(in answer: ForgeAnswer) throws(ForgeError) -> ForgeHook { try answer.json(Hook.self).value }
}

private struct HookBody: Encodable {
    var description: String
    var url: String
    var active = true
    var events: [String]
    /// Left out, the hook keeps the one it has.
    var secret: String?
}

private struct StatusBody: Encodable {
    var type: String
    var key: String
    var state: String
    var name: String
    var description: String
    var url: String
    /// Ties it to a pull request.
    var refname: String?
}
