package import Domain
import Exec
import NIOSSL
import ServiceLifecycle
import Settings
import Systemd
import UnixSignals

/// Where a daemon's configuration comes from, so that it can be read again.
package struct ConfigurationSource: Sendable {
    /// As it was named at the start.
    package let file: String
    let environment: [String: String]
    let hostName: String

    package init(file: String, environment: [String: String], hostName: String) {
        self.file = file
        self.environment = environment
        self.hostName = hostName
    }

    package func read() -> ConfigurationReading {
        loadConfiguration(at: file, environment: environment, hostName: hostName)
    }
}

/// Reads the configuration again and puts it in force, whole or not at all. What runs keeps the configuration it began with.
actor Reload {
    /// Reading files blocks, and the threads of the pool are for those who answer.
    private let executor = SerialQueueExecutor(label: "reload")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    enum Outcome: Sendable {
        case done(ConfigurationDifference, warnings: [String])
        /// The old one stays; every problem as a line of its own.
        case refused(problems: [String])
    }

    private let source: ConfigurationSource
    private let live: LiveConfiguration
    private let certificate: ServerCertificate?
    private let reporter: Reporter
    private let notifier: Notifier
    private let board: StatusBoard
    private let changed: @Sendable () async -> Void

    /// - Parameter changed: called when another configuration is in force.
    init(
        source: ConfigurationSource, live: LiveConfiguration, certificate: ServerCertificate?, reporter: Reporter, notifier: Notifier,
        board: StatusBoard, changed: @escaping @Sendable () async -> Void
    ) {
        self.source = source
        self.live = live
        self.certificate = certificate
        self.reporter = reporter
        self.notifier = notifier
        self.board = board
        self.changed = changed
    }

    func run(by requester: String?) async -> Outcome {
        notifier.reloading()
        let outcome = load()
        switch outcome {
        case .done(let difference, let warnings):
            reporter.reloaded(difference, warnings: warnings, by: requester)
            await changed()
        case .refused(let problems):
            reporter.reloadRefused(problems, by: requester)
        }
        notifier.ready(status: await board.text)
        return outcome
    }

    private func load() -> Outcome {
        let reading = source.read()
        let lines = reading.problems.map(\.line)
        guard let new = reading.configuration else { return .refused(problems: lines) }
        let old = live.current
        let difference = ConfigurationDifference(from: old, to: new)
        let next = new.keepingWhatIsOpen(of: old)
        do {
            // Read before anything is replaced: a certificate that cannot be used refuses the rest with it, also one that would count
            // only after a restart. Where the new configuration has none, the files of the one in use need not be there any more.
            let context = try new.hooks.tls.map(ServerCertificate.read)
            if let context { certificate?.replace(with: context) }
        } catch {
            return .refused(problems: lines + ["\(error)"])
        }
        live.replace(with: next)
        var warnings = lines
        if !difference.needRestart.isEmpty {
            warnings.append("restart the daemon for \(difference.needRestart.joined(separator: ", ")) to count")
        }
        if !reading.credentials.isEmpty {
            warnings.append(
                "restart the daemon if a credential changed: credential:\(reading.credentials.joined(separator: ", credential:"))")
        }
        return .done(difference, warnings: warnings)
    }
}

/// Reloads at SIGHUP, which would end the process otherwise.
struct HangUpListener: Service {
    let reload: Reload

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            _ = await reload.run(by: nil)  // the journal has the outcome
        }
    }
}
