import Domain
import Exec
import FoundationEssentials
import Glibc
import RunnerAPI

/// Has steps run as units by the privileged runner. The daemon opens their logs, asks, and waits; it may do nothing to the apps itself.
///
/// What a step is called makes every request repeatable: the runner leaves one alone that was begun, by whomever. So a daemon that is
/// started anew asks for the step it finds in the ledger as if it were new, and waits for the one that runs.
actor UnitRunner: StepRunner {
    nonisolated var outlivesDaemon: Bool { true }

    /// One step that this daemon follows.
    private struct Followed {
        var task: Task<StepEnding?, Never>
        var isStopping = false
    }

    private let call: LineCall
    private let state: StateDirectory
    private let probe: any HealthProbe
    private let journals: OutputJournals
    /// Whether an app is configured as this one, by the configuration in force.
    private let isInForce: @Sendable (App) -> Bool
    /// Told when the runner cannot be reached, and why; each time that begins.
    private let trouble: @Sendable (String) -> Void
    private var followed: [StepID: Followed] = [:]
    private var isLeaving = false

    static let socket = "/run/bittern/runner.sock"
    /// Within which the runner answers everything but a wait: it reads the configuration, and the service manager starts a unit.
    private static let patience: Duration = .seconds(60)
    /// Between two tries to reach it.
    private static let pause: Duration = .milliseconds(500)

    init(
        socket: String = socket, state: StateDirectory, probe: any HealthProbe, journals: @escaping OutputJournals,
        isInForce: @escaping @Sendable (App) -> Bool, trouble: @escaping @Sendable (String) -> Void
    ) {
        call = LineCall(path: socket, longestAnswer: RunnerReply.longestLine)
        self.state = state
        self.probe = probe
        self.journals = journals
        self.isInForce = isInForce
        self.trouble = trouble
    }

    /// Why the runner does not answer; nil: it does.
    static func trouble(socket: String = socket) async -> String? {
        let call = LineCall(path: socket, longestAnswer: RunnerReply.longestLine)
        do {
            let question = RunnerRequest(verb: .query, job: 1, start: 0, position: 0)
            _ = try RunnerReply(line: try await call.ask(Array(try question.line()), patience: .seconds(10)))
            return nil
        } catch {
            return "\(error)"
        }
    }

    // MARK: Steps

    func start(_ order: StepOrder) {
        guard followed[order.id] == nil else { return }
        followed[order.id] = Followed(task: Task { await follow(order) })
    }

    func wait(for id: StepID) async -> StepEnding? {
        guard let task = followed[id]?.task else { return StepEnding(.lost) }
        let ending = await task.value
        followed[id] = nil
        return ending
    }

    func stop(_ id: StepID) async {
        guard let step = followed[id] else { return await askToStop(id) }
        followed[id]?.isStopping = true
        // What the daemon does itself hears of it so; a unit goes on until the runner was asked.
        if isLocal.contains(id) { step.task.cancel() } else { await askToStop(id) }
    }

    func end(_ id: StepID) async -> StepOutcome {
        for _ in 0..<60 {
            do {
                if case .later(let reason) = try await ask(RunnerRequest(.stop, id)) { throw Later(description: reason) }
                if case .ended(let result) = try await ask(RunnerRequest(.wait, id)) { return result.outcome }
                return .lost
            } catch {
                try? await Task.sleep(for: Self.pause)  // nobody cancels it
            }
        }
        return .lost
    }

    func leave() {
        isLeaving = true
        for step in followed.values { step.task.cancel() }
    }

    /// Steps that the daemon does itself, for they touch nothing of the app's.
    private var isLocal: Set<StepID> = []

    private func follow(_ order: StepOrder) async -> StepEnding? {
        let log: Int32
        do {
            log = try state.openLog(
                order.id, step: order.step.name, saying: order.again, goesOn: order.isResumed || order.again != nil)
        } catch {
            return StepEnding(.failed(reason: "\(error)"))
        }
        if order.step.work.isAskedFromOutside { return await ask(order, log: log) }
        defer { close(log) }
        var isBegun = false
        var isInTrouble = false
        while true {
            if isLeaving { return nil }
            do {
                if followed[order.id]?.isStopping == true, !isBegun { return StepEnding(.stopped) }
                let reply =
                    isBegun
                    ? try await ask(RunnerRequest(.wait, order.id), patience: nil)
                    : try await ask(RunnerRequest(.start(StepRequest(order)), order.id), passing: log)
                if case .later(let reason) = reply { throw Later(description: reason) }
                isInTrouble = false
                switch reply {
                case .running:
                    isBegun = true
                    // The wish came while the unit was being started.
                    if followed[order.id]?.isStopping == true { await askToStop(order.id) }
                case .ended(let result): return StepEnding(result.outcome, result.usage)
                case .unknown: return StepEnding(.lost)
                // A reload took place since the job began; it begins anew by the new rules.
                case .outdated where !isInForce(order.app): return StepEnding(.outdated)
                case .refused(let reason), .outdated(let reason), .later(let reason):
                    write("bittern: \(reason)", to: log)
                    return StepEnding(.failed(reason: reason))
                }
            } catch {
                if isLeaving || Task.isCancelled { return nil }
                if !isInTrouble { trouble("\(error)") }
                isInTrouble = true
                try? await Task.sleep(for: Self.pause)  // cancelled: the loop ends
            }
        }
    }

    /// Asks a release for its health over the network, which the runner and its units may not have.
    private func ask(_ order: StepOrder, log descriptor: Int32) async -> StepEnding? {
        isLocal.insert(order.id)
        defer { isLocal.remove(order.id) }
        let log = StepLog(
            descriptor: descriptor, mask: LogMask(secrets: order.secrets), limit: order.app.logLimit,
            journal: journals(order.job, order.step.name))
        defer { log.close() }
        let mirrors = GitMirrors(state: state)
        let performer = StepPerformer(mirrors: mirrors, probe: probe, systemctl: .current(environment: [:]), home: "/")
        let outcome = await performer.perform(order, log: log)
        return isLeaving && outcome == .stopped ? nil : StepEnding(outcome)
    }

    private func askToStop(_ id: StepID) async {
        // As long as somebody waits for the end; a runner that is being restarted hears it a moment later.
        for _ in 0..<60 {
            let reply = try? await ask(RunnerRequest(.stop, id))  // unreachable: once more
            if let reply { if case .later = reply {} else { return } }
            guard followed[id] != nil, !isLeaving else { return }
            try? await Task.sleep(for: Self.pause)  // nobody cancels it
        }
    }

    private func write(_ line: String, to log: Int32) {
        let bytes = Array((SafeText.shown(line) + "\n").utf8)
        // The reason says it, too.
        _ = bytes.withUnsafeBytes { Glibc.write(log, $0.baseAddress, $0.count) }
    }

    /// The runner has to be asked again.
    private struct Later: Error, CustomStringConvertible {
        let description: String
    }

    // MARK: Chores

    /// What was not done says why.
    private struct NotDone: Error, CustomStringConvertible {
        let description: String
    }

    func perform(_ chore: Chore, after order: StepOrder) async throws {
        let id = order.id.ofChore(chore)
        var log: Int32?
        if case .notify(let position, _, _) = chore {
            log = try state.openNoticeLog(job: order.job.id, name: Chore.noticeName(position))
        }
        defer { if let log { close(log) } }
        // A runner that is being restarted is back within a moment; one that is not there at all is said to be missing.
        var tries = 20
        var isBegun = false
        while true {
            do {
                let reply =
                    isBegun
                    ? try await ask(RunnerRequest(.wait, id), patience: nil)
                    : try await ask(RunnerRequest(.start(StepRequest(chore, after: order)), id), passing: log)
                switch reply {
                case .running: isBegun = true
                case .ended(let result):
                    guard let failure = result.outcome.failure(ofStep: chore.name) else { return }
                    throw NotDone(description: failure)
                case .unknown: throw NotDone(description: "\(chore.name) was lost")
                case .refused(let reason), .outdated(let reason): throw NotDone(description: reason)
                case .later(let reason):
                    guard tries > 1 else { throw NotDone(description: reason) }
                    tries -= 1
                    try await Task.sleep(for: Self.pause)
                }
            } catch let error as ExecError {
                tries -= 1
                guard tries > 0 else { throw error }
                try await Task.sleep(for: Self.pause)
            }
        }
    }

    private func ask(
        _ request: RunnerRequest, passing descriptor: Int32? = nil, patience: Duration? = patience
    ) async throws -> RunnerReply {
        let answer = try await call.ask(Array(try request.line()), passing: descriptor, patience: patience)
        return try RunnerReply(line: answer)
    }
}

