import Domain
import Exec
import Glibc
import Providers

/// The access tokens that accounts with an OAuth consumer are given, for as long as they are good.
///
/// Where somebody has logged in, the account has a refresh token, which dies when it is shown and is replaced by the one that comes
/// back. That is on the disk, sealed, before the access token that came with it is used; where the disk is full it is kept here and
/// written later. (A daemon that dies after the forge has answered, and before the file has its name, loses it; no order of things can
/// prevent that, and somebody has to log in anew.)
actor AccessTokens {
    /// A token is not shown in the last moments of its life.
    private static let margin: Duration = .seconds(60)

    /// Shows a grant to the account's forge, over a connection of its own.
    typealias Ask = @Sendable (Account, OAuthGrant) async throws -> OAuthTokens

    private struct Held: Sendable {
        let account: Account
        let token: Secret
        let until: ContinuousClock.Instant
    }

    private typealias Waiting = CheckedContinuation<Held, any Error>

    private let state: StateDirectory
    /// Told what went wrong that nobody asked for.
    private let trouble: @Sendable (String) -> Void
    private var held: [String: Held] = [:]
    /// One at a time asks for an account: of two that show the same refresh token one would be refused. Who waits may leave, for whoever
    /// asks goes on.
    private var waiting: [String: [Int: Waiting]] = [:]
    private var tickets = 0
    /// Refresh tokens that could not be written.
    private var unwritten: [String: Secret] = [:]

    init(state: StateDirectory, trouble: @escaping @Sendable (String) -> Void) {
        self.state = state
        self.trouble = trouble
    }

    /// The account with a credential that can be shown as it is.
    ///
    /// - Parameters:
    ///   - callback: ``Forges/callback``
    ///   - refused: what the forge did not take, though it should be good for longer.
    func bearer(for account: Account, callback: String?, refused: Secret? = nil, _ ask: @escaping Ask) async throws -> Account {
        guard let consumer = account.consumer else { return account }
        let key = Self.key(account, consumer.key)
        if let refused, held[key]?.token == refused { held[key] = nil }
        if let held = held[key], held.account == account, .now < held.until { return account.bearing(held.token) }
        return account.bearing(try await next(account, key, consumer.secret, callback, ask).token)
    }

    /// The forge did not take what was shown to it.
    func forget(_ token: Secret) {
        held = held.filter { $0.value.token != token }
    }

    /// Has what a person allowed, and keeps it.
    func logIn(_ account: Account, _ grant: OAuthGrant, _ ask: Ask) async throws {
        guard let consumer = account.consumer else { return }
        let tokens = try await ask(account, grant)
        guard let refresh = tokens.refresh else {
            throw ForgeError(.malformed, "the forge gave no refresh token; check what the consumer may do")
        }
        try store(refresh, of: account, with: consumer.secret)
        held[Self.key(account, consumer.key)] = Held(account: account, token: tokens.access, until: Self.end(of: tokens))
    }

    /// An app of the account may have a consumer of its own.
    private static func key(_ account: Account, _ consumer: String) -> String { account.name + " " + consumer }

    private func next(_ account: Account, _ key: String, _ secret: Secret, _ callback: String?, _ ask: @escaping Ask) async throws -> Held {
        tickets += 1
        let ticket = tickets
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: Waiting) in
                // A task that was cancelled before has had its handler called already.
                guard !Task.isCancelled else { return continuation.resume(throwing: CancellationError()) }
                let isFirst = waiting[key] == nil
                waiting[key, default: [:]][ticket] = continuation
                guard isFirst else { return }
                // Nobody's leaving ends it: what the forge gives out meanwhile would be lost.
                Task { await self.obtain(account, key, secret, callback, ask) }
            }
        } onCancel: {
            Task { await self.leave(ticket, key) }
        }
    }

    private func leave(_ ticket: Int, _ key: String) {
        waiting[key]?.removeValue(forKey: ticket)?.resume(throwing: CancellationError())
    }

    private func obtain(_ account: Account, _ key: String, _ secret: Secret, _ callback: String?, _ ask: Ask) async {
        let result: Result<Held, any Error>
        do {
            let new = try await new(account, key, secret, callback, ask)
            held[key] = new
            result = .success(new)
        } catch {
            result = .failure(error)
        }
        let all = waiting.removeValue(forKey: key) ?? [:]
        for continuation in all.values { continuation.resume(with: result) }
    }

    private func new(_ account: Account, _ key: String, _ secret: Secret, _ callback: String?, _ ask: Ask) async throws -> Held {
        let stored = try unwritten[key] ?? storedToken(of: account, with: secret)
        let grant: OAuthGrant = stored.map { .refresh($0, redirect: callback) } ?? .consumer
        let tokens: OAuthTokens
        do {
            tokens = try await ask(account, grant)
        } catch let error as ForgeError where error.code == .invalid || error.code == .unauthorized {
            guard stored != nil || account.kind == .bitbucketDataCenter else { throw error }
            throw error.saying("\(error.phrase); log in: bittern account login \(account.name)")
        }
        if let refresh = tokens.refresh, stored != nil {
            do {
                try store(refresh, of: account, with: secret)
                unwritten[key] = nil
            } catch {
                unwritten[key] = refresh
                trouble("the login of account \(account.name) could not be written, and would be lost with the daemon: \(error)")
            }
        }
        return Held(account: account, token: tokens.access, until: Self.end(of: tokens))
    }

    private static func end(of tokens: OAuthTokens) -> ContinuousClock.Instant {
        .now + max(.zero, tokens.lifetime - margin)
    }

    // MARK: The refresh token

    private var directory: String { state.path + "/tokens" }

    /// Whether somebody has logged in for the account.
    func isLoggedIn(_ account: Account) -> Bool {
        guard let consumer = account.consumer else { return false }
        return (try? storedToken(of: account, with: consumer.secret)) != nil  // a file that cannot be read is none
    }

    private func storedToken(of account: Account, with secret: Secret) throws -> Secret? {
        let path = "\(directory)/\(account.name)"
        guard !FileSystem.isMissing(path) else { return nil }
        do {
            let text = String(decoding: try SmallFile.read(path, limit: 64 << 10).bytes, as: UTF8.self)
            // Sealed with another secret, it belonged to another consumer.
            return SealedToken.open(text, for: account.name, with: secret)
        } catch {
            throw ForgeError(.invalid, error.phrase(for: path))
        }
    }

    private func store(_ token: Secret, of account: Account, with secret: Secret) throws {
        var random = SystemRandomNumberGenerator()
        let nonce = (0..<SealedToken.nonceSize).map { _ in UInt8.random(in: 0...255, using: &random) }
        guard let text = SealedToken.seal(token, for: account.name, with: secret, nonce: nonce) else {
            throw ForgeError(.invalid, "the refresh token of account \(account.name) could not be sealed")
        }
        do {
            try FileSystem.makeDirectory(directory, mode: 0o700)
            try FileSystem.replaceFile(text, named: account.name, in: directory, mode: 0o600)
        } catch {
            throw ForgeError(.invalid, "\(error)")
        }
    }
}
