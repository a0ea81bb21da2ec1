import Domain
import Foundation
import GRDB
import RealParts
import Testing

@testable import Storage

/// The duplicate and order rules against random histories of a forge that has little order in what it tells.
///
/// What is held: once every delivery is in and every job has ended, the last verdict of each app is on the head of its branch, and
/// that head is live if the verdict was a good one, provided that
///
/// - the delivery of the last move of each branch arrived; any earlier one may be lost, late, doubled or sent again;
/// - a fetch shows at least what deliveries told before, apart from the one whose job asks: of its own hook the forge may be behind,
///   for less than patience, where the branch was made or moved forward.
///
/// On the way: a job goes on with the head alone, no app runs two jobs, a delivery that is sent again never makes a job, and a live
/// commit gives way to an ancestor only where the branch was forced back.
@Suite struct RandomHistoryTests {
    @Test("whatever the forge loses, doubles, reorders and is late with, the heads of its branches go live")
    func histories() async throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["BITTERN_TEST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64(UInt32.max))
        let count = environment["BITTERN_TEST_HISTORIES"].flatMap { UInt64($0) } ?? 300
        print("random histories: BITTERN_TEST_SEED=\(seed)")
        try await withLedger { house in
            // What survives a power cut is tested elsewhere.
            try await house.ledger.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = OFF") }
            for number in 0..<count {
                // Each is run again alone by the seed it is reported with.
                let history = History(house, seed: seed &+ number)
                do { try await history.run() } catch {
                    Issue.record("BITTERN_TEST_SEED=\(seed &+ number) BITTERN_TEST_HISTORIES=1: \(error)\n\(history.story)")
                    return
                }
            }
        }
    }
}

/// A repository with two branches, and what git and the daemon's mirror know of it.
private struct Forge {
    struct Branch {
        /// Where it pointed, from the beginning; nil: nowhere.
        var moves: [Int?] = [nil]
        /// The move the forge has served last, and the one it serves at least.
        var served = 0
        var floor = 0
        var wasFetched = false
        var head: Int? { moves.last ?? nil }
    }

    var branches = [Branch(), Branch()]
    /// The strict ancestors of each commit.
    var ancestors: [Set<Int>] = []
    var mirror: Set<Int> = []

    mutating func makeCommit(on parent: Int?) -> Int {
        ancestors.append(parent.map { ancestors[$0].union([$0]) } ?? [])
        return ancestors.count - 1
    }

    mutating func move(_ index: Int, to commit: Int?) {
        let old = branches[index].head
        branches[index].moves.append(commit)
        let isForward = commit.map { new in old.map { ancestors[new].contains($0) } ?? (branches[index].moves.count == 2) } ?? false
        if !isForward { branches[index].floor = branches[index].moves.count - 1 }
    }

    mutating func serve(_ index: Int, atLeast told: Int, isLate: Bool, _ random: inout SeededRandom) {
        let newest = branches[index].moves.count - 1
        let least = max(branches[index].served, branches[index].floor, told)
        branches[index].served = isLate ? Int.random(in: least...newest, using: &random) : newest
    }

    /// What git says after a fetch of what the forge serves.
    mutating func fetch(_ index: Int, for own: Int) throws -> OrderRules.Fetched {
        let wasKnown = branches[index].wasFetched
        guard let head = branches[index].moves[branches[index].served] else {
            return OrderRules.Fetched(head: nil, headObject: nil, commit: nil, refWasKnown: wasKnown)
        }
        branches[index].wasFetched = true
        mirror.formUnion(ancestors[head].union([head]))
        let name = try Self.name(of: head)
        return OrderRules.Fetched(
            head: name, headObject: name, commit: mirror.contains(own) ? try Self.name(of: own) : nil,
            headIsStrictAncestorOfCommit: mirror.contains(own) && ancestors[own].contains(head), refWasKnown: wasKnown)
    }

    static func name(of commit: Int) throws -> CommitID {
        try #require(CommitID(bytes: [UInt8](repeating: 0, count: 19) + [UInt8(commit)]))
    }

    static func number(of name: CommitID) -> Int { Int(name.bytes.last ?? 0) }
}

/// One history from its first push until nothing is left to do.
private final class History {
    private struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    private struct Hook {
        var branch: Int
        /// Which move of the branch it tells of.
        var move: Int
        var request: String
    }

    private struct Run {
        enum Phase { case fetching, goesOn, building, live }

        var claimed: ClaimedJob
        var app: Int
        var tries = 0
        var phase: Phase
        var patience = 5
    }

