import Domain
import Synchronization

/// The configuration in force. A reload replaces it whole, so whoever looks once sees one configuration and not halves of two.
final class LiveConfiguration: Sendable {
    /// One configuration with what is made of it once, for all who ask often.
    final class InForce: Sendable {
        let configuration: Configuration
        let doors: Doors
        let trustedProxies: Set<String>
        /// Those whose newer push takes the place of what runs.
        let impatientApps: Set<String>
        /// What the repositories of each account were ever called.
        let names: [String: RepositoryNames]

        init(_ configuration: Configuration, names: [String: RepositoryNames], keeping old: Doors? = nil) {
            self.configuration = configuration
            self.names = names
            doors = Doors(configuration, names: names, keeping: old)
            trustedProxies = Set(configuration.hooks.trustedProxies)
            impatientApps = Set(configuration.apps.filter(\.cancelRunning).map(\.name))
        }
    }

    private let state: Mutex<InForce>

    init(_ configuration: Configuration, names: [String: RepositoryNames] = [:]) {
        state = Mutex(InForce(configuration, names: names))
    }

    var inForce: InForce { state.withLock { $0 } }

    var current: Configuration { inForce.configuration }

    func replace(with configuration: Configuration) {
        state.withLock { $0 = InForce(configuration, names: $0.names, keeping: $0.doors) }
    }

    /// A repository of the account has a name that was not known, which is in the ledger by now.
    func learn(_ naming: RepositoryNaming, account: String) {
        state.withLock { inForce in
            var names = inForce.names
            if let former = naming.formerName { names[account, default: RepositoryNames()].add(id: naming.id, name: former) }
            names[account, default: RepositoryNames()].add(id: naming.id, name: naming.name)
            inForce = InForce(inForce.configuration, names: names, keeping: inForce.doors)
        }
    }
}
