import Domain
import RealParts
import Testing

@testable import Storage

/// One history from its first push until nothing is left to do.
final class History {
    struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    /// What happened, by name and how often.
    struct Seen: CustomStringConvertible {
        enum Event: String, CaseIterable {
            case stop, deathBeforeActivation, deathAtActivation, deathAfterActivation, resumed, givenUp, cancelledQueued, cancelledRunning
            case retry, held, headChecked, headWaived, behindAnyHook
        }

        private var counts: [Event: Int] = [:]
        var unseen: [Event] { Event.allCases.filter { counts[$0] == nil } }
        var description: String { Event.allCases.map { "\($0) \(counts[$0] ?? 0)" }.joined(separator: ", ") }

        mutating func add(_ event: Event) { counts[event, default: 0] += 1 }
        mutating func add(_ other: Seen) { counts.merge(other.counts, uniquingKeysWith: +) }
    }

    struct Run {
        enum Phase { case fetching, goesOn, building, live }

        var claimed: ClaimedJob
        var app: Int
        var tries = 0
        var phase: Phase
        /// The step behind activation that comes next, or runs.
        var position = History.firstPosition
        var stepRuns = false
        let patience = 5
    }

    private struct Hook {
        var branch: Int
        /// Which move of the branch it tells of.
        var move: Int
        var request: String
    }

    /// Of the steps behind activation.
    static let firstPosition = 3
    static let endPosition = 5

    let house: LedgerHouse
    let seed: UInt64
    var random: SeededRandom
    var queue = ModelQueue()
    var running: [Run] = []
    var seen = Seen()
    private(set) var story = ""
    private(set) var now: Int64 = 1000
    var time: Timestamp { at(now) }

    /// Which branch each app has.
    let apps = [0, 1, 0]
    private let isOrderly: Bool
    private let isEverBehind: Bool
    let isBehindAnyHook: Bool
    let isMeddledWith: Bool
    /// The apps' `max_attempts`.
    let maxAttempts: Int
    private(set) var forge = ModelForge()
    private var movesLeft: Int
    private var pending: [Hook] = []
    private var arrived: Set<String> = []
    /// The moves of each branch that were told of, or found, and those of each job.
    private var told: [Set<Int>] = [[], []]
    var moveOfJob: [Int64: Int] = [:]
    /// The move each app's live commit was served as.
    private(set) var live: [Int: Int] = [:]
    /// Apps whose last job could not ask for the head, or whose last push was taken for an older one.
    var waived: Set<Int> = []

    init(_ house: LedgerHouse, seed: UInt64) {
        self.house = house
        self.seed = seed
        random = SeededRandom(seed: seed)
        isOrderly = chance(3, &random)
        isEverBehind = chance(2, &random)
        isBehindAnyHook = isOrderly && isEverBehind
        isMeddledWith = chance(2, &random)
        maxAttempts = Int.random(in: 1...3, using: &random)
        movesLeft = Int.random(in: 1...10, using: &random)
    }

    func run() async throws {
        var idle = 0
        while movesLeft > 0 || !pending.isEmpty || !running.isEmpty || idle < 2 {
            idle = movesLeft > 0 || !pending.isEmpty || !running.isEmpty ? 0 : idle + 1
            now += 1
            try check(now < 10_000, "there is no end")
            switch Int.random(in: 0..<24, using: &random) {
            case 0..<4: move()
            case 4..<8: try await deliver()
            case 8..<11: try await claim()
            case 11: try await restart()
            case 12..<14: try await meddle(isLate: idle > 0)
            default: try await advance()
            }
            if idle > 0 {
                for app in apps.indices { try await resume(app) }
                try await claim()
                if !running.isEmpty { idle = 0 }
            }
            try checkLedger()
        }
        try checkEnd()
    }

    // The forge.

