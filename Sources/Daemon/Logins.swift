import Domain
import Providers
import ServiceLifecycle
import Synchronization

/// People on their way to a forge, where they let an account's OAuth consumer act for them, and back (RFC 6749, 4.1; RFC 7636).
actor Logins: Service {
    /// How long the callback is served.
    static let patience: Duration = .seconds(600)
    private static let atOnce = 20

    private struct Pending {
        let account: Account
        let verifier: Secret
        let redirect: String
        let until: Timestamp
        /// Somebody came back, and what he brought is being looked at.
        var isReturning = false
        var outcome: Result<Void, ForgeError>?
        var waiting: [CheckedContinuation<Result<Void, ForgeError>, Never>] = []
    }

    private let forges: Forges
    private let tokens: AccessTokens
    private let clock: WallClock
    private var pending: [String: Pending] = [:]
    /// For the listener: nearly always nobody is on his way, and then there is no such page.
    private let open = Mutex<Timestamp?>(nil)

    init(forges: Forges, tokens: AccessTokens, clock: WallClock) {
        self.forges = forges
        self.tokens = tokens
        self.clock = clock
    }

    /// Lets those go who wait, when the daemon stops.
    func run() async throws {
        try await gracefulShutdown()
        let late = ForgeError(.missing, "the daemon stops; begin anew when it is back")
        for (state, login) in pending where login.outcome == nil { conclude(state, .failure(late)) }
    }

    /// Whether the callback is there.
    nonisolated var isOpen: Bool {
        let now = clock.now
        return open.withLock { $0 }.map { now < $0 } ?? false
    }

    /// Where a person is to go, and the state by which their return is known.
    ///
    /// - Throws: ``ForgeError``
    func begin(_ account: Account) throws(ForgeError) -> (address: String, state: String) {
        guard let consumer = account.consumer, let api = forgeAPI(for: account) else {
            throw ForgeError(.invalid, "account \(account.name) has no OAuth consumer; set auth: {oauth: {key: …, secret: …}}")
        }
        guard let redirect = forges.callback else {
            throw ForgeError(
                .invalid, "nobody could come back from the forge; set public_url, and let the daemon listen for hooks while you log in")
        }
        let now = clock.now
        pending = pending.filter { $0.value.until > now }
        guard pending.values.count(where: { $0.outcome == nil }) < Self.atOnce else {
            throw ForgeError(.busy, "too many logins are under way; try again in 10 minutes")
        }
        let (state, proof) = (ProofKey.text(of: Self.random()), ProofKey(random: Self.random()))
        let until = now.advanced(by: Self.patience)
        pending[state] = Pending(account: account, verifier: proof.verifier, redirect: redirect, until: until)
        open.withLock { $0 = until }
        return (api.loginAddress(key: consumer.key, state: state, challenge: proof.challenge, redirect: redirect), state)
    }

    /// Waits until the person has come back, or it is too late for that.
    func outcome(of state: String) async -> Result<Void, ForgeError> {
        guard let login = pending[state] else { return .failure(ForgeError(.missing, "nobody is logging in so any more; begin anew")) }
        if let outcome = login.outcome { return outcome }
        let (now, late) = (clock.now, ForgeError(.missing, "nobody came back from the forge within 10 minutes; begin anew"))
        let watch = Task {
            try await Task.sleep(for: login.until.since(now))  // cancelled when somebody came
            self.conclude(state, .failure(late))
        }
        defer { watch.cancel() }
        return await withCheckedContinuation { continuation in
            // Nothing else ran on this actor since the look above.
            pending[state]?.waiting.append(continuation)
        }
    }

    /// A person comes back. Nothing that the forge sent along is shown: this page is there for anybody.
    ///
    /// - Parameter query: what stands behind the `?` of the address.
    /// - Returns: a sentence for them, and whether all is well.
    func comeBack(_ query: [String: String]) async -> (sentence: String, isWell: Bool) {
        guard let state = query["state"], let login = pending[state], login.until > clock.now, !login.isReturning else {
            return ("This login is over or was never begun; begin anew with: bittern account login", false)
        }
        pending[state]?.isReturning = true
        let result: Result<Void, ForgeError>
        if let code = query["code"], !code.isEmpty {
            result = await exchange(code, login)
        } else {
            let why = query["error"].map { SafeText.shown($0, limit: 100) } ?? "no code came back"
            result = .failure(ForgeError(.forbidden, "the forge did not allow it: \(why)"))
        }
        conclude(state, result)
        if case .failure = result { return ("The login failed; the terminal in which it was begun says why.", false) }
        return ("You are logged in; this page may be closed.", true)
    }

    private func exchange(_ code: String, _ login: Pending) async -> Result<Void, ForgeError> {
        do {
            let grant = OAuthGrant.code(code, verifier: login.verifier, redirect: login.redirect)
            try await tokens.logIn(login.account, grant) { account, grant in try await forges.tokensOfForge(account, grant) }
            return .success(())
        } catch let error as ForgeError {
            return .failure(error)
        } catch {
            return .failure(ForgeError(.invalid, "\(error)"))
        }
    }

    private func conclude(_ state: String, _ result: Result<Void, ForgeError>) {
        let waiting = pending[state]?.waiting ?? []
        pending[state]?.outcome = result
        pending[state]?.waiting = []
        if pending.values.allSatisfy({ $0.outcome != nil }) { open.withLock { $0 = nil } }
        waiting.forEach { $0.resume(returning: result) }
    }

    private static func random() -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        return (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
}
