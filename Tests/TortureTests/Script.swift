import RealParts

/// What happens in one round, all of it drawn from the seed before the round begins.
struct Script: Sendable {
    static let refs = ["refs/heads/main", "refs/heads/release", "refs/heads/stage", "refs/tags/v1", "refs/tags/v2"]
    /// Starts per round of a daemon that is to kill itself.
    static let crashes = 3

    /// A ref that is made, moved, moved by force or deleted.
    struct Move: Sendable {
        let ref: String
        let old: String?
        let new: String?
        /// Of an annotated tag: itself.
        var object: String?
        let forced: Bool

        var isTag: Bool { ref.hasPrefix("refs/tags/") }
    }

    /// One `git push`, and how its deliveries travel.
    struct Push: Sendable {
        var pause: Duration
        var moves: [Move]
        /// From the push to the first try; what makes deliveries overtake each other.
        var delay: Duration
        /// Not sent before the daemon was started so many times.
        var heldUntilStart = 0
        /// The same request again, this long after the first was sent, answered or not.
        var resends: [Duration] = []
        /// The same body under another request id, as from a second hook: this long after the first was sent.
        var double: Duration?
        /// Its deliveries never come: what it brought is found by looking.
        var isLost = false
        /// Sent when all earlier first and doubled deliveries of these refs are answered.
        var after: Set<String> = []
    }

    /// The end of one daemon and the start of the next.
    struct Blow: Sendable {
        /// How long the daemon lives, unless it kills itself before.
        var pause: Duration
        var way: Victim.Way
        var down: Duration
        /// Kills one daemon more, this long after its start began.
        var duringStart: Duration?
        /// Where the next one is to kill itself.
        var crash: CrashPlan?
    }

    /// What somebody asks for.
    struct Wish: Sendable {
        var pause: Duration
        var act: Operator.Act
        var app: String
    }

    /// Where the refs are when the storm begins.
    private(set) var beginnings: [String: String] = [:]
    private(set) var pushes: [Push] = []
    private(set) var blows: [Blow] = []
    private(set) var wishes: [Wish] = []
    /// Nobody resumes it.
    private(set) var heldAtEnd: String?

    /// - Parameter seed: consecutive ones take all crash points in turn.
    init(graph: CommitGraph, seed: UInt64, _ random: inout SeededRandom) {
        // None from which there is nowhere to go.
        let early = graph.commits.filter { graph.descendants(of: $0).count >= 20 }.prefix(4)
        for ref in Self.refs { beginnings[ref] = early.randomElement(using: &random) }
        drawBlows(seed: seed, &random)
        drawWishes(&random)
        // What only ever moves forward may be delivered in any order. Elsewhere a commit may be gone for good when its delivery
        // comes; a daemon that heard of the head before would rightly wait 30 s for such a commit, so there the last
        // delivery of a ref does come last.
        let wild = Set(Self.refs.filter { _ in !random.oneIn(3) })
        var heads = beginnings
        for _ in 0..<Int.random(in: 8...14, using: &random) {
            let refs = Self.refs.shuffled(using: &random).prefix(random.oneIn(5) ? 2 : 1)
            let moves = refs.compactMap { Self.move($0, from: heads[$0], wild.contains($0), graph, &random) }
            guard !moves.isEmpty else { continue }
            for move in moves { heads[move.ref] = move.new }
            pushes.append(push(moves, &random))
        }
        for ref in wild {
            guard let last = pushes.lastIndex(where: { $0.moves.contains { $0.ref == ref } }) else { continue }
            pushes[last].after.insert(ref)
        }
    }

    private mutating func drawBlows(seed: UInt64, _ random: inout SeededRandom) {
        let ways: [Victim.Way] = [.kill, .kill, .kill, .hurried, .inOrder]
        blows = (0...Self.crashes).map { _ in
            Blow(pause: random.pause(30...250), way: ways.randomElement(using: &random) ?? .kill, down: random.pause(0...30))
        }
        for number in 0..<Self.crashes {
            let plan = CrashPlan(number: seed &* UInt64(Self.crashes) &+ UInt64(number), &random)
            blows[number].crash = plan
            // Only the start after a kill finds something to queue again.
            if plan.verb == "requeue" { blows[number].way = .kill }
            // Enough for the crash point to be reached, mostly; then it ends at once. Some are reached only when a commit was fetched.
            let isLate = ["order", "releaseBegun"].contains(plan.verb)
            blows[number + 1].pause = isLate ? random.pause(400...700) : random.pause(250...450)
            if plan.verb == "putBack" {
                blows[number + 1].way = .hurried
                blows[number + 1].pause = random.pause(60...200)
            }
        }
        blows[Int.random(in: 0...Self.crashes, using: &random)].duringStart = random.oneIn(2) ? random.pause(1...120) : nil
    }

