import Domain
import Exec
import FoundationEssentials
import Glibc
import RunnerAPI
import Settings
import Synchronization
import Systemd

/// Starts steps as units, and knows what became of them: from the manager while the unit is there, from a file of the runner's own
/// afterwards. It keeps nothing in memory, so a runner that is started anew knows as much as the one before.
///
/// One value for one connection, because that to the service manager belongs to one thread.
struct StepUnits {
    /// Where things lie, and who is who.
    struct Place: Sendable {
        /// bittern.yaml.
        var configuration: String
        /// Results; nobody but root may write there.
        var state: String
        /// The apps' home directories.
        var homes: String
        /// Holds the mirrors, and whose they are.
        var fetched: String
        var fetchUser: String
        /// What no step may see: the daemon's state above all.
        var hidden: [String]
        /// This program.
        var program: String
        /// The one group that may read a secret's file: the daemon's.
        var secretsGroup: UInt32
        var environment: [String: String]
        var hostName: String
    }

    let place: Place
    private let bus: UnitBus

    init(_ place: Place) throws {
        self.place = place
        bus = try UnitBus()
    }

    /// A step is not run, or nothing is known of it; a sentence says why.
    struct Refusal: Error {
        let sentence: String
        var isOutdated = false
    }

    /// The step can be run when somebody has mended this.
    struct NotNow: Error, CustomStringConvertible {
        let description: String
    }

    // MARK: Verbs

    func start(_ request: StepRequest, _ name: Name, log: Int32?) throws -> RunnerReply {
        // Two daemons may ask for the same step, one of which is gone since: what this one is told must be true for the other.
        var tries = 0
        while !Self.starting.withLock({ $0.insert(name.unit).inserted }) {
            tries += 1
            guard tries < 6000 else { throw Refusal(sentence: "\(name.unit) is being started for a minute; journalctl -u bittern-runner") }
            usleep(10_000)
        }
        defer { Self.starting.withLock { _ = $0.remove(name.unit) } }
        let files = files(of: name)
        let isThere = try bus.state(of: name.unit) != nil
        let isKnown = files.isOfStart(begun: request.startedAt)
        guard isKnown || !isThere else {
            throw Refusal(sentence: "\(name.unit) runs for a daemon with another ledger; systemctl stop \(name.unit)")
        }
        if isThere || isKnown && files.result != nil { return .running }
        let (configuration, admitted) = try admit(request)
        let log = try Self.log(log, for: admitted)
        defer { if admitted.isSilent { close(log) } }
        let role = try role(of: admitted)
        let specification = try admitted.specification(role, in: place).sealed()
        defer { close(specification) }
        if !isKnown { try files.beginAnew(request.startedAt) }
        guard let told = try files.openTold() else { return .running }
        defer { close(told) }
        let unit = unit(name, admitted, role, among: configuration, descriptors: [specification, log, told])
        do {
            try bus.start(unit)
        } catch {
            // Otherwise nobody knows whether it begins, and the next to ask finds out.
            guard error.isFinal else { throw error }
            files.forgetTold()
            throw Refusal(sentence: "the service manager does not start the unit: \(error.sentence)")
        }
        try files.noteBegun()
        return .running
    }

    /// Units that are about to be there.
    private static let starting = Mutex<Set<String>>([])

    // MARK: Units

    private func role(of admitted: AdmittedStep) throws -> StepRole {
        switch admitted.step.work {
        case .fetch:
            let user = try StepUser(place.fetchUser, allowsRoot: false, whose: "to fetch with")
            try user.makeDirectory(place.fetched + "/mirrors")
            return StepRole(user: user.name, kind: .fetch)
        case .units where admitted.chore == nil:
            // Only the service manager's own units are restarted as root; whatever touches the app's root is the app's.
            return StepRole(user: "root", kind: .manager)
        case .checkout, .activate, .command, .units, .health:
            let user = try StepUser(
                admitted.app.unit.user ?? "", allowsRoot: admitted.app.unit.allowsRoot, whose: "for the steps of \(admitted.app.name)")
            let root = admitted.app.root
            guard !FileSystem.isMissing(root) else {
                throw Refusal(
                    sentence: "the root of \(admitted.app.name) is not there (install -d -o \(user.name) -g \(user.name) \(root))")
            }
            try user.makeDirectory(admitted.home)
            return StepRole(user: user.name, kind: .app)
        }
    }

