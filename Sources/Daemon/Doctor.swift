package import Domain
import Exec
import Glibc
import Settings
import Storage
import Systemd

/// Looks at everything a deploy needs on this host, in the running daemon or in its stead; what it is worth, ``Diagnosis`` says.
package struct Doctor: Sendable {
    /// What only the running daemon has.
    struct Inside: Sendable {
        let ledger: Ledger
        let hooks: [HooksDoor]
        let version: String
        let startedAt: Timestamp
        /// What an account shows to git at this moment.
        let credentials: @Sendable (Account) async throws -> Account
    }

    private let file: String
    private let environment: [String: String]
    private let hostName: String
    private let secretsGroup: UInt32?
    private let clock: WallClock
    private let inside: Inside?

    /// Where no daemon runs.
    ///
    /// - Parameters:
    ///   - file: the configuration's main file.
    ///   - environment: for secrets and `$STATE_DIRECTORY`.
    ///   - hostName: the default of the configuration's `name`.
    ///   - secretsGroup: the one group that may read a secret's file; nil: the process's own.
    package init(file: String, environment: [String: String], hostName: String, secretsGroup: UInt32?) {
        self.init(file: file, environment: environment, hostName: hostName, secretsGroup: secretsGroup, clock: .system, inside: nil)
    }

    init(
        file: String, environment: [String: String], hostName: String, secretsGroup: UInt32? = nil, clock: WallClock, inside: Inside?
    ) {
        self.file = file
        self.environment = environment
        self.hostName = hostName
        self.secretsGroup = secretsGroup
        self.clock = clock
        self.inside = inside
    }

    /// Everything there is to say. Each repository is asked, so it may take minutes where forges do not answer.
    ///
    /// - Parameter loaded: what the daemon runs with; nil where none runs.
    package func findings(loaded: Configuration? = nil) async -> [Finding] {
        let reading = loadConfiguration(
            at: file, environment: environment, hostName: hostName, uncheckedCredentials: inside == nil ? .listed : .refused,
            secretsGroup: secretsGroup)
        var findings = inside.map { [Diagnosis.daemon(version: $0.version, startedAt: $0.startedAt)] } ?? []
        findings += Diagnosis.configuration(file: file, reading, loaded: loaded)
        findings += Diagnosis.configurationFiles(configurationPaths(at: file).map { ($0, HostFacts.file($0)) })
        let configuration = loaded ?? reading.configuration
        if let configuration { findings += files(of: configuration) }
        findings.append(Diagnosis.clock(now: clock.now, isSynchronised: HostFacts.clockIsSynchronised))
        if let configuration { findings += disks(of: configuration) }
        findings.append(Diagnosis.git(await HostFacts.gitVersion()))
        if let configuration {
            findings += await ssh(of: configuration)
            findings += await repositories(of: configuration)
            if !configuration.hooks.isOff { findings.append(Diagnosis.publicURL(configuration.publicURL)) }
        }
        guard let inside else { return findings }
        for door in inside.hooks { findings.append(Diagnosis.hooks(door.name, await door.ask())) }
        if let configuration { findings += await live(inside.ledger, of: configuration) }
        if let configuration { findings += await renamed(inside.ledger, configuration) }
        // A ledger that cannot be read has a finding of its own.
        if let outbox = try? await inside.ledger.outboxMeasure() {
            findings += [Diagnosis.outbox(waiting: outbox.waiting, oldest: outbox.oldest, now: clock.now)].compactMap(\.self)
        }
        if configuration?.runner == .systemd { findings.append(Diagnosis.runner(await UnitRunner.trouble())) }
        findings += serviceManager
        if let configuration {
            findings.append(await database(inside.ledger, at: StateDirectory(path: configuration.stateDirectory).ledger))
        }
        return findings
    }

    private func files(of configuration: Configuration) -> [Finding] {
        let state = StateDirectory(path: configuration.stateDirectory)
        let facts = HostFacts.file(state.path)
        let own = [
            Diagnosis.stateDirectory(state.path, facts), Diagnosis.ledgerFile(state.ledger, HostFacts.file(state.ledger)),
            Diagnosis.controlSocket(configuration.controlSocket, HostFacts.file(configuration.controlSocket)),
        ]
        let roots = configuration.apps.map { app in
            if configuration.runner == .systemd { return root(of: app, user: app.unit.user ?? "") }
            let place = HostFacts.nearest(app.root)
            let facts = HostFacts.file(place)
            let isWritable = isDaemonsUser(configuration) ? HostFacts.mayWrite(in: place) : facts?.mayBeWritten(by: user(of: configuration))
            return Diagnosis.root(app.root, of: app.name, facts, isWritable: isWritable)
        }
        return own.compactMap { $0 } + roots
    }

    /// What the daemon may do there says nothing where the steps are somebody else's.
    private func root(of app: App, user: String) -> Finding {
        guard let number = HostFacts.user(user) else { return Diagnosis.missingUser(user, of: app.name) }
        // A root that is not there yet is made by the first job, where its user may.
        let facts = HostFacts.file(HostFacts.nearest(app.root))
        let isWritable = facts.flatMap { $0.mayBeWritten(by: number) ?? ($0.letsGroupWrite ? nil : false) }
        return Diagnosis.root(app.root, of: app.name, user: user, facts, isWritable: isWritable)
    }

    /// Whose the state directory is, that is the daemon's user.
    private func user(of configuration: Configuration) -> UInt32 {
        HostFacts.file(configuration.stateDirectory)?.owner ?? geteuid()
    }

    private func isDaemonsUser(_ configuration: Configuration) -> Bool {
        inside != nil || user(of: configuration) == geteuid()
    }

    /// Each file system once, by the first directory that lies on it.
    private func disks(of configuration: Configuration) -> [Finding] {
        var seen: Set<UInt64> = []
        let places = ([configuration.stateDirectory] + configuration.apps.map(\.root)).map(HostFacts.nearest)
        return places.filter { place in HostFacts.device(of: place).map { seen.insert($0).inserted } ?? true }
            .map { Diagnosis.disk(at: $0, HostFacts.space(at: $0), least: configuration.minFree) }
    }

    private func ssh(of configuration: Configuration) async -> [Finding] {
        let questions = RepositoryQuestion.all(of: configuration)
        let hosts = questions.compactMap { question in
            Diagnosis.SSHHost(cloneURL: question.app.cloneURL).map { ($0, file: question.account.ssh?.knownHosts) }
        }
        guard !hosts.isEmpty else { return [] }
        var findings = [Diagnosis.ssh(await HostFacts.sshVersion())]
        var seen: Set<[String]> = []
        for (host, file) in hosts where seen.insert([host.name, file ?? ""]).inserted {
            let files = file.map { [$0] } ?? HostFacts.knownHostsFiles(ofUser: user(of: configuration))
            let answer = await HostFacts.hostKey(host, in: files)
            findings.append(Diagnosis.knownHosts(host, file: files.first ?? "known_hosts", answer))
        }
        return findings
    }

    /// A deploy key out of the environment becomes a file for ssh. Where the daemon's own directory belongs to somebody else, or is not
    /// there yet, that file has a directory of its own, which goes again.
    private func repositories(of configuration: Configuration) async -> [Finding] {
        let questions = RepositoryQuestion.all(of: configuration)
        guard inside == nil else {
            return await RepositoryQuestion.ask(
                questions, GitMirrors(state: StateDirectory(path: configuration.stateDirectory)), configuration.environment,
                credentials: { account in try await inside?.credentials(account) ?? account })
        }
        var template = Array("/tmp/bittern-doctor-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            return questions.map {
                Diagnosis.repository($0.repository, .refused("no directory could be made in /tmp; free some space there"))
            }
        }
        let scratch = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let findings = await RepositoryQuestion.ask(
            questions, GitMirrors(state: StateDirectory(path: scratch)), configuration.environment
        ) { $0 }
        try? FileSystem.removeTree(scratch)  // it is for this user alone, and what clears /tmp comes by
        return findings
    }

    /// A ledger that cannot be read has a finding of its own.
    private func live(_ ledger: Ledger, of configuration: Configuration) async -> [Finding] {
        let live = (try? await ledger.liveReleases()) ?? [:]
        // A root that is for its user's eyes alone says nothing about itself.
        return configuration.apps.filter { HostFacts.mayLookInto($0.root) }.compactMap { app in
            live[app.name].map {
                Diagnosis.live(
                    $0, isThere: FileSystem.isDirectory($0.path),
                    link: FileSystem.target(ofLink: app.root + "/current"))
            }
        }
    }

    private func renamed(_ ledger: Ledger, _ configuration: Configuration) async -> [Finding] {
        let names = (try? await ledger.repositoryNames()) ?? [:]
        return configuration.apps.compactMap { app in
            let current = names.currentName(of: app)
            return current == app.repository ? nil : Diagnosis.renamed(app.name, from: app.repository, to: current)
        }
    }

    private var serviceManager: [Finding] {
        let watched = environment["WATCHDOG_PID"].map { $0 == String(getpid()) } ?? true
        let watchdog = environment["WATCHDOG_USEC"].flatMap { Int64($0) }
        return Diagnosis.serviceManager(
            isNotified: environment["NOTIFY_SOCKET"]?.isEmpty == false, hasJournal: logsToJournal(environment: environment),
            watchdog: watched ? watchdog.map { .microseconds($0) } : nil)
    }

    private func database(_ ledger: Ledger, at path: String) async -> Finding {
        do {
            let trouble = try await ledger.integrity()
            let size = try await ledger.size()
            return Diagnosis.database(path, trouble: trouble, bytes: size.bytes, unused: size.unused)
        } catch {
            return Diagnosis.unreadableDatabase("\(error)")
        }
    }
}
