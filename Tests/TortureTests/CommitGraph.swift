import Foundation
import RealParts

/// Commits in the working clone of an origin that no branch holds yet, and who descends from whom, as git says it.
struct CommitGraph: Sendable {
    /// Older ones first.
    let commits: [String]
    /// By commit: an annotated tag that names it. Every third commit has one.
    let tagObjects: [String: String]
    /// By commit; nil for the first.
    private let parents: [String: String]

    /// Makes a tree of commits with one process of git; every commit has another `number` file.
    static func grow(_ count: Int, in origin: GitOrigin, _ random: inout SeededRandom) async throws -> CommitGraph {
        var text = ""
        var trunk = 1
        for number in 1...count {
            let content = "\(number)\n"
            text += "commit refs/torture/\(number)\nmark :\(number)\n"
            text += "committer Ada Author <ada@example.com> 1767323045 +0000\ndata 7\nChange\n\n"
            if number > 1 {
                let isSide = random.oneIn(3)
                text += "from :\(isSide ? max(1, number - Int.random(in: 1...4, using: &random)) : trunk)\n"
                if !isSide { trunk = number }
            }
            text += "M 100644 inline number\ndata \(content.utf8.count)\n\(content)\n"
            guard number.isMultiple(of: 3) else { continue }
            text += "tag torture-\(number)\nfrom :\(number)\ntagger Ada Author <ada@example.com> 1767323045 +0000\ndata 3\nTag\n"
        }
        let git = ["git", "-C", origin.work]
        try await Shell.check(git + ["fast-import", "--quiet", "--force"], environment: GitOrigin.environment, input: text)
        let log = try await Shell.check(
            git + ["log", "--all", "--topo-order", "--reverse", "--format=%H %P"], environment: GitOrigin.environment)
        let lines = log.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        let parents = lines.filter { $0.count == 2 }.map { ($0[0], $0[1]) }
        let tags = try await Shell.check(
            git + ["for-each-ref", "--format=%(*objectname) %(objectname)", "refs/tags"], environment: GitOrigin.environment)
        let objects = tags.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }.filter { $0.count == 2 }
        return CommitGraph(
            commits: lines.compactMap(\.first), tagObjects: Dictionary(objects.map { ($0[0], $0[1]) }) { first, _ in first },
            parents: Dictionary(parents) { first, _ in first })
    }

    /// The commits before this one, the nearest first.
    func ancestors(of commit: String) -> [String] {
        var found: [String] = []
        var next = parents[commit]
        while let commit = next {
            found.append(commit)
            next = parents[commit]
        }
        return found
    }

    func isStrictAncestor(_ one: String, of other: String) -> Bool { ancestors(of: other).contains(one) }

    func descendants(of commit: String) -> [String] { commits.filter { isStrictAncestor(commit, of: $0) } }
}
