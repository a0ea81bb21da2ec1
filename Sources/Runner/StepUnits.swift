import Domain
import Exec
import FoundationEssentials
import Glibc
import RunnerAPI
import Settings
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
        /// What no step may see: the daemon's state above all.
        var hidden: [String]
        /// This program.
        var program: String
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
    }

    // MARK: Verbs

    func start(_ request: StepRequest, _ name: Name, log: Int32?) throws -> RunnerReply {
        guard try bus.state(of: name.unit) == nil, result(of: name) == nil else { return .running }
        let (configuration, admitted) = try admit(request)
        let work = try admitted.work()
        guard let log, Self.isLog(log) else { throw Refusal(sentence: "the request came without a log that can be appended to") }
        let owner = try StepUser(admitted.app)
        let home = "\(place.homes)/\(admitted.app.name)"
        try owner.makeHome(home)
        let specification = try admitted.specification(work).sealed()
        defer { close(specification) }
        let results = open(name.line(in: place.state), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
        // Begun by another connection a moment ago; or by a runner that died before the unit was there, and then the step is lost.
        if results < 0, errno == EEXIST { return .running }
        guard results >= 0 else { throw Refusal(sentence: "the result cannot be written to \(place.state): \(systemMessage(errno))") }
        defer { close(results) }
        var unit = TransientUnit(
            name: name.unit, description: "Bittern: \(admitted.step.name) of job \(request.job) of \(admitted.app.name)",
            program: [place.program, "step"], user: work.needsRoot ? "root" : owner.name, directory: "/", slice: "bittern-build.slice",
            descriptors: [specification, log, results])
        let limits = admitted.app.unit
        (unit.memory, unit.processor, unit.tasks) = (limits.memory, limits.processor, limits.tasks)
        // The supervisor knows its limits and says which was reached; the manager's is for one that does not come to it.
        unit.runtime = (admitted.step.timeout ?? admitted.app.timeout) + .seconds(30)
        unit.writable = [admitted.app.root, home]
        let others = configuration.apps.filter { $0.name != admitted.app.name }
        unit.inaccessible = place.hidden + others.flatMap { [$0.root, "\(place.homes)/\($0.name)"] }
        unit.hasNetwork = admitted.hasNetwork
        do {
            try bus.start(unit)
        } catch {
            // Nothing runs, and nothing shall say so.
            unlink(name.line(in: place.state))
            throw error
        }
        return .running
    }

    /// - Parameter isWanted: whether somebody still waits.
    func wait(for name: Name, while isWanted: () -> Bool) throws -> RunnerReply {
        if let state = try bus.wait(for: name.unit, while: isWanted) {
            let result = Self.result(of: state, told: told(name))
            // Before the unit goes: what it knew goes with it.
            try FileSystem.writeFile(
                String(decoding: try result.line(), as: UTF8.self), named: name.file, in: place.state, mode: 0o600)
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
        if let result = result(of: name) { return .ended(result) }
        if try bus.state(of: name.unit) != nil { return .running }
        // A unit that was stopped is gone before anybody can look at it; what its supervisor said last is there.
        return told(name).map { .ended($0) } ?? .unknown
    }

    // MARK: Results

    /// What the step is called: for the manager, and in the runner's own directory.
    struct Name {
        let job: Int64
        let start: Int64
        let position: Int

        private var text: String { "\(job)-\(start)-\(position)" }
        var unit: String { "bittern-\(text).service" }
        /// With how it ended, as the runner found it.
        var file: String { "\(text).ended" }
        /// What its supervisor said of it.
        func line(in directory: String) -> String { "\(directory)/\(text).told" }
    }

    /// Forgets what became of steps that nobody can ask for any more: a daemon asks within the time of a job.
    static func forgetOldResults(in directory: String, now: Int) {
        for name in FileSystem.names(in: directory) {
            var status = stat()
            let path = directory + "/" + name
            if lstat(path, &status) == 0, now - status.st_mtim.tv_sec > Self.resultsAreKept { unlink(path) }
        }
    }

    /// In seconds; no job takes a month.
    private static let resultsAreKept = 30 * 24 * 3600

    private func result(of name: Name) -> StepResult? { line(place.state + "/" + name.file) }

    private func told(_ name: Name) -> StepResult? { line(name.line(in: place.state)) }

    private func line(_ path: String) -> StepResult? {
        guard let file = try? SmallFile.read(path, limit: RunnerReply.longestLine) else { return nil }  // nobody wrote it
        return StepResult(line: file.bytes)
    }

    /// What the manager knows counts for more than what the supervisor said, which may have been killed before it said anything.
    static func result(of state: UnitState, told: StepResult?) -> StepResult {
        switch (state.result, told) {
        case ("oom-kill", _): StepResult(.failed(reason: "killed by the memory limit"))
        // Stopped by the manager, which nobody had asked for that.
        case ("timeout", let told) where told == nil || told?.end == .stopped:
            StepResult(.failed(reason: "it ran longer than it may, and was ended"))
        case (_, let told?): told
        case (_, nil): StepResult(state.code == CLD_EXITED ? .exited(status: state.status) : .signalled(state.status))
        }
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
            at: place.configuration, environment: place.environment, hostName: place.hostName, runsUnits: true)
        guard let configuration = reading.configuration else {
            throw Refusal(sentence: "the runner cannot use its configuration: \(reading.problems.first?.line ?? "nobody knows why")")
        }
        do {
            return (configuration, try RunnerAdmission(configuration, homes: place.homes).admit(request))
        } catch {
            throw Refusal(sentence: error.sentence)
        }
    }

    /// The daemon opened it and can write nothing more by it than it can already; but it shall be a file, and grow.
    private static func isLog(_ descriptor: Int32) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
        let flags = fcntl(descriptor, F_GETFL)
        return flags >= 0 && flags & O_APPEND != 0 && flags & O_ACCMODE == O_WRONLY
    }
}

