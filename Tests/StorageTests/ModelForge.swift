import Domain
import RealParts
import Testing

/// A repository with two branches, and what git and the daemon's mirror know of it.
struct ModelForge {
    struct Branch {
        /// Where it pointed, from the beginning; nil: nowhere.
        var moves: [Int?] = [nil]
        /// The move the forge has served last, and the one it serves at least.
        var served = 0
        var floor = 0
        var wasFetched = false
        var head: Int? { moves.last ?? nil }
    }

    private(set) var branches = [Branch(), Branch()]
    /// The strict ancestors of each commit.
    private(set) var ancestors: [Set<Int>] = []
    private var mirror: Set<Int> = []

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

    /// Has the branch pointed, from one move to another, to something that is no descendant of what it pointed to before?
    func wasForced(_ index: Int, from before: Int, to after: Int) -> Bool {
        let moves = branches[index].moves
        return zip(moves[before..<after], moves[(before + 1)...after]).contains { one, next in
            guard let one, let next else { return true }
            return !ancestors[next].contains(one)
        }
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
