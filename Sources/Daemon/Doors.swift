import Domain
import Providers
import Synchronization

/// Where an account's deliveries come in, or those of an app with a hook of its own. (A class: every request holds the one it came to.)
final class Door: Sendable {
    let account: Account
    /// The app whose own hook it is.
    let app: String?
    let provider: any Provider
    let matcher: Matcher
    let verified: VerifiedSecrets

    /// - Parameter old: the hook of that path before a reload.
    init(account: Account, app: String?, provider: any Provider, matcher: Matcher, keeping old: Door?) {
        self.account = account
        self.app = app
        self.provider = provider
        self.matcher = matcher
        let isSame = old?.account.hookSecrets == account.hookSecrets
        verified = old.flatMap { isSame ? $0.verified : nil } ?? VerifiedSecrets(count: account.hookSecrets.count)
    }

    /// As it is written behind `/hooks/`.
    var path: String { account.name + (app.map { "/\($0)" } ?? "") }
}

/// When each secret of a hook last proved a delivery, so that whoever rotates them knows when the old one may go. It begins anew with
/// the daemon, and when the secrets are others.
final class VerifiedSecrets: Sendable {
    private let moments: Mutex<[Timestamp?]>

    init(count: Int) {
        moments = Mutex(Array(repeating: nil, count: count))
    }

    func note(_ secret: Int, at moment: Timestamp) {
        moments.withLock { $0[secret] = moment }
    }

    /// In the order of the configuration.
    var all: [Timestamp?] { moments.withLock { $0 } }
}

/// All of them, by what stands behind `/hooks/`.
struct Doors: Sendable {
    private var doors: [String: Door] = [:]

    init(_ configuration: Configuration, names: [String: RepositoryNames], keeping old: Doors? = nil) {
        for account in configuration.accounts.values {
            guard let provider = provider(for: account.kind) else { continue }
            let apps = configuration.apps(of: account)
            let names = names.of(account)
            doors[account.name] = Door(
                account: account, app: nil, provider: provider, matcher: Matcher(apps: apps.filter { $0.hookSecrets == nil }, names: names),
                keeping: old?[account.name])
            for app in apps {
                guard let secrets = app.hookSecrets else { continue }
                var own = account
                own.hookSecrets = secrets
                doors["\(account.name)/\(app.name)"] = Door(
                    account: own, app: app.name, provider: provider, matcher: Matcher(apps: [app], names: names),
                    keeping: old?[account.name, app.name])
            }
        }
    }

    /// In the order of their paths.
    var all: [Door] { doors.values.sorted { $0.path < $1.path } }

    subscript(account: String) -> Door? { doors[account] }

    subscript(account: String, app: String) -> Door? { doors["\(account)/\(app)"] }

    /// What `/hooks/ACCOUNT` and `/hooks/ACCOUNT/APP` name; nil for any other path.
    static func names(in path: String) -> (account: String, app: String?)? {
        guard path.hasPrefix("/hooks/") else { return nil }
        let words = path.dropFirst("/hooks/".count).split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count <= 2 else { return nil }
        return (account: String(words[0]), app: words.count == 2 ? String(words[1]) : nil)
    }
}