    private mutating func drawWishes(_ random: inout SeededRandom) {
        let apps = Round.apps.map(\.name)
        wishes = (0..<Int.random(in: 3...6, using: &random)).compactMap { _ in
            guard let act = Operator.Act.allCases.randomElement(using: &random), let app = apps.randomElement(using: &random) else {
                return nil
            }
            return Wish(pause: random.pause(0...400), act: act, app: app)
        }
        heldAtEnd = random.oneIn(4) ? apps.randomElement(using: &random) : nil
    }

    private func push(_ moves: [Move], _ random: inout SeededRandom) -> Push {
        Push(
            pause: random.pause(0...60), moves: moves, delay: random.pause(0...120),
            heldUntilStart: random.oneIn(3) ? Int.random(in: 1...Self.crashes, using: &random) : 0,
            resends: (0..<(random.oneIn(3) ? Int.random(in: 1...2, using: &random) : 0)).map { _ in random.pause(0...400) },
            double: random.oneIn(4) ? random.pause(0...400) : nil, isLost: random.oneIn(6))
    }

    /// A move that is possible from here; nil where there is none.
    private static func move(
        _ ref: String, from head: String?, _ isWild: Bool, _ graph: CommitGraph, _ random: inout SeededRandom
    ) -> Move? {
        func to(_ new: String?, forced: Bool = false) -> Move {
            let isTag = ref.hasPrefix("refs/tags/")
            return Move(ref: ref, old: head, new: new, object: isTag ? new.flatMap { graph.tagObjects[$0] } : nil, forced: forced)
        }
        guard let head else { return to(graph.commits.randomElement(using: &random)) }
        let descendants = graph.descendants(of: head).prefix(5)
        // Not into a dead end as long as there is another way.
        let open = descendants.filter { !graph.descendants(of: $0).isEmpty }
        let ahead = (open.isEmpty ? Array(descendants) : open).randomElement(using: &random)
        let kind = isWild ? Int.random(in: 0..<8, using: &random) : 0
        switch kind {
        case 5:
            return to(nil)
        case 6:
            return graph.ancestors(of: head).prefix(4).randomElement(using: &random).map { to($0, forced: true) }
        case 7:
            return graph.commits.filter { $0 != head && !graph.isStrictAncestor(head, of: $0) }.randomElement(using: &random)
                .map { to($0, forced: true) }
        default:
            return ahead.map { to($0) }
        }
    }
}

extension Script: CustomStringConvertible {
    var description: String {
        let pushes = pushes.enumerated().map { number, push in
            let moves = push.moves.map {
                "\($0.ref) \($0.old?.prefix(7) ?? "-") \($0.forced ? "+>" : "->") \($0.new?.prefix(7) ?? "-")"
                    + ($0.object == nil ? "" : " (annotated)")
            }
            var words = ["\(number):", moves.joined(separator: ", "), "pause \(push.pause) delay \(push.delay)"]
            if push.heldUntilStart > 0 { words.append("held until start \(push.heldUntilStart)") }
            if !push.resends.isEmpty { words.append("re-sent \(push.resends)") }
            if let double = push.double { words.append("doubled \(double)") }
            if !push.after.isEmpty { words.append("after all of \(push.after.sorted())") }
            return words.joined(separator: " ")
        }
        let begin = beginnings.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.prefix(7))" }
        let ends = blows.map { blow in
            "\(blow.way) after \(blow.pause)" + (blow.duringStart.map { ", the next start killed after \($0)" } ?? "")
                + (blow.crash.map { ", the next one kills itself at \($0)" } ?? "")
        }
        let wishes = wishes.map { "\($0.act) \($0.app) after \($0.pause)" } + (heldAtEnd.map { ["\($0) stays held"] } ?? [])
        return "begin: " + begin.joined(separator: ", ") + "\n" + (pushes + ends + wishes).joined(separator: "\n")
    }
}