extension RunnerRequest {
    fileprivate init(_ verb: Verb, _ id: StepID) {
        self.init(verb: verb, job: id.job, start: id.start, position: id.position, round: id.round)
    }
}

extension StepRequest {
    fileprivate init(_ order: StepOrder) {
        self.init(order, .step(order.step.stage, position: order.id.position))
    }

    fileprivate init(_ chore: Chore, after order: StepOrder) {
        let errand: Errand =
            switch chore {
            case .keepCaches(let wentLive): .keepCaches(wentLive: wentLive)
            case .prepareTree: .prepareTree
            case .clearCaches: .clearCaches
            case .remove(let release): .remove(Release(release))
            case .notify(let position, let event, let live):
                .notify(
                    position: position, event, order.job.state, reason: SafeText.shown(order.job.reason ?? ""),
                    live: live.map { Release($0) })
            }
        self.init(order, .chore(errand))
    }

    private init(_ order: StepOrder, _ work: Work) {
        self.init(
            app: order.app.name, job: order.job.id, cause: order.job.cause, ref: order.job.ref, commit: order.job.commit, work: work,
            startedAt: order.job.startedAt ?? order.job.queuedAt, configurationHash: order.app.configurationHash, previous: order.live,
            target: order.target.map { Release($0) },
            goBack: order.goBack.map { Release($0) }, accessToken: order.accessToken)
    }
}

extension PlannedStep.Work {
    /// Whether the daemon asks over the network whether the release answers, which takes no rights.
    fileprivate var isAskedFromOutside: Bool {
        guard case .health(let health, _) = self else { return false }
        return switch health.question {
        case .url, .tcp: true
        case .run: false
        }
    }
}

extension Chore {
    /// For people.
    fileprivate var name: String {
        switch self {
        case .keepCaches: "keeping the caches"
        case .prepareTree: "preparing the next tree"
        case .remove(let release): "removing release \(release.release)"
        case .notify(let position, _, _): Self.noticeName(position)
        case .clearCaches: "clearing the caches"
        }
    }
}

extension StepID {
    /// Chores are numbered behind the steps of any plan.
    fileprivate func ofChore(_ chore: Chore) -> StepID {
        switch chore {
        case .keepCaches: StepID(job: job, start: start, position: 5000)
        case .prepareTree: StepID(job: job, start: start, position: 5001)
        case .clearCaches: StepID(job: job, start: start, position: 5002)
        case .remove(let release): StepID(job: job, start: start, position: 5003, round: release.release)
        case .notify(let notice, _, _): StepID(job: job, start: start, position: 6000 + notice)
        }
    }
}
