import Domain
import Providers

/// Where an account's deliveries come in, or those of an app with a hook of its own.
struct Door: Sendable {
    let account: Account
    /// The app whose own hook it is.
    let app: String?
    let provider: any Provider
    let matcher: Matcher
}

/// All of them, by what stands behind `/hooks/`.
struct Doors: Sendable {
    private var doors: [String: Door] = [:]

    init(_ configuration: Configuration) {
        for account in configuration.accounts.values {
            guard let provider = provider(for: account.kind) else { continue }
            let apps = configuration.apps.filter { $0.account == account.name }
            doors[account.name] = Door(
                account: account, app: nil, provider: provider, matcher: Matcher(apps: apps.filter { $0.hookSecrets == nil }))
            for app in apps {
                guard let secrets = app.hookSecrets else { continue }
                var own = account
                own.hookSecrets = secrets
                doors["\(account.name)/\(app.name)"] = Door(
                    account: own, app: app.name, provider: provider, matcher: Matcher(apps: [app]))
            }
        }
    }

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
