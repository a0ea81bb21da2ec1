import Domain
import Exec
import Glibc
import Providers

/// The access tokens that accounts with an OAuth consumer are given, for as long as they are good.
///
/// Where somebody has logged in, the account has a refresh token, which dies when it is shown and is replaced by the one that comes
/// back. That is on the disk, sealed, before the access token that came with it is used: a daemon that dies in between loses nothing.
actor AccessTokens {
    /// A token is not shown in the last moments of its life.
    private static let margin: Duration = .seconds(60)

    private struct Held: Sendable {
        let account: Account
        let token: Secret
        let until: Timestamp
    }

    private let state: StateDirectory
    private let clock: WallClock
    private var held: [String: Held] = [:]
    /// One at a time asks for an account: of two that show the same refresh token one would be refused.
    private var asking: [String: Task<Held, any Error>] = [:]

    init(state: StateDirectory, clock: WallClock) {
        self.state = state
        self.clock = clock
    }

    /// The account with a credential that can be shown as it is.
    ///
    /// - Parameter client: asks its forge, should that be needed.
    func bearer(for account: Account, asking client: ForgeClient) async throws -> Account {
        guard let consumer = account.consumer else { return account }
        // An app of the account may have a consumer of its own.
        let key = account.name + " " + consumer.key
        if let held = held[key], held.account == account, clock.now < held.until { return account.bearing(held.token) }
        let task = asking[key] ?? Task { try await self.ask(account, consumer.key, consumer.secret, client) }
        asking[key] = task
        defer { asking[key] = nil }
        return account.bearing(try await task.value.token)
    }

    /// Has what a person allowed, and keeps it.
    ///
    /// - Throws: ``ForgeError``
    func logIn(_ account: Account, _ grant: OAuthGrant, asking client: ForgeClient) async throws {
        guard let consumer = account.consumer else { return }
        let tokens = try await client.send(client.api.tokens(grant, key: consumer.key, secret: consumer.secret))
        guard let refresh = tokens.refresh else {
            throw ForgeError(.malformed, "the forge gave no refresh token; check what the consumer may do")
        }
        try store(refresh, of: account, with: consumer.secret)
        held[account.name + " " + consumer.key] = Held(account: account, token: tokens.access, until: end(of: tokens))
    }

    private func ask(_ account: Account, _ key: String, _ secret: Secret, _ client: ForgeClient) async throws -> Held {
        let stored = try storedToken(of: account, with: secret)
        let grant: OAuthGrant = stored.map { .refresh($0, redirect: client.callback) } ?? .consumer
        let tokens: OAuthTokens
        do {
            tokens = try await client.send(client.api.tokens(grant, key: key, secret: secret))
        } catch let error as ForgeError where stored != nil && (error.code == .invalid || error.code == .unauthorized) {
            throw error.saying("\(error.phrase); log in anew: bittern account login \(account.name)")
        }
        if let refresh = tokens.refresh, stored != nil { try store(refresh, of: account, with: secret) }
        let new = Held(account: account, token: tokens.access, until: end(of: tokens))
        held[account.name + " " + key] = new
        return new
    }

    private func end(of tokens: OAuthTokens) -> Timestamp {
        clock.now.advanced(by: max(.zero, tokens.lifetime - Self.margin))
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
        try FileSystem.makeDirectory(directory, mode: 0o700)
        try FileSystem.replaceFile(text, named: account.name, in: directory, mode: 0o600)
    }
}