    private func unit(
        _ name: Name, _ admitted: AdmittedStep, _ role: StepRole, among configuration: Configuration, descriptors: [CInt]
    ) -> TransientUnit {
        let app = admitted.app
        var unit = TransientUnit(
            name: name.unit, description: "Bittern: \(admitted.step.name) of job \(admitted.job.id) of \(app.name)",
            program: [place.program, "step"], user: role.user, directory: "/", slice: "bittern-build.slice", descriptors: descriptors)
        (unit.memory, unit.processor, unit.tasks) = (app.unit.memory, app.unit.processor, app.unit.tasks)
        // The supervisor knows its limits and says which was reached; the manager's is for one that does not come to it.
        unit.runtime = (admitted.step.timeout ?? app.timeout) + .seconds(30)
        unit.hasNetwork = admitted.hasNetwork
        let own = role.kind == .app ? app.name : nil
        let others = configuration.apps.filter { $0.name != own }.flatMap { [$0.root, "\(place.homes)/\($0.name)"] }
        unit.inaccessible = place.hidden + others
        // Ways to the network that are none of the unit's own.
        if !unit.hasNetwork { unit.inaccessible += ["/run/systemd/resolve", "/run/dbus", "/run/docker.sock", "/run/podman"] }
        unit.remains = admitted.chore == nil
        switch role.kind {
        case .fetch:
            unit.writable = [place.fetched]
            unit.fileSize = Self.largestPack
        case .manager:
            unit.inaccessible.append(place.fetched)
        case .app:
            unit.writable = [app.root, admitted.home]
            unit.emptied = [place.fetched]
            unit.bound = [GitMirrors(state: StateDirectory(path: place.fetched)).path(of: app)]
        }
        return unit
    }

    /// In bytes: nobody deploys what takes more to fetch.
    private static let largestPack = 32 << 30

    // MARK: Waiting

    /// - Parameter isWanted: whether somebody still waits.
    func wait(for name: Name, while isWanted: () -> Bool) throws -> RunnerReply {
        if let state = try bus.wait(for: name.unit, while: isWanted) {
            // Somebody else who waits may have been quicker, and the manager knows of it no more.
            let files = files(of: name)
            if let known = files.result { return .ended(known) }
            let result = Self.result(of: state, told: files.told)
            // Before the unit goes: what it knew goes with it.
            try files.note(result)
            try bus.remove(name.unit)
            return .ended(result)
        }
        return try query(name)
    }

    func stop(_ name: Name) throws -> RunnerReply {
        try bus.stop(name.unit)
        return try query(name)
    }

    func query(_ name: Name) throws -> RunnerReply {
        if let result = files(of: name).result { return .ended(result) }
        if try bus.state(of: name.unit) != nil { return .running }
        // A unit that was stopped is gone before anybody can look at it; what its supervisor said last is there.
        return files(of: name).told.map { .ended($0) } ?? .unknown
    }

    // MARK: Results

    /// What the step is called.
    struct Name {
        let job: Int64
        let start: Int64
        let position: Int
        let round: Int64

        /// Among those of its job.
        var step: String { "\(start)-\(position)" + (round > 0 ? "-\(round)" : "") }
        var unit: String { "bittern-\(job)-\(step).service" }
    }

    private func files(of name: Name) -> StepFiles { StepFiles(name, in: place.state) }

    /// What the manager knows counts for more than what the supervisor said, which may have been killed before it said anything.
    static func result(of state: UnitState, told: StepResult?) -> StepResult {
        var result =
            switch (state.result, told) {
            case ("oom-kill", _): StepResult(.failed(reason: outOfMemory(state.memoryLimit)))
            // Stopped by the manager, which nobody had asked for that.
            case ("timeout", let told) where told == nil || told?.end == .stopped:
                StepResult(.failed(reason: "it ran longer than it may, and was ended"))
            case (_, let told?): told
            case (let result, nil) where state.code == 0:
                StepResult(.failed(reason: "the service manager could not start its unit (\(result))"))
            // What systemd itself exits with before there is a program (systemd.exec(5), "Process Exit Codes").
            case (_, nil) where state.code == CLD_EXITED && (200...243).contains(state.status):
                StepResult(.failed(reason: "the service manager could not set up its unit (status \(state.status)); journalctl says why"))
            case (_, nil): StepResult(state.code == CLD_EXITED ? .exited(status: state.status) : .signalled(state.status))
            }
        result.cpu_ms = told?.cpu_ms ?? state.processorTime.map { Int64($0 / 1_000_000) }
        result.memory = told?.memory
        return result
    }

    private static func outOfMemory(_ limit: UInt64?) -> String {
        guard let limit else { return "killed because the machine had no memory left" }
        return "killed by the memory limit of \(SizeText.text(of: Int(clamping: limit)))"
    }

    // MARK: Admission

