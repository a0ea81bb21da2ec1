package import Domain
import Exec
import FoundationEssentials
import Glibc
import HummingbirdCore
package import Logging
import NIOCore
import NIOPosix
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
    let source: ConfigurationSource
    let version: String
    let logger: Logger
    let clock: WallClock

    package init(configuration: Configuration, source: ConfigurationSource, version: String, logger: Logger, clock: WallClock = .system) {
        self.configuration = configuration
        self.source = source
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
        state.removeUnfinishedCopies()
        let notifier = Notifier()
        let reporter = Reporter(logger: logger, metrics: DaemonMetrics(version: version, startedAt: clock.now))
        inherited.unusable.forEach { reporter.problem("\($0)") }
        let ledger = try Ledger(path: state.ledger)
        let live = LiveConfiguration(configuration, names: try await ledger.repositoryNames())
        let tokens = AccessTokens(state: state) { reporter.problem($0) }
        let forges = Forges(
            live: live, tokens: tokens, pressure: ForgePressure(clock: clock), environment: ProcessInfo.processInfo.environment,
            version: version)
        let courier = ReportCourier(live: live, ledger: ledger, forges: forges, reporter: reporter, clock: clock)
        // Before any job is touched.
        try await courier.configurationChanged()
        let board = StatusBoard(ledger: ledger, notifier: notifier, clock: clock)
        let mirrors = GitMirrors(state: state)
        let group = MultiThreadedEventLoopGroup.singleton
        let probe = WebProbe(group: group)
        let systemctl = Systemctl.current(environment: ProcessInfo.processInfo.environment)
        let journals = StepJournal.current(environment: ProcessInfo.processInfo.environment)
        let isInForce: @Sendable (App) -> Bool = { app in
            live.current.apps.first { $0.name == app.name }?.configurationHash == app.configurationHash
        }
        let units = UnitRunner(state: state, probe: probe, journals: journals, isInForce: isInForce) { reporter.runnerTrouble($0) }
        let runsUnits = configuration.runner == .systemd
        func runner(_ executor: SerialQueueExecutor) -> any StepRunner {
            guard !runsUnits else { return units }
            return ChildRunner(executor: executor, state: state, mirrors: mirrors, probe: probe, systemctl: systemctl, journals: journals)
        }
        let notices = NoticeDesk(
            live: live, ledger: ledger, runner: runner(SerialQueueExecutor(label: "notices")), reporter: reporter)
        let dispatcher = dispatcher(
            live, ledger: ledger, reporter: reporter, board: board, state: state, notices: notices, courier: courier, forges: forges,
            drains: !runsUnits, runner)
        let catchUp = CatchUp(
            live: live, ledger: ledger, mirrors: mirrors, forges: forges, reporter: reporter, clock: clock,
            found: {
                courier.wake()
                dispatcher.wake()
            })
        let refusals = RefusalDesk(ledger: ledger, reporter: reporter)

        let certificate = try configuration.hooks.tls.map(ServerCertificate.init)
        let reload = Reload(
            source: source, live: live, certificate: certificate, reporter: reporter, notifier: notifier, board: board,
            changed: {
                await courier.reload()
                await dispatcher.abandonUnknown()
                await catchUp.wake()
            })
        let intake = Intake(live: live, ledger: ledger, refusals: refusals, reporter: reporter, clock: clock) {
            dispatcher.accepted($0)
        } refsLeftOut: { repository in
            Task { await catchUp.wake(for: repository) }
        }

        let logins = Logins(forges: forges, tokens: tokens, clock: clock)
        let hooks = try await hooksListeners(
            hookSockets(inherited.hooks, reporter), intake, HealthCheck(ledger: ledger, clock: clock), logins, certificate)
        let doors = hooks.map { HooksDoor($0, isTLS: certificate != nil) }
        let sweeper = runner(SerialQueueExecutor(label: "caches"))
        let clearCaches: @Sendable (App) async throws -> Void = { app in
            guard let account = live.current.accounts[app.account] else { return }
            let order = StepOrder(around: app, account, environment: live.current.environment, at: clock.now)
            try await sweeper.perform(.clearCaches, after: order)
        }
        let control = try await controlListeners(
            inherited.control, live, ledger, state, dispatcher, mirrors, reload, reporter, doors, forges, logins, clearCaches)
        for listener in hooks + control { reporter.listening(listener.description) }
        let resumed = try await Recovery(
            ledger: ledger, reporter: reporter, clock: clock, configuration: configuration,
            runner: runner(SerialQueueExecutor(label: "recovery")), state: state
        ).run()
        await dispatcher.resume(resumed)

        let herald = Herald(notifier: notifier, board: board) {
            reporter.started(version: version, apps: configuration.apps.count, accounts: configuration.accounts.count)
        } stopping: {
            reporter.stopping()
        }
        let janitor = Janitor(
            retention: { live.current.retention }, ledger: ledger, state: state, reporter: reporter, clock: clock,
            patience: Self.janitorPatience)
        #if DEBUG
            Freeze.whenAsked(ledger: ledger, dispatcher: dispatcher)
        #endif
        let watchdog = watchdogInterval().map {
            Watchdog(interval: $0, parts: Self.parts(ledger, dispatcher, doors), notifier: notifier, reporter: reporter)
        }
        // Stopped last: what drains is alive.
        try await serve(
            [watchdog].compactMap(\.self), hooks + control, dispatcher,
            [janitor, notices, courier, catchUp, logins, HangUpListener(reload: reload)], herald)
        await refusals.writeDown()
        try ledger.close()
        reporter.stopped()
    }

    /// Serves until SIGTERM or SIGINT; at a second one nothing is waited for any more.
    ///
    /// Services are stopped in the reverse of their order: the dispatcher first, and the listeners, which go on accepting, when it
    /// is done.
    private func serve(
        _ first: [any Service], _ listeners: [any Listener], _ dispatcher: Dispatcher, _ others: [any Service], _ herald: Herald
    ) async throws {
        var quiet = logger
        quiet.logLevel = .critical
        let services: [any Service] =
            first + listeners + others + [dispatcher, herald]
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

    /// Without each of these the daemon would only seem to be alive.
    private static func parts(_ ledger: Ledger, _ dispatcher: Dispatcher, _ doors: [HooksDoor]) -> [Watchdog.Part] {
        let listeners = doors.map { door in
            // Any answer will do: whether all is well with the ledger is asked beside it.
            Watchdog.Part(name: "the listener \(door.name)") { if case .status = await door.ask() { true } else { false } }
        }
        return [
            Watchdog.Part(name: "the ledger's writer") { await ledger.answers() },
            Watchdog.Part(name: "the dispatcher") { await dispatcher.tick() },
        ] + listeners
    }

    private func dispatcher(
        _ live: LiveConfiguration, ledger: Ledger, reporter: Reporter, board: StatusBoard, state: StateDirectory, notices: NoticeDesk,
        courier: ReportCourier, forges: Forges, drains: Bool, _ runner: (SerialQueueExecutor) -> any StepRunner
    ) -> Dispatcher {
        let workers = (0..<configuration.workers).map { number in
            let executor = SerialQueueExecutor(label: "worker.\(number)")
            return Worker(
                executor: executor, runner: runner(executor), ledger: ledger, reporter: reporter, clock: clock,
                progress: { await board.stepStarted($0) },
                ended: {
                    notices.wake()
                    courier.wake()
                }, credentials: { account in try await forges.bearer(for: account) })
        }
        return Dispatcher(
            live: live, ledger: ledger, reporter: reporter, statusBoard: board, clock: clock, state: state,
            workers: workers, drains: drains, changed: { courier.wake() })
    }

    /// The sockets that were handed over, unless nobody is to listen: left open, they would take connections that nobody answers.
    private func hookSockets(_ inherited: [CInt], _ reporter: Reporter) -> [CInt] {
        guard configuration.hooks.isOff, !inherited.isEmpty else { return inherited }
        reporter.problem("`hooks: off` leaves the sockets of the service manager unused; systemctl mask --now bittern.socket")
        inherited.forEach { close($0) }
        return []
    }

    private func hooksListeners(
        _ inherited: [CInt], _ intake: Intake, _ health: HealthCheck, _ logins: Logins, _ certificate: ServerCertificate?
    ) async throws -> [any Listener] {
        let channel = HooksChannel(
            intake: intake, health: health, logins: logins, load: BodyLoad(limit: HooksChannel.bodiesInFlight),
            deadline: Self.requestDeadline)
        let addresses = inherited.isEmpty ? configuration.hooks.listen.map(ListenerAddress.init) : inherited.map { .inherited($0) }
        var listeners: [any Listener] = []
        for address in addresses {
            if let certificate {
                listeners.append(try await listener(address, CertifiedChannel(base: channel, certificate: certificate)))
            } else {
                listeners.append(try await listener(address, channel))
            }
        }
        return listeners
    }

    private func controlListeners(
        _ inherited: [CInt], _ live: LiveConfiguration, _ ledger: Ledger, _ state: StateDirectory, _ dispatcher: Dispatcher,
        _ mirrors: GitMirrors, _ reload: Reload, _ reporter: Reporter, _ doors: [HooksDoor],
        _ forges: Forges, _ logins: Logins, _ clearCaches: @escaping @Sendable (App) async throws -> Void
    ) async throws -> [any Listener] {
        let startedAt = clock.now
        let responder = ControlResponder(
            live: live, ledger: ledger, state: state, dispatcher: dispatcher, mirrors: mirrors,
            simulation: Simulation(doors: doors, live: live), reload: reload, reporter: reporter, clock: clock,
            version: version, startedAt: startedAt, doctor: doctor(ledger, doors, forges, startedAt: startedAt),
            forges: forges, logins: logins, clearCaches: clearCaches)
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

    private func doctor(_ ledger: Ledger, _ doors: [HooksDoor], _ forges: Forges, startedAt: Timestamp) -> Doctor {
        Doctor(
            file: source.file, environment: source.environment, hostName: source.hostName, clock: clock,
            inside: Doctor.Inside(
                ledger: ledger, hooks: doors, version: version, startedAt: startedAt,
                credentials: { account in try await forges.bearer(for: account) }))
    }

    private func listener(_ address: ListenerAddress, _ child: some ServerChildChannel) async throws -> any Listener {
        var quiet = logger
        quiet.logLevel = .critical
        return try await HTTPListener(
            address, child, connections: Self.connections, group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
    }
}

extension StepOrder {
    /// For a chore that no job is behind.
    fileprivate init(around app: App, _ account: Account, environment: [String: String], at now: Timestamp) {
        let job = Job(
            id: 1, app: app.name, repository: app.repository.description, ref: nil, commit: .zero, cause: .manual, state: .running,
            queuedAt: now)
        let release = ReleaseTarget(release: job.id, commit: job.commit, path: app.root, ref: nil)
        self.init(
            id: StepID(job: job.id, start: now.milliseconds, position: 0), app: app, account: account, job: job,
            step: PlannedStep(name: "caches", stage: .checkout, work: .checkout, release: release), ownDirectory: app.root,
            environment: environment)
    }
}

/// A service that can say where it listens.
protocol Listener: Service {
    var description: String { get }
    var address: SocketAddress? { get }
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

/// Keeps a second daemon away from the same state directory; the kernel gives it back, however the daemon ends.
///
/// A record lock of fcntl(2), because that belongs to the process alone: one of flock(2) would live on in whatever the daemon had just
/// forked when it was killed, until that has become its program. The price is that the file is opened here and nowhere else.
struct StateLock {
    private let descriptor: Int32

    init(_ directory: String) throws {
        let path = directory + "/lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StartError("cannot write \(path): \(String(cString: strerror(errno)))") }
        var wanted = flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
        guard fcntl(descriptor, F_SETLK, &wanted) == 0 else {
            let isTaken = errno == EACCES || errno == EAGAIN
            let cause = String(cString: strerror(errno))
            defer { close(descriptor) }
            guard isTaken else { throw StartError("cannot lock \(path): \(cause)") }
            let isKnown = fcntl(descriptor, F_GETLK, &wanted) == 0 && wanted.l_type != Int16(F_UNLCK)
            let process = isKnown ? " (process \(wanted.l_pid))" : ""
            throw StartError("another bittern\(process) runs with the state directory \(directory); stop it or give this one its own")
        }
    }

    func release() {
        close(descriptor)
    }
}
