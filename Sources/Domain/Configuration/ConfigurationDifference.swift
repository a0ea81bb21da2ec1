/// What a reload changes, and what of it must wait for a restart.
package struct ConfigurationDifference: Sendable, Equatable {
    /// Names, in their order.
    package struct Names: Sendable, Equatable {
        package var added: [String] = []
        package var changed: [String] = []
        package var removed: [String] = []

        package var isEmpty: Bool { added.isEmpty && changed.isEmpty && removed.isEmpty }
    }

    package let apps: Names
    package let accounts: Names
    /// Keys of the main file whose new value counts only after a restart.
    package let needRestart: [String]

    package init(from old: Configuration, to new: Configuration) {
        apps = Self.names(old.apps.map { ($0.name, $0) }, new.apps.map { ($0.name, $0) })
        accounts = Self.names(old.accounts.map { ($0, $1) }, new.accounts.map { ($0, $1) })
        needRestart = [
            ("hooks", old.hooks.isOff == new.hooks.isOff),
            ("hooks.listen", old.hooks.isOff != new.hooks.isOff || old.hooks.listen == new.hooks.listen),
            ("hooks.tls", (old.hooks.tls == nil) == (new.hooks.tls == nil)),
            ("control.socket", old.controlSocket == new.controlSocket),
            ("state_directory", old.stateDirectory == new.stateDirectory),
            ("workers", old.workers == new.workers),
            ("runner", old.runner == new.runner),
        ].filter { !$0.1 }.map(\.0)
    }

    private static func names<Value: Equatable>(_ old: [(String, Value)], _ new: [(String, Value)]) -> Names {
        let (before, after) = (Dictionary(old) { first, _ in first }, Dictionary(new) { first, _ in first })
        return Names(
            added: after.keys.filter { before[$0] == nil }.sorted(),
            changed: after.filter { before[$0.key] != nil && before[$0.key] != $0.value }.keys.sorted(),
            removed: before.keys.filter { after[$0] == nil }.sorted())
    }
}

extension Configuration {
    /// This configuration as far as it can be put in force while the daemon runs: what is bound or opened stays as it is.
    package func keepingWhatIsOpen(of old: Configuration) -> Configuration {
        var new = self
        new.hooks.listen = old.hooks.listen
        new.hooks.isOff = old.hooks.isOff
        // Who still listens needs the secrets that were left out for one who does not.
        if hooks.isOff, !old.hooks.isOff {
            for (name, account) in accounts where account.hookSecrets.isEmpty {
                new.accounts[name]?.hookSecrets = old.accounts[name]?.hookSecrets ?? []
            }
        }
        if (old.hooks.tls == nil) != (hooks.tls == nil) { new.hooks.tls = old.hooks.tls }
        new.controlSocket = old.controlSocket
        new.stateDirectory = old.stateDirectory
        new.workers = old.workers
        new.runner = old.runner
        return new
    }
}