    private func admit(_ request: StepRequest) throws -> (Configuration, AdmittedStep) {
        for path in configurationPaths(at: place.configuration) {
            var status = stat()
            guard lstat(path, &status) == 0 else { throw Refusal(sentence: "\(path) cannot be read: \(systemMessage(errno))") }
            guard status.st_uid == 0, status.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
                throw Refusal(sentence: "others than root may write \(path) (chown root, chmod go-w)")
            }
        }
        let reading = loadConfiguration(
            at: place.configuration, environment: place.environment, hostName: place.hostName, secretsGroup: place.secretsGroup,
            runsUnits: true)
        guard let configuration = reading.configuration else {
            // Somebody is about to edit it; the daemon goes on with the old one, and so do the jobs, a little later.
            throw NotNow(description: "the runner cannot use its configuration: \(reading.problems.first?.line ?? "nobody knows why")")
        }
        do {
            return (configuration, try RunnerAdmission(configuration, homes: place.homes).admit(request))
        } catch {
            throw Refusal(sentence: error.sentence, isOutdated: error.isOutdated)
        }
    }

    /// The file that the output goes to: the one that came with the request, or none for what says nothing, and then it is the caller's to
    /// close. The daemon opened it and can write nothing more by it than it can already; but it shall be a file, and grow.
    private static func log(_ descriptor: Int32?, for admitted: AdmittedStep) throws -> Int32 {
        if admitted.isSilent {
            let null = open("/dev/null", O_WRONLY | O_APPEND | O_CLOEXEC)
            guard null >= 0 else { throw Refusal(sentence: "/dev/null cannot be opened: \(systemMessage(errno))") }
            return null
        }
        var status = stat()
        guard let descriptor, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            case let flags = fcntl(descriptor, F_GETFL),
            flags >= 0, flags & O_APPEND != 0, flags & O_ACCMODE == O_WRONLY
        else { throw Refusal(sentence: "the request came without a log that can be appended to") }
        return descriptor
    }
}

/// Who does a step, and what that one may see.
private struct StepRole {
    enum Kind {
        /// Owns the mirrors, and has the forge's credentials and the network.
        case fetch
        /// Has the app's root and home.
        case app
        /// Speaks to the service manager.
        case manager
    }

    let user: String
    let kind: Kind
}

/// Somebody who owns what a step works on.
private struct StepUser {
    let name: String
    private let entry: SystemUser

    /// - Parameter whose: what the user is wanted for.
    init(_ name: String, allowsRoot: Bool, whose: String) throws {
        guard let entry = SystemUser(name) else { throw StepUnits.Refusal(sentence: "there is no user \(name) \(whose)") }
        guard entry.user != 0 || allowsRoot else {
            throw StepUnits.Refusal(sentence: "the user \(name) \(whose) has the rights of root, and `allow_root` is not set")
        }
        (self.name, self.entry) = (name, entry)
    }

    /// The directory above belongs to root, so nobody can have put anything else in its place.
    func makeDirectory(_ path: String) throws {
        try FileSystem.makeDirectory(path, mode: 0o700)
        guard lchown(path, entry.user, entry.group) == 0 else { throw StepUnits.Refusal(sentence: "\(path): \(systemMessage(errno))") }
    }
}

extension AdmittedStep {
    /// Whether it writes nothing that people read.
    fileprivate var isSilent: Bool {
        switch chore {
        case nil, .notify: false
        case .keepCaches, .prepareTree, .remove, .clearCaches: true
        }
    }

    fileprivate var hasNetwork: Bool {
        if let chore { if case .notify = chore { return true } else { return false } }
        return switch step.work {
        case .command(let command): command.hasNetwork
        case .fetch, .health: true
        case .checkout, .activate, .units: false
        }
    }

    /// With as much of what is secret as the role needs: the forge's credentials are for the fetch alone, the app's secrets never.
    fileprivate func specification(_ role: StepRole, in place: StepUnits.Place) throws -> StepSpecification {
        if chore == nil, case .health(let health, _) = step.work {
            guard case .run = health.question else { throw StepUnits.Refusal(sentence: "the daemon asks addresses itself") }
        }
        var (app, account) = (app, account)
        account.hookSecrets = []
        app.hookSecrets = nil
        // Whose the key is goes into its name.
        if app.credentials != nil { app.credentials = Credentials() }
        if role.kind == .fetch {
            app.secrets = [:]
            // The file is for the runner alone to read.
            if let ssh = account.ssh, case .path(let path) = ssh.key {
                do {
                    account.ssh?.key = .contents(Secret(try SmallFile.read(path, limit: 64 << 10).bytes))
                } catch {
                    throw StepUnits.Refusal(sentence: error.phrase(for: path))
                }
            }
        } else {
            account = account.showing(Credentials())
        }
        var fields = ["app": app.name, "job": String(job.id), "commit": job.commit.hex, "step": step.name]
        fields["ref"] = job.ref?.full
        let order = StepOrder(
            id: StepID(job: job.id, start: 0, position: 0), app: app, account: account, job: job, step: step, ownDirectory: ownDirectory,
            environment: environment, live: previous)
        return StepSpecification(order: order, chore: chore, state: place.fetched, home: home, journal: fields)
    }
}