    private let house: LedgerHouse
    private let seed: UInt64
    private var random: SeededRandom
    private var forge = Forge()
    private(set) var story = ""
    private var now: Int64 = 1000

    /// Which branch each app has.
    private let apps = [0, 1, 0]
    private let isOrderly: Bool
    private let isEverBehind: Bool
    private var movesLeft: Int
    private var pending: [Hook] = []
    private var arrived: Set<String> = []
    /// The moves of each branch that were told of, or found, and those of each job.
    private var told: [Set<Int>] = [[], []]
    private var moveOfJob: [Int64: Int] = [:]
    private var running: [Run] = []
    /// The move each app's live commit was served as.
    private var live: [Int: Int] = [:]

    init(_ house: LedgerHouse, seed: UInt64) {
        self.house = house
        self.seed = seed
        random = SeededRandom(seed: seed)
        isOrderly = chance(3, &random)
        isEverBehind = chance(2, &random)
        movesLeft = Int.random(in: 1...10, using: &random)
    }

    func run() async throws {
        var idle = 0
        while movesLeft > 0 || !pending.isEmpty || !running.isEmpty || idle < 2 {
            idle = movesLeft > 0 || !pending.isEmpty || !running.isEmpty ? 0 : idle + 1
            now += 1
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<4: move()
            case 4..<8: try await deliver()
            case 8..<11: try await claim()
            case 11: try await restart()
            default: try await advance()
            }
            if idle > 0 {
                try await claim()
                if !running.isEmpty { idle = 0 }
            }
        }
        try await checkEnd()
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
        for job in accepted.verdicts.compactMap(\.job) { moveOfJob[job] = hook.move }
        told[hook.branch].insert(hook.move)
        if chance(5, &random) { pending.append(hook) }
    }

    private func delivery(_ hook: Hook, old: Int?, new: Int?) throws -> Domain.Delivery {
        let change = Change(ref: try ref(hook.branch), old: try old.map(Forge.name), new: try new.map(Forge.name))
        let matches = apps.indices.filter { apps[$0] == hook.branch }.map {
            Match(app: name(ofApp: $0), decision: new == nil ? .ignore(reason: "deleted") : .deploy)
        }
        return StorageTests.delivery(
            hook.request, MatchedChange(ref: .change(change), repository: RepositoryName("acme/h\(seed)"), matches: matches),
            at: now)
    }

    // The daemon.

    private func claim() async throws {
        guard let claimed = try await house.ledger.claim(at: at(now)) else { return }
        let app = try #require(apps.indices.first { name(ofApp: $0) == claimed.job.app })
        try check(!running.contains { $0.app == app }, "app \(app) runs two jobs")
        tell("job \(claimed.job.id) of app \(app) starts for \(Forge.number(of: claimed.job.commit))")
        running.append(Run(claimed: claimed, app: app, phase: claimed.isActivated ? .live : .fetching))
    }

    private func restart() async throws {
        guard chance(2, &random) else { return }
        let isOrderlyStop = chance(2, &random)
        for run in running {
            let job = run.claimed.job.id
            if isOrderlyStop {
                try await house.ledger.putBack(job: job, at: at(now))
            } else {
                try await house.ledger.requeue(job: job, at: at(now))
            }
        }
        tell("restart, \(running.map(\.claimed.job.id)) put back")
        running = []
    }

    private func advance() async throws {
        guard let index = running.indices.randomElement(using: &random) else { return }
        var run = running.remove(at: index)
        let job = run.claimed.job
        switch run.phase {
        case .fetching:
            guard try await fetch(&run) else { return }
        case .goesOn:
            if chance(6, &random) {
                let state = [Job.State.failed, .skipped, .cancelled].randomElement(using: &random) ?? .failed
                return try await finish(job, JobEnd(state, "as told"))
            }
            try await house.ledger.releaseBegun(
                job: job.id, app: job.app, commit: job.commit, path: "/srv/\(job.app)/\(job.id)", at: at(now))
            run.phase = .building
        case .building:
            if chance(8, &random) { return try await finish(job, JobEnd(.failed, "as told")) }
            try await house.ledger.releaseActivated(job: job.id, app: job.app, at: at(now))
            tell("job \(job.id): \(Forge.number(of: job.commit)) is live")
            run.phase = .live
        case .live:
            return try await finish(job, JobEnd(.succeeded, "live"))
        }
        running.append(run)
    }

    /// Whether the job is still there.
    private func fetch(_ run: inout Run) async throws -> Bool {
        let job = run.claimed.job
        let branch = apps[run.app]
        let atLeast = told[branch].filter { $0 != moveOfJob[job.id] }.max() ?? 0
        forge.serve(branch, atLeast: atLeast, isLate: isEverBehind && run.tries < 3, &random)
        let fetched = try forge.fetch(branch, for: Forge.number(of: job.commit))
        let outcome = try await house.ledger.order(job, after: fetched, patienceIsOver: run.tries >= run.patience, at: at(now))
        run.tries += 1
        let served = forge.branches[branch].served
        if let queued = outcome.queued {
            moveOfJob[queued.id] = served
            told[branch].insert(served)
            tell("job \(job.id) queued job \(queued.id) for \(Forge.number(of: queued.commit))")
        }
        tell("job \(job.id) saw \(shown(fetched.head.map(Forge.number))) as move \(served): \(outcome.next)")
        switch outcome.next {
        case .fetchAgain:
            try check(run.tries <= run.patience, "patience has no end")
        case .goOn(let commit):
            try check(commit == fetched.head, "what goes on is not the head")
            try checkBackwards(run.app, served)
            live[run.app] = served
            run.phase = .goesOn
        case .end(let end):
            // Between the order and the end of the job a daemon may die as well.
            if chance(10, &random) { return true }
            try await finish(job, end)
            return false
        }
        return true
    }

    private func finish(_ job: Job, _ end: JobEnd) async throws {
        try await house.ledger.finish(job: job.id, end, at: at(now))
        tell("job \(job.id): \(end.state), \(end.reason)")
    }

    // What must be true.

    private func checkBackwards(_ app: Int, _ served: Int) throws {
        let moves = forge.branches[apps[app]].moves
        guard let before = live[app], let old = moves[before], let new = moves[served], forge.ancestors[old].contains(new) else { return }
        try check(before < served, "app \(app) went back from \(old) to \(new)")
        let wasForced = zip(moves[before..<served], moves[(before + 1)...served]).contains { one, next in
            guard let one, let next else { return true }
            return !forge.ancestors[next].contains(one)
        }
        try check(wasForced, "app \(app) went back from \(old) to \(new), which nobody forced")
    }

    private func checkEnd() async throws {
        for (app, branch) in apps.enumerated() {
            let name = name(ofApp: app)
            let left = try house.values("SELECT id FROM jobs WHERE app = '\(name)' AND finished_at IS NULL", as: Int64.self)
            try check(left.isEmpty, "jobs \(left) did not end")
            let lost = try house.value(
                "SELECT count(*) FROM verdicts WHERE app = '\(name)' AND kind = 'queued' AND job NOT IN (SELECT id FROM jobs)",
                as: Int.self)
            try check(lost == 0, "a verdict lost its job")
            guard let head = forge.branches[branch].head else { continue }
            let hex = try Forge.name(of: head).hex
            // A commit that never appeared says nothing of the head.
            let last = try house.value(
                """
                SELECT lower(hex(commit_id)) || CASE WHEN state IN ('succeeded', 'superseded') THEN ' good' ELSE ' bad' END FROM jobs
                WHERE app = '\(name)' AND came_to_verdict = 1 AND reason NOT LIKE '%never appeared%'
                ORDER BY finished_at DESC, id DESC LIMIT 1
                """, as: String.self)
            try check(last == hex + " good" || last == hex + " bad", "app \(app): the last verdict is \(last ?? "none"), not on \(head)")
            let live = try house.value(
                "SELECT lower(hex(commit_id)) FROM releases WHERE app = '\(name)' AND state = 'live'", as: String.self)
            if last == hex + " good" { try check(live == hex, "app \(app): \(live ?? "nothing") is live, not \(head)") }
        }
    }

    private func check(_ condition: Bool, _ what: @autoclosure () -> String) throws {
        if !condition { throw Broken(description: what()) }
    }

    // Words.

    private func tell(_ line: String) { story += "\(now) \(line)\n" }

    private func shown(_ commit: Int?) -> String { commit.map { "\($0)" } ?? "nothing" }

    private func name(ofApp app: Int) -> String { "h\(seed)-\(app)" }

    private func ref(_ branch: Int) throws -> RefName { try #require(RefName(.branch, branch == 0 ? "main" : "next")) }
}

/// True once in so many times.
private func chance(_ times: Int, _ random: inout SeededRandom) -> Bool { Int.random(in: 0..<times, using: &random) == 0 }