    private func move() {
        guard movesLeft > 0 else { return }
        movesLeft -= 1
        let index = Int.random(in: 0..<2, using: &random)
        let head = forge.branches[index].head
        let seen = Set(forge.branches.flatMap(\.moves).compactMap(\.self)).sorted()
        var target: Int?
        switch Int.random(in: 0..<10, using: &random) {
        case 0 where head != nil: target = nil
        case 1, 2: target = seen.filter { $0 != head }.randomElement(using: &random) ?? forge.makeCommit(on: head)
        case 3: target = forge.makeCommit(on: seen.randomElement(using: &random))
        default: target = forge.makeCommit(on: head)
        }
        forge.move(index, to: target)
        let hook = Hook(branch: index, move: forge.branches[index].moves.count - 1, request: "\(seed)-\(movesLeft)")
        pending.append(hook)
        if chance(4, &random) { pending.append(Hook(branch: index, move: hook.move, request: hook.request + "-doubled")) }
        tell("branch \(index) moves \(shown(head)) > \(shown(target)) as move \(hook.move)")
    }

    private func deliver() async throws {
        guard let position = isOrderly ? pending.indices.first : pending.indices.randomElement(using: &random) else { return }
        let hook = pending.remove(at: position)
        let moves = forge.branches[hook.branch].moves
        if hook.move < moves.count - 1, chance(5, &random) { return tell("lost: \(hook.request), move \(hook.move) of \(hook.branch)") }
        let accepted = try await house.accept(try delivery(hook, old: moves[hook.move - 1], new: moves[hook.move]))
        tell("arrived: \(hook.request), move \(hook.move) of \(hook.branch): jobs \(accepted.verdicts.compactMap(\.job))")
        for superseded in accepted.superseded { tell("  job \(superseded.job) superseded by \(superseded.by)") }
        if !arrived.insert(hook.request).inserted {
            try check(!accepted.queuedAnything, "a delivery that was sent again made a job")
            try check(accepted.duplicateOf != nil, "a delivery that was sent again is no duplicate")
        }
        for verdict in accepted.verdicts {
            guard let job = verdict.job, let app = verdict.app else { continue }
            let superseded = try queued(job, of: app, .push, move: hook.move)
            try check(superseded == accepted.superseded.filter { $0.app == app }.map(\.job), "job \(job) takes the place of \(superseded)")
        }
        if moves[hook.move - 1] == nil, hook.move > 1, !told[hook.branch].contains(hook.move - 1), !accepted.queuedAnything {
            waived.formUnion(apps.indices.filter { apps[$0] == hook.branch })
        }
        told[hook.branch].insert(hook.move)
        if chance(5, &random) { pending.append(hook) }
    }

    private func delivery(_ hook: Hook, old: Int?, new: Int?) throws -> Domain.Delivery {
        let change = Change(ref: try ref(hook.branch), old: try old.map(ModelForge.name), new: try new.map(ModelForge.name))
        let matches = apps.indices.filter { apps[$0] == hook.branch }.map {
            Match(app: name(ofApp: $0), decision: new == nil ? .ignore(reason: "deleted") : .deploy)
        }
        return StorageTests.delivery(
            hook.request, MatchedChange(ref: .change(change), repository: RepositoryName("acme/h\(seed)"), matches: matches),
            at: now)
    }

    /// A job was queued: gives those that made way for it.
    @discardableResult
    func queued(_ job: Int64, of app: String, _ cause: Job.Cause, move: Int?) throws -> [Int64] {
        moveOfJob[job] = move
        if let number = apps.indices.first(where: { name(ofApp: $0) == app }) { waived.remove(number) }
        return queue.queue(job, of: app, cause)
    }

    // A worker.

    private func advance() async throws {
        guard let index = running.indices.randomElement(using: &random) else { return }
        var run = running.remove(at: index)
        let job = run.claimed.job
        switch run.phase {
        case .fetching:
            if chance(12, &random) { return try await finish(run, JobEnd(.failed, "the forge was not there")) }
            guard try await fetch(&run) else { return }
        case .goesOn:
            if chance(6, &random) {
                let state = [Job.State.failed, .skipped].randomElement(using: &random) ?? .failed
                return try await finish(run, JobEnd(state, "as told"))
            }
            try await house.ledger.releaseBegun(job: job.id, app: job.app, commit: job.commit, path: "/srv/\(job.app)/\(job.id)", at: time)
            run.phase = .building
        case .building:
            if chance(8, &random) { return try await finish(run, JobEnd(.failed, "as told")) }
            try await activate(job)
            run.phase = .live
        case .live:
            guard try await step(&run) else { return }
        }
        running.append(run)
    }

