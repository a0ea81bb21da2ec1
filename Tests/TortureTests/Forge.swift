import Foundation
import RealParts

/// The forge of one round: a real repository, and what was pushed to it when.
actor Forge {
    /// A move of a branch as it was pushed. Times are milliseconds since 1970.
    struct Record: Sendable {
        let move: Script.Move
        let began: Int64
        let ended: Int64
    }

    nonisolated let origin: GitOrigin
    private(set) var records: [Record] = []

    init(origin: GitOrigin) { self.origin = origin }

    /// Pushes with one `git push`.
    func push(_ moves: [Script.Move]) async throws {
        let specs = moves.map { "\($0.new ?? ""):refs/heads/\($0.branch)" }
        let began = Self.now
        try await Shell.check(
            ["git", "-C", origin.work, "push", "--quiet", "--force", "origin"] + specs, environment: GitOrigin.environment)
        let ended = Self.now
        records += moves.map { Record(move: $0, began: began, ended: ended) }
    }

    private static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }
}

extension Script.Push {
    /// The webhook of this push.
    func delivery() throws -> Delivery {
        let push = moves.reduce(CloudPush(repository: Round.repository)) { push, move in
            guard let new = move.new else { return push.deletedBranch(move.branch, old: move.old ?? "") }
            return push.branch(move.branch, old: move.old, new: new, forced: move.forced)
        }
        return try push.delivery(secret: Round.hookSecret)
    }
}
