import AsyncHTTPClient
import Domain
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Providers
import Synchronization

/// The way to the forges: whoever wants to ask one is lent a client for as long as it takes.
struct Forges: Sendable {
    let live: LiveConfiguration
    let tokens: AccessTokens
    let pressure: ForgePressure
    /// The daemon's own, for proxies.
    let environment: [String: String]
    let version: String

    /// Where a forge sends people back who have logged in; nil: nobody could come.
    var callback: String? {
        let configuration = live.current
        return configuration.hooks.isOff ? nil : configuration.publicURL.map { $0 + "/oauth/callback" }
    }

    /// The account with a credential that can be shown as it is, to git too.
    ///
    /// - Parameter refused: what the forge did not take.
    func bearer(for account: Account, refused: Secret? = nil) async throws -> Account {
        try await tokens.bearer(for: account, callback: callback, refused: refused, tokensOfForge)
    }

    /// Shows a grant to the account's forge.
    func tokensOfForge(_ account: Account, _ grant: OAuthGrant) async throws -> OAuthTokens {
        guard let consumer = account.consumer else { throw ForgeError(.invalid, "account \(account.name) has no OAuth consumer") }
        return try await with(account, asConsumer: true) { client in
            try await client.send(client.api.tokens(grant, key: consumer.key, secret: consumer.secret))
        }
    }

    /// - Parameters:
    ///   - account: with the credential that is to be shown.
    ///   - isConsumer: whether nothing is asked that the account's OAuth consumer would need an access token for.
    /// - Throws: ``ForgeError`` with a sentence for people as its phrase, and what `body` throws.
    func with<Result: Sendable>(
        _ account: Account, asConsumer isConsumer: Bool = false, _ body: (ForgeClient) async throws -> Result
    ) async throws -> Result {
        guard let api = forgeAPI(for: account) else {
            throw ForgeError(.invalid, "accounts of kind \(account.kind.rawValue) are not supported yet")
        }
        var configuration = HTTPClient.Configuration()
        // A forge that leads elsewhere is not followed blindly; see ForgeClient.
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout = .init(connect: .seconds(10), read: .seconds(20))
        var tls = TLSConfiguration.makeClientConfiguration()
        if let authority = account.certificateAuthority { tls.additionalTrustRoots = [.file(authority)] }
        configuration.tlsConfiguration = tls
        configuration.proxy = ForwardProxy.chosen(
            for: api.base, configured: account.proxy, environments: [live.current.environment, environment]
        ).map(HTTPClient.Configuration.Proxy.init)
        let http = HTTPClient(eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
        do {
            let shown = isConsumer ? account : try await bearer(for: account)
            var client = ForgeClient(account: shown, api: api, http: http, pressure: pressure, userAgent: "bittern/\(version)")
            if !isConsumer, account.consumer != nil {
                client.renew = { refused in try await bearer(for: account, refused: refused) }
            }
            let result = try await body(client)
            try? await http.shutdown()  // what it says of a connection that is closed is no news
            return result
        } catch {
            try? await http.shutdown()  // the first error is the one to tell
            throw error
        }
    }
}

extension HTTPClient.Configuration.Proxy {
    fileprivate init(_ proxy: ForwardProxy) {
        let authorization = proxy.authorization.map { secret in
            // AsyncHTTPClient writes `Basic` before the rest by itself.
            HTTPClient.Authorization.basic(
                credentials: secret.withBytes { String(decoding: $0.dropFirst("Basic ".utf8.count), as: UTF8.self) })
        }
        self = .server(host: proxy.host, port: proxy.port, authorization: authorization)
    }
}

/// Which forges said lately that they were asked too much.
final class ForgePressure: Sendable {
    private let moments = Mutex<[String: Timestamp]>([:])
    private let clock: WallClock

    init(clock: WallClock) {
        self.clock = clock
    }

    func note(_ account: String) {
        let now = clock.now
        moments.withLock { $0[account] = now }
    }

    func isOn(_ account: String) -> Bool {
        let now = clock.now
        return moments.withLock { $0[account] }.map { now.since($0) < CatchUpPace.pressure } ?? false
    }
}

/// Sends requests to the forge of one account and gives back what they come to.
///
/// Every answer is bounded in size and time. 429 and 5xx are asked again as ``ForgeRetry`` says. Redirects and pages are followed only
/// below ``ForgeAPI/base``, and the credential is shown to nobody else.
struct ForgeClient: Sendable {
    /// With a credential that can be shown as it is.
    let account: Account
    let api: any ForgeAPI
    fileprivate let http: HTTPClient
    fileprivate let pressure: ForgePressure
    fileprivate let userAgent: String
    /// Has the account given another access token in the place of one that was refused; nil: it was given none.
    fileprivate var renew: (@Sendable (Secret) async throws -> Account)?

