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

        init(_ configuration: Configuration, keeping old: Doors? = nil) {
            self.configuration = configuration
            doors = Doors(configuration, keeping: old)
            trustedProxies = Set(configuration.hooks.trustedProxies)
            impatientApps = Set(configuration.apps.filter(\.cancelRunning).map(\.name))
        }
    }

    private let state: Mutex<InForce>

    init(_ configuration: Configuration) {
        state = Mutex(InForce(configuration))
    }

    var inForce: InForce { state.withLock { $0 } }

    var current: Configuration { inForce.configuration }

    func replace(with configuration: Configuration) {
        state.withLock { $0 = InForce(configuration, keeping: $0.doors) }
    }
}
