package import Domain
import Exec
import FoundationEssentials
import Glibc
import HummingbirdCore
import HummingbirdTLS
package import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle
import Storage
import Systemd
import UnixSignals

/// Puts the rooms together into a daemon and runs it until the service manager, or somebody at a terminal, ends it.
package struct Assembly: Sendable {
    /// At most so many connections are open per listener; further ones wait in the kernel's backlog.
    static let connections = 512
    /// A request must arrive whole within this time.
    static let requestDeadline: TimeAmount = .seconds(10)

    let configuration: Configuration
    let version: String
    let logger: Logger
    let clock: WallClock

    package init(configuration: Configuration, version: String, logger: Logger, clock: WallClock = .system) {
        self.configuration = configuration
        self.version = version
        self.logger = logger
        self.clock = clock
    }

    /// Sends the log to the journal or to standard error, whichever the service manager connected; once per process.
    package static func bootstrapLogging(environment: [String: String], verbose: Bool) -> Logger {
        LoggingSystem.bootstrap(logHandlerFactory(environment: environment, level: verbose ? .debug : .info))
        return Logger(label: "bittern")
    }

    /// Debug builds take `BITTERN_CLEAN_AFTER`, in milliseconds, for the kill loop: none of its daemons lives for a minute.
    private static var janitorPatience: Duration {
        #if DEBUG
            if let text = getenv("BITTERN_CLEAN_AFTER"), let milliseconds = Int(String(cString: text)) {
                return .milliseconds(milliseconds)
            }
        #endif
        return Janitor.patience
    }

    /// Binds, recovers, says READY and serves until SIGTERM or SIGINT.
    ///
    /// - Throws: ``StartError``, or an error of a room with a sentence as its description, when it cannot start.
    package func run() async throws {
        let inherited = try InheritedSockets.receive()
        let state = StateDirectory(path: configuration.stateDirectory)
        try state.prepare()
        let lock = try StateLock(state.path)
        defer { lock.release() }
        let notifier = Notifier()
        let reporter = Reporter(logger: logger)
        inherited.unusable.forEach { reporter.problem("\($0)") }
        let ledger = try Ledger(path: state.ledger)
        let board = StatusBoard(ledger: ledger, notifier: notifier, clock: clock)
        let mirrors = GitMirrors(state: state)
        let group = MultiThreadedEventLoopGroup.singleton
        let probe = WebProbe(group: group)
        let systemctl = Systemctl.current(environment: ProcessInfo.processInfo.environment)
        func runner(_ executor: SerialQueueExecutor) -> ChildRunner {
            ChildRunner(executor: executor, state: state, mirrors: mirrors, probe: probe, systemctl: systemctl)
        }
        let notices = NoticeDesk(
            configuration: configuration, ledger: ledger, runner: runner(SerialQueueExecutor(label: "notices")), reporter: reporter,
            state: state)
        let dispatcher = dispatcher(ledger: ledger, reporter: reporter, board: board, state: state, notices: notices, runner)
        let refusals = RefusalDesk(ledger: ledger, reporter: reporter)

        let hooks = try await hooksListeners(inherited.hooks, ledger, refusals, reporter) { dispatcher.accepted($0) }
        let control = try await controlListeners(inherited.control, ledger, state, dispatcher, reporter)
        for listener in hooks + control { reporter.listening(listener.description) }
        try await Recovery(ledger: ledger, reporter: reporter, clock: clock, configuration: configuration, mirrors: mirrors).run()

        let herald = Herald(notifier: notifier, board: board) {
            reporter.started(version: version, apps: configuration.apps.count, accounts: configuration.accounts.count)
        } stopping: {
            reporter.stopping()
        }
        let janitor = Janitor(
            retention: configuration.retention, ledger: ledger, state: state, reporter: reporter, clock: clock,
            patience: Self.janitorPatience)
        try await serve(hooks + control, dispatcher, [janitor, notices], herald, reporter)
        await refusals.writeDown()
        try ledger.close()
        reporter.stopped()
    }

    /// Serves until SIGTERM or SIGINT; at a second one nothing is waited for any more.
    ///
    /// Services are stopped in the reverse of their order: the dispatcher first, and the listeners, which go on accepting, when it
    /// is done.
    private func serve(
        _ listeners: [any Listener], _ dispatcher: Dispatcher, _ others: [any Service], _ herald: Herald, _ reporter: Reporter
    ) async throws {
        var quiet = logger
        quiet.logLevel = .critical
        let services: [any Service] =
            listeners + others + [dispatcher, HangUpNotice(reporter: reporter), herald]
        let group = ServiceGroup(
            configuration: .init(
                services: services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
                logger: quiet))
        // Heard from here on, so before anybody is told that the daemon is ready.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let listening = Task {
            var isStopping = false
            for await _ in signals {
                if isStopping { await dispatcher.halt() } else { await group.triggerGracefulShutdown() }
                isStopping = true
            }
        }
        try await group.run()
        listening.cancel()
    }

    private func dispatcher(
        ledger: Ledger, reporter: Reporter, board: StatusBoard, state: StateDirectory, notices: NoticeDesk,
        _ runner: (SerialQueueExecutor) -> ChildRunner
    ) -> Dispatcher {
        let workers = (0..<configuration.workers).map { number in
            let executor = SerialQueueExecutor(label: "worker.\(number)")
            return Worker(
                executor: executor, runner: runner(executor), ledger: ledger, reporter: reporter, clock: clock,
                progress: { await board.stepStarted($0) }, ended: { notices.wake() })
        }
        return Dispatcher(
            configuration: configuration, ledger: ledger, reporter: reporter, statusBoard: board, clock: clock, state: state,
            workers: workers)
    }

    private func hooksListeners(
        _ inherited: [CInt], _ ledger: Ledger, _ refusals: RefusalDesk, _ reporter: Reporter,
        queued: @escaping @Sendable (AcceptedDelivery) -> Void
    ) async throws -> [any Listener] {
        let intake = Intake(
            configuration: configuration, ledger: ledger, refusals: refusals, reporter: reporter, clock: clock, queued: queued)
        let channel = HooksChannel(
            intake: intake, health: HealthCheck(ledger: ledger, clock: clock), trustedProxies: Set(configuration.hooks.trustedProxies),
            load: BodyLoad(limit: HooksChannel.bodiesInFlight), deadline: Self.requestDeadline)
        let addresses = inherited.isEmpty ? configuration.hooks.listen.map(ListenerAddress.init) : inherited.map { .inherited($0) }
        var listeners: [any Listener] = []
        for address in addresses {
            if let files = configuration.hooks.tls {
                listeners.append(try await listener(address, try TLSChannel(channel, tlsConfiguration: try Self.tls(files))))
            } else {
                listeners.append(try await listener(address, channel))
            }
        }
        return listeners
    }

    private func controlListeners(
        _ inherited: [CInt], _ ledger: Ledger, _ state: StateDirectory, _ dispatcher: Dispatcher, _ reporter: Reporter
    ) async throws -> [any Listener] {
        let responder = ControlResponder(
            configuration: configuration, ledger: ledger, state: state, dispatcher: dispatcher, reporter: reporter, clock: clock,
            version: version,
            startedAt: clock.now)
        var quiet = logger
        quiet.logLevel = .critical
        let channel = HTTP1Channel(responder: responder.responder(logger: quiet))
        let path = configuration.controlSocket
        let addresses: [ListenerAddress] = inherited.isEmpty ? [.unix(path: path, mode: 0o660)] : inherited.map { .inherited($0) }
        if inherited.isEmpty, let slash = path.lastIndex(of: "/") {
            try FileSystem.makeDirectory(String(path[..<slash]), mode: 0o755)
        }
        var listeners: [any Listener] = []
        for address in addresses { listeners.append(try await listener(address, channel)) }
        return listeners
    }

    private func listener(_ address: ListenerAddress, _ child: some ServerChildChannel) async throws -> any Listener {
        var quiet = logger
        quiet.logLevel = .critical
        return try await HTTPListener(
            address, child, connections: Self.connections, group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
    }

    private static func tls(_ files: Configuration.TLSFiles) throws -> TLSConfiguration {
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(files.certificate).map { NIOSSLCertificateSource.certificate($0) }
            let key = try NIOSSLPrivateKey(file: files.key, format: .pem)
            return .makeServerConfiguration(certificateChain: certificates, privateKey: .privateKey(key))
        } catch {
            throw StartError("hooks.tls: \(files.certificate) and \(files.key) cannot be used: \(error)")
        }
    }
}