/// The user of an app's steps, as the user database has it.
private struct StepUser {
    let name: String
    private let user: uid_t
    private let group: gid_t

    init(_ app: App) throws {
        let name = app.unit.user ?? ""
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16384)
        // Several connections ask at once, and getpwnam(3) would give one what another asked for.
        getpwnam_r(name, &entry, &buffer, buffer.count, &found)
        guard found != nil else { throw StepUnits.Refusal(sentence: "there is no user \(name) for the steps of \(app.name)") }
        guard entry.pw_uid != 0 || app.unit.allowsRoot else {
            throw StepUnits.Refusal(sentence: "the user of \(app.name) has the rights of root, and `allow_root` is not set")
        }
        (self.name, user, group) = (name, entry.pw_uid, entry.pw_gid)
    }

    /// The directory above belongs to root, so nobody can have put anything else in its place.
    func makeHome(_ path: String) throws {
        try FileSystem.makeDirectory(path, mode: 0o700)
        guard lchown(path, user, group) == 0 else { throw StepUnits.Refusal(sentence: "\(path): \(systemMessage(errno))") }
    }
}

extension StepWork {
    /// Only the service manager's own units are restarted as root; whatever touches the app's root is the app's.
    fileprivate var needsRoot: Bool { if case .units = self { true } else { false } }
}

extension AdmittedStep {
    fileprivate var hasNetwork: Bool {
        switch step.work {
        case .command(let command): command.hasNetwork
        case .health: true
        case .fetch, .checkout, .activate, .units: false
        }
    }

    fileprivate func work() throws -> StepWork {
        let mark = JobMark(job: job.id, releaseDirectory: ownDirectory)
        guard let work = StepWork(step, of: app, mark: mark) else {
            throw StepUnits.Refusal(sentence: "the runner does not run \(step.stage.rawValue) yet")
        }
        if case .health(let health, _) = work {
            guard case .run = health.question else { throw StepUnits.Refusal(sentence: "the daemon asks addresses itself") }
        }
        return work
    }

    fileprivate func specification(_ work: StepWork) -> StepSpecification {
        var fields = ["app": app.name, "job": String(job.id), "commit": job.commit.hex, "step": step.name]
        fields["ref"] = job.ref?.full
        return StepSpecification(
            work: work, in: ReleaseDirectory(root: app.root, path: step.release.path), masked: Array(app.secrets.values),
            logLimit: app.logLimit, journal: fields)
    }
}
