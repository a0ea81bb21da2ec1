package import Domain
import FoundationEssentials

/// What can be asked of one kind of forge, as requests that nobody has sent yet.
///
/// Everything below is about one account; its addresses come from the configuration and from nowhere else. An address that a forge names,
/// for the next page or in a redirect, is taken only where it lies below ``base``.
package protocol ForgeAPI: Sendable {
    /// Below this lies everything that is asked for, and the credential is shown to nothing else; with a slash at its end.
    var base: String { get }

    /// Events that a hook of ours is to send.
    var hookEvents: Set<String> { get }

    /// Whether and which version answers, asked without credential; nil where there is but one.
    var server: ForgeRequest<String>? { get }

    /// Whose credential it is; nil where the forge would not say.
    var user: ForgeRequest<ForgeIdentity>? { get }

    /// The workspaces or projects the credential sees; nil where the forge would not say.
    var owners: ForgeRequest<ForgePage<String>>? { get }

    func repository(_ name: RepositoryName) -> ForgeRequest<SeenRepository>

    func repositories(of owner: String) -> ForgeRequest<ForgePage<ForgeRepository>>

    /// - Parameter search: only those whose names hold this text; nil: all.
    func branches(of repository: RepositoryName, search: String?) -> ForgeRequest<ForgePage<ForgeBranch>>

    func hooks(at place: HookPlace) -> ForgeRequest<ForgePage<ForgeHook>>

    func add(_ hook: WantedHook, secret: Secret, at place: HookPlace) -> ForgeRequest<ForgeHook>

    /// - Parameter secret: nil: the hook keeps the one it has, where the forge can leave it.
    func change(_ old: ForgeHook, to hook: WantedHook, secret: Secret?, at place: HookPlace) -> ForgeRequest<ForgeHook>

    func remove(_ hook: ForgeHook, at place: HookPlace) -> ForgeRequest<Void>

    /// Has the forge send a connection test; nil where it knows none.
    func tryOut(_ hook: ForgeHook, at place: HookPlace) -> ForgeRequest<HookTrial>?

    /// What tells the forge of a status, to be sent one after the other. Each may be sent again and changes nothing by that.
    func report(_ status: BuildStatus) -> [ForgeRequest<Void>]

    /// Where a person lets the account's OAuth consumer act for them.
    ///
    /// - Parameters:
    ///   - state: comes back with the answer, so that nobody can slip us another one.
    ///   - challenge: of the verifier that ``tokens(_:key:secret:)`` shows (RFC 7636); left out where the forge does not know it.
    func loginAddress(key: String, state: String, challenge: String, redirect: String) -> String

    func tokens(_ grant: OAuthGrant, key: String, secret: Secret) -> ForgeRequest<OAuthTokens>
}

extension ForgeAPI {
    /// Scheme, host and port of ``base``.
    package var origin: String? {
        guard let mark = base.firstRange(of: "://") else { return nil }
        return String(base[..<mark.upperBound]) + base[mark.upperBound...].prefix { $0 != "/" }
    }
}

/// Who a credential belongs to.
package struct ForgeIdentity: Sendable, Equatable {
    package var name: String
    /// What it may do; nil: the forge does not say.
    package var scopes: Set<String>?
}

/// A repository with what the credential may do that saw it.
package struct SeenRepository: Sendable, Equatable {
    package var repository: ForgeRepository
    package var scopes: Set<String>?
}

/// By what an OAuth consumer is given an access token (RFC 6749, 4.1, 4.4 and 6).
package enum OAuthGrant: Sendable, Equatable {
    case consumer
    case code(String, verifier: Secret, redirect: String)
    case refresh(Secret, redirect: String?)
}

/// The requests of the account's forge; nil for kinds that are not supported yet.
package func forgeAPI(for account: Account) -> (any ForgeAPI)? {
    switch account.kind {
    case .bitbucketCloud: BitbucketCloudAPI(account)
    case .bitbucketDataCenter: account.url.map { BitbucketDataCenterAPI(account, base: $0) }
    case .github, .gitlab, .gitea: nil
    }
}

/// What every OAuth server answers (RFC 6749, 5.1).
struct TokenReply: Decodable {
    var access_token: String
    var expires_in: Int?
    var refresh_token: String?

    static func tokens(in answer: ForgeAnswer) throws(ForgeError) -> OAuthTokens {
        let reply = try answer.json(TokenReply.self)
        // Without a word of it an hour is what all of them give.
        let lifetime = max(60, min(reply.expires_in ?? 3600, 86_400 * 365))
        return OAuthTokens(
            access: Secret(reply.access_token), lifetime: .seconds(lifetime), refresh: reply.refresh_token.map { Secret($0) })
    }
}

extension OAuthGrant {
    var secrets: [Secret] {
        switch self {
        case .consumer: []
        case .code(let code, let verifier, _): [Secret(code), verifier]
        case .refresh(let token, _): [token]
        }
    }

    /// The fields of the request's body.
    var fields: [(name: String, value: Secret)] {
        switch self {
        case .consumer: [("grant_type", Secret("client_credentials"))]
        case .code(let code, let verifier, let redirect):
            [
                ("grant_type", Secret("authorization_code")), ("code", Secret(code)), ("code_verifier", verifier),
                ("redirect_uri", Secret(redirect)),
            ]
        case .refresh(let token, let redirect):
            [("grant_type", Secret("refresh_token")), ("refresh_token", token)] + (redirect.map { [("redirect_uri", Secret($0))] } ?? [])
        }
    }
}