    func activate(_ job: Job) async throws {
        try await house.ledger.releaseActivated(job.id, app: job.app, at: time)
        queue.activate(job.id)
        tell("job \(job.id): \(ModelForge.number(of: job.commit)) is live")
    }

    /// Begins or ends a step behind activation; whether the job is still there.
    private func step(_ run: inout Run) async throws -> Bool {
        let job = run.claimed.job.id
        guard run.position < Self.endPosition else {
            try await finish(run, JobEnd(.succeeded, "live"))
            return false
        }
        if run.stepRuns {
            let isGood = !chance(8, &random)
            try await house.ledger.stepEnded(
                job: run.claimed.job, start: run.claimed.start, position: run.position, outcome: isGood ? .succeeded : .exited(status: 1),
                at: time)
            if !isGood {
                try await finish(run, JobEnd(.failed, "as told; it stays live"))
                return false
            }
            queue.stepSucceeded(job, run.position)
            run.position += 1
        } else {
            try await house.ledger.stepStarted(
                job: job, start: run.claimed.start, position: run.position, name: "deploy-\(run.position)", at: time)
        }
        run.stepRuns.toggle()
        return true
    }

    /// Whether the job is still there.
    private func fetch(_ run: inout Run) async throws -> Bool {
        let job = run.claimed.job
        let branch = apps[run.app]
        let atLeast = isBehindAnyHook ? 0 : told[branch].filter { $0 != moveOfJob[job.id] }.max() ?? 0
        forge.serve(branch, atLeast: atLeast, isLate: isEverBehind && run.tries < 3, &random)
        let served = forge.branches[branch].served
        if let told = told[branch].filter({ $0 != moveOfJob[job.id] }).max(), served < told { seen.add(.behindAnyHook) }
        let fetched = try forge.fetch(branch, for: ModelForge.number(of: job.commit))
        let outcome = try await house.ledger.order(job, after: fetched, patienceIsOver: run.tries >= run.patience, at: time)
        run.tries += 1
        if let queued = outcome.queued {
            try self.queued(queued.id, of: job.app, .catchUp, move: served)
            told[branch].insert(served)
            tell("job \(job.id) queued job \(queued.id) for \(ModelForge.number(of: queued.commit))")
        }
        tell("job \(job.id) saw \(shown(fetched.head.map(ModelForge.number))) as move \(served): \(outcome.next)")
        switch outcome.next {
        case .fetchAgain:
            try check(run.tries <= run.patience, "patience has no end")
        case .goOn(let commit):
            try check(commit == fetched.head, "what goes on is not the head")
            try checkBackwards(run.app, served)
            live[run.app] = served
            run.phase = .goesOn
        case .end(let end):
            let newer = end.supersededBy.flatMap { queue.jobs[$0] }
            try check(newer.map { $0.state == .queued || $0.state == .running } ?? true, "job \(job.id) gives way to one that has ended")
            // Between the order and the end of the job a daemon may die as well.
            if chance(10, &random) { return true }
            try await finish(run, end, hasAsked: true)
            return false
        }
        return true
    }

    func finish(_ run: Run, _ end: JobEnd, hasAsked: Bool = false) async throws {
        let job = run.claimed.job
        try await house.ledger.finish(job: job.id, end, at: time)
        queue.end(job.id, end.state, by: end.supersededBy)
        if run.phase == .fetching, !hasAsked { waived.insert(run.app) }
        tell("job \(job.id): \(end.state), \(end.reason)")
    }

    // Words.

    func check(_ condition: Bool, _ what: @autoclosure () -> String) throws {
        if !condition { throw Broken(description: what()) }
    }

    func tell(_ line: String) { story += "\(now) \(line)\n" }

    private func shown(_ commit: Int?) -> String { commit.map { "\($0)" } ?? "nothing" }

    func name(ofApp app: Int) -> String { "h\(seed)-\(app)" }

    private func ref(_ branch: Int) throws -> RefName { try #require(RefName(.branch, branch == 0 ? "main" : "next")) }
}

/// True once in so many times.
func chance(_ times: Int, _ random: inout SeededRandom) -> Bool { Int.random(in: 0..<times, using: &random) == 0 }
