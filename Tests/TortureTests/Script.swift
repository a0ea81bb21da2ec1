import RealParts

/// What happens in one round, all of it drawn from the seed before the round begins.
struct Script: Sendable {
    static let branches = ["main", "release", "stage"]

    /// A branch that is made, moved, moved by force or deleted.
    struct Move: Sendable {
        let branch: String
        let old: String?
        let new: String?
        let forced: Bool
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
        /// Sent when all earlier first and doubled deliveries of these branches are answered.
        var after: Set<String> = []
    }

    /// The end of one daemon and the start of the next.
    struct Blow: Sendable {
        var pause: Duration
        /// SIGTERM instead of SIGKILL.
        var inOrder: Bool
        var down: Duration
        /// Kills the next daemon too, this long after its start began.
        var duringStart: Duration?
    }

    /// Where the branches are when the storm begins.
    private(set) var beginnings: [String: String] = [:]
    private(set) var pushes: [Push] = []
    private(set) var blows: [Blow] = []

    init(graph: CommitGraph, _ random: inout SeededRandom) {
        for branch in Self.branches { beginnings[branch] = graph.commits.prefix(3).randomElement(using: &random) }
        blows = (0..<Int.random(in: 2...4, using: &random)).map { _ in
            Blow(
                pause: random.pause(30...450), inOrder: random.oneIn(5), down: random.pause(0...50),
                duringStart: random.oneIn(4) ? random.pause(1...80) : nil)
        }
        // What only ever moves forward may be delivered in any order. Elsewhere a commit may be gone for good when its delivery
        // comes; a daemon that heard of the head before would rightly wait 30 s for such a commit, so there the last
        // delivery of a branch does come last.
        let wild = Set(Self.branches.filter { _ in !random.oneIn(3) })
        var heads = beginnings
        for _ in 0..<Int.random(in: 8...16, using: &random) {
            let branches = Self.branches.shuffled(using: &random).prefix(random.oneIn(5) ? 2 : 1)
            let moves = branches.compactMap { Self.move($0, from: heads[$0], wild.contains($0), graph, &random) }
            guard !moves.isEmpty else { continue }
            for move in moves { heads[move.branch] = move.new }
            pushes.append(push(moves, &random))
        }
        for branch in wild {
            guard let last = pushes.lastIndex(where: { $0.moves.contains { $0.branch == branch } }) else { continue }
            pushes[last].after.insert(branch)
        }
    }

    private func push(_ moves: [Move], _ random: inout SeededRandom) -> Push {
        Push(
            pause: random.pause(0...60), moves: moves, delay: random.pause(0...120),
            heldUntilStart: random.oneIn(4) ? Int.random(in: 1...blows.count, using: &random) : 0,
            resends: (0..<(random.oneIn(3) ? Int.random(in: 1...2, using: &random) : 0)).map { _ in random.pause(0...600) },
            double: random.oneIn(4) ? random.pause(0...400) : nil)
    }

    /// A move that is possible from here; nil where there is none.
    private static func move(
        _ branch: String, from head: String?, _ isWild: Bool, _ graph: CommitGraph, _ random: inout SeededRandom
    ) -> Move? {
        guard let head else {
            return Move(branch: branch, old: nil, new: graph.commits.randomElement(using: &random), forced: false)
        }
        let descendants = graph.descendants(of: head).prefix(5)
        // Not into a dead end as long as there is another way.
        let open = descendants.filter { !graph.descendants(of: $0).isEmpty }
        let ahead = (open.isEmpty ? Array(descendants) : open).randomElement(using: &random)
        let kind = isWild ? Int.random(in: 0..<8, using: &random) : 0
        switch kind {
        case 5:
            return Move(branch: branch, old: head, new: nil, forced: false)
        case 6:
            return graph.ancestors(of: head).prefix(4).randomElement(using: &random)
                .map { Move(branch: branch, old: head, new: $0, forced: true) }
        case 7:
            return graph.commits.filter { $0 != head && !graph.isStrictAncestor(head, of: $0) }.randomElement(using: &random)
                .map { Move(branch: branch, old: head, new: $0, forced: true) }
        default:
            return ahead.map { Move(branch: branch, old: head, new: $0, forced: false) }
        }
    }
}

extension Script: CustomStringConvertible {
    var description: String {
        let pushes = pushes.enumerated().map { number, push in
            let moves = push.moves.map { "\($0.branch) \($0.old?.prefix(7) ?? "-") \($0.forced ? "+>" : "->") \($0.new?.prefix(7) ?? "-")" }
            var words = ["\(number):", moves.joined(separator: ", "), "pause \(push.pause) delay \(push.delay)"]
            if push.heldUntilStart > 0 { words.append("held until start \(push.heldUntilStart)") }
            if !push.resends.isEmpty { words.append("re-sent \(push.resends)") }
            if let double = push.double { words.append("doubled \(double)") }
            if !push.after.isEmpty { words.append("after all of \(push.after.sorted())") }
            return words.joined(separator: " ")
        }
        let begin = beginnings.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.prefix(7))" }
        return "begin: " + begin.joined(separator: ", ") + "\n" + pushes.joined(separator: "\n") + "\n"
            + blows.map { "\($0)" }.joined(separator: "\n")
    }
}