/// A service that can say where it listens.
protocol Listener: Service {
    var description: String { get }
}

extension HTTPListener: Listener {}

extension ListenerAddress {
    init(_ address: Configuration.ListenAddress) {
        switch address {
        case .tcp(let host, let port): self = .tcp(host: host, port: port)
        // Whoever may reach the directory may send: a proxy of another user has no group in common with the daemon.
        case .unix(let path): self = .unix(path: path, mode: 0o666)
        }
    }
}

/// Says READY once signals are heard, and STOPPING before anything else is stopped: it is the last of the services.
private struct Herald: Service {
    let notifier: Notifier
    let board: StatusBoard
    let ready: @Sendable () -> Void
    let stopping: @Sendable () -> Void

    func run() async throws {
        notifier.ready(status: await board.text)
        ready()
        try await gracefulShutdown()
        notifier.stopping()
        stopping()
    }
}

/// Answers SIGHUP, which would end the process otherwise.
private struct HangUpNotice: Service {
    let reporter: Reporter

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            reporter.problem("reload is not supported yet; restart to read the configuration again")
        }
    }
}

/// Keeps a second daemon away from the same state directory; the kernel gives it back, however the daemon ends.
struct StateLock {
    private let descriptor: Int32

    init(_ directory: String) throws {
        let path = directory + "/lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StartError("cannot write \(path): \(String(cString: strerror(errno)))") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw StartError("another bittern runs with the state directory \(directory); stop it or give this one its own")
        }
    }

    func release() {
        close(descriptor)
    }
}