    private static let answerLimit = 8 << 20
    /// For one answer, its body included.
    private static let patience: Duration = .seconds(30)
    private static let redirects = 3
    private static let pages = 500

    /// - Throws: ``ForgeError`` whose phrase is a sentence for people; `CancellationError`.
    func send<Reply: Sendable>(_ request: ForgeRequest<Reply>) async throws -> Reply {
        var retry = ForgeRetry()
        var account = account
        while true {
            let answer = try await answer(to: request, as: account)
            // One that should be good for longer may have been taken back.
            if answer.status == 401, account == self.account, let renew, case .accessToken(let token) = account.rest {
                account = try await renew(token)
                continue
            }
            if answer.isNearLimit || answer.status == 429 { pressure.note(account.name) }
            let delay = retry.delay(
                afterStatus: answer.status, isRepeatable: request.isRepeatable, wanted: answer.retryAfter,
                chance: .random(in: 0...1))
            if let delay {
                try await Task.sleep(for: delay)
                continue
            }
            do throws(ForgeError) {
                return try request.reply(to: answer)
            } catch {
                throw sentence(for: error, hiding: request.secrets)
            }
        }
    }

    /// All pages of a list, up to so many items.
    func all<Item: Sendable>(_ first: ForgeRequest<ForgePage<Item>>, limit: Int = 50_000) async throws -> [Item] {
        var items: [Item] = []
        var next: ForgeRequest<ForgePage<Item>>? = first
        var pages = 0
        while let request = next, items.count < limit {
            pages += 1
            guard pages <= Self.pages else { throw sentence(for: ForgeError(.malformed, "it has no end of pages")) }
            let page = try await send(request)
            items += page.items
            next = page.next
        }
        return Array(items.prefix(limit))
    }

    private func answer<Reply>(to request: ForgeRequest<Reply>, as account: Account) async throws -> ForgeAnswer {
        var address = request.address
        var leads = 0
        while true {
            let answer = try await sent(request, to: address, as: account)
            guard [301, 302, 307, 308].contains(answer.status), let location = answer["Location"] else { return answer }
            leads += 1
            // A path alone is on the same host.
            let next = location.hasPrefix("/") && !location.hasPrefix("//") ? (api.origin ?? "") + location : location
            guard next.hasPrefix(api.base), request.url.hasPrefix(api.base), leads <= Self.redirects else {
                throw sentence(for: ForgeError(.malformed, "it leads to another address, which is not followed"))
            }
            address = next
        }
    }

    private func sent<Reply>(_ request: ForgeRequest<Reply>, to address: String, as account: Account) async throws -> ForgeAnswer {
        var message = HTTPClientRequest(url: address)
        message.method = HTTPMethod(rawValue: request.method.rawValue)
        message.headers.add(name: "Accept", value: "application/json")
        message.headers.add(name: "User-Agent", value: userAgent)
        switch request.authorization {
        case .account: if let value = account.restAuthorization { message.headers.add(name: "Authorization", value: value.headerText) }
        case .basic(let user, let password):
            message.headers.add(name: "Authorization", value: Account.basic(user, password).headerText)
        case .none: break
        }
        if let body = request.body {
            message.headers.add(name: "Content-Type", value: body.contentType)
            message.body = .bytes(body.bytes)
        }
        let http = http
        let final = message
        do {
            return try await Self.within(Self.patience) {
                let response = try await http.execute(final, deadline: .distantFuture)
                let body = try await response.body.collect(upTo: Self.answerLimit)
                return ForgeAnswer(
                    status: Int(response.status.code), fields: response.headers.map { (name: $0.name, value: $0.value) },
                    body: Data(body.readableBytesView))
            }
        } catch is NIOTooManyBytesError {
            throw sentence(for: ForgeError(.malformed, "it answered with more than \(Self.answerLimit >> 20) MB"))
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw sentence(for: ForgeError(.unreachable, "could not be reached: \(WebProbe.phrase(error))"))
        }
    }

    private static func within<Result: Sendable>(
        _ limit: Duration, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw HTTPClientError.deadlineExceeded
            }
            guard let result = try await group.next() else { throw CancellationError() }
            return result
        }
    }

    /// The error as people read it, without any secret that the forge may have repeated.
    private func sentence(for error: ForgeError, hiding secrets: [Secret] = []) -> ForgeError {
        let host = hostOfAddress(api.base) ?? account.name
        var mask = LogMask(secrets: account.credentialSecrets + secrets)
        let text = Array(error.sentence(host: host, account: account).utf8)
        return error.saying(String(decoding: mask.mask(text) + mask.finish(), as: UTF8.self))
    }
}

extension Secret {
    /// For a header field that goes out by TLS, and nowhere else.
    fileprivate var headerText: String { withBytes { String(decoding: $0, as: UTF8.self) } }
}
