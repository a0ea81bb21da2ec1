import Dispatch
import Domain
import Exec
import Glibc
package import Logging
import RunnerAPI
import Settings
import Synchronization
import Systemd

/// `bittern runner`: has root's rights and does as little as can be done with them. It starts the steps that the configuration names as
/// units of their own, for one user, the daemon's, over one socket, the service manager's.
package struct RunnerService: Sendable {
    private let place: StepUnits.Place
    /// Who may ask.
    private let user: uid_t
    private let logger: Logger

    /// Why it does not start; one sentence.
    package struct Unusable: Error, CustomStringConvertible {
        package let description: String
    }

    /// - Parameters:
    ///   - daemonUser: the name of the user who may ask, besides root.
    ///   - environment: for `$STATE_DIRECTORY` and `$CREDENTIALS_DIRECTORY`.
    package init(
        configuration: String, daemonUser: String, environment: [String: String], hostName: String, logger: Logger
    ) throws {
        guard geteuid() == 0 else { throw Unusable(description: "the runner needs root's rights; it is started by bittern-runner.socket") }
        guard let daemon = SystemUser(daemonUser) else { throw Unusable(description: "there is no user \(daemonUser)") }
        user = daemon.user
        // systemd separates several by colons, in an order of its own.
        let directories = environment["STATE_DIRECTORY"]?.split(separator: ":").map(String.init) ?? []
        guard let own = directories.first(where: { $0.hasSuffix("/bittern-runner") }),
            let homes = directories.first(where: { $0.hasSuffix("/bittern-homes") }),
            let fetched = directories.first(where: { $0.hasSuffix("/bittern-fetch") }),
            let program = FileSystem.target(ofLink: "/proc/self/exe")
        else {
            throw Unusable(
                description: "$STATE_DIRECTORY must name bittern-runner, bittern-homes and bittern-fetch, as bittern-runner.service does")
        }
        let results = own + "/results"
        try FileSystem.makeDirectory(results, mode: 0o700)
        StepFiles.forgetOldJobs(in: results, now: time(nil))
        place = StepUnits.Place(
            configuration: configuration, state: results, homes: homes, fetched: fetched, fetchUser: "bittern-fetch",
            hidden: [
                own, "/var/lib/bittern", "/run/bittern", "/etc/bittern/credentials", "/etc/bittern/runner-credentials", "/run/credentials",
                // Whoever has a manager of his own there could begin something outside of his unit.
                "/run/user",
            ],
            program: program, secretsGroup: daemon.group,
            environment: environment, hostName: hostName)
        self.logger = logger
    }

    /// Serves until nobody has come and nobody is there for a while: every connection on a thread of its own, for its calls block. Who comes
    /// later has the service manager start it anew.
    package func run() throws {
        guard let listener = try InheritedSockets.receive().runner.first else {
            throw Unusable(description: "no socket was handed over; systemctl start bittern-runner.socket")
        }
        let places = DispatchSemaphore(value: Self.connections)
        let open = OpenConnections()
        while true {
            var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, Self.patience)
            if ready == 0, open.count.load(ordering: .acquiring) == 0 { return }
            guard ready > 0 else { continue }
            places.wait()
            let socket = accept(listener, nil, nil)
            guard socket >= 0 else {
                places.signal()
                guard errno == EINTR || errno == ECONNABORTED else { throw Unusable(description: "accept: \(systemMessage(errno))") }
                continue
            }
            open.count.add(1, ordering: .acquiringAndReleasing)
            DispatchQueue(label: "connection").async {
                serve(RunnerConnection(socket))
                open.count.subtract(1, ordering: .acquiringAndReleasing)
                places.signal()
            }
        }
    }

    /// What it would run: a line for each app with its user, its root and the hash by which the daemon has to know its configuration.
    package static func list(configuration path: String, environment: [String: String], hostName: String) throws -> [String] {
        let reading = loadConfiguration(
            at: path, environment: environment, hostName: hostName, uncheckedCredentials: .listed, runsUnits: true)
        guard let configuration = reading.configuration else {
            throw Unusable(description: reading.problems.map(\.line).joined(separator: "\n"))
        }
        return configuration.apps.map { app in
            "\(app.name) \(app.unit.user ?? "-") \(app.root) \(Hexadecimal.text(of: app.configurationHash))"
        }
    }

    /// More steps than a daemon runs at once.
    private static let connections = 200
    /// For how long it stays with nothing to do, in milliseconds.
    private static let patience: Int32 = 60_000

    private func serve(_ connection: RunnerConnection) {
        guard let peer = connection.user, peer == user || peer == 0 else {
            logger.warning("a request of user \(connection.user.map { "\($0)" } ?? "nobody") was refused: the runner is the daemon's alone")
            _ = connection.answer(.refused("the runner is the daemon's alone"))
            return
        }
        while let (line, descriptor) = connection.next() {
            let reply = reply(to: line, descriptor, on: connection)
            if let descriptor { close(descriptor) }
            guard connection.answer(reply) else { return }
        }
    }

    private func reply(to line: [UInt8], _ descriptor: Int32?, on connection: RunnerConnection) -> RunnerReply {
        do {
            let request = try RunnerRequest(line: line)
            let name = StepUnits.Name(job: request.job, start: request.start, position: request.position, round: request.round)
            let units = try StepUnits(place)
            switch request.verb {
            case .start(let step): return try units.start(step, name, log: descriptor)
            case .wait: return try units.wait(for: name) { connection.isOpen }
            case .stop: return try units.stop(name)
            case .query: return try units.query(name)
            }
        } catch let error as RunnerLine.Malformed {
            return refused("the request is malformed (\(error.field)); are daemon and runner of one version?")
        } catch let error as StepUnits.Refusal {
            let reply = refused(error.sentence)
            return error.isOutdated ? .outdated(error.sentence) : reply
        } catch {
            // A bus that is being restarted, a disk that is full: no reason to say that a step failed which may well run.
            logger.error("\(error)")
            return .later("\(error)")
        }
    }

    private func refused(_ sentence: String) -> RunnerReply {
        logger.warning("refused: \(SafeText.shown(sentence))")
        return .refused(sentence)
    }
}

/// How many connections are served.
private final class OpenConnections: Sendable {
    let count = Atomic(0)
}
