import RealParts

/// The forge of one round: a real repository, and what was pushed to it when.
actor Forge {
    /// A move of a ref as it was pushed. Times are milliseconds since 1970.
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
        let specs = moves.map { "\($0.object ?? $0.new ?? ""):\($0.ref)" }
        let began = Moment.now
        try await Shell.check(
            ["git", "-C", origin.work, "push", "--quiet", "--force", "origin"] + specs, environment: GitOrigin.environment)
        let ended = Moment.now
        records += moves.map { Record(move: $0, began: began, ended: ended) }
    }

    /// The commit every ref of the real repository is at.
    func heads() async throws -> [String: String] {
        let list = try await Shell.check(
            ["git", "-C", origin.bare, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)"],
            environment: GitOrigin.environment)
        let words = list.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        return Dictionary(words.compactMap { words in words.last.map { (words[0], $0) } }) { first, _ in first }
    }

    /// The same under both names that an annotated tag's commit has.
    func objects() async throws -> [String: Set<String>] {
        let list = try await Shell.check(
            ["git", "-C", origin.bare, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)"],
            environment: GitOrigin.environment)
        let words = list.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        return Dictionary(words.map { ($0[0], Set($0.dropFirst())) }) { first, _ in first }
    }
}

extension Script.Push {
    /// The webhook of this push. Cloud gives the commit, of an annotated tag too.
    func delivery() throws -> Delivery {
        let push = moves.reduce(CloudPush(repository: Round.repository)) { push, move in
            let name = move.ref.split(separator: "/").last.map(String.init) ?? move.ref
            switch (move.isTag, move.new) {
            case (false, let new?): return push.branch(name, old: move.old, new: new, forced: move.forced)
            case (false, nil): return push.deletedBranch(name, old: move.old ?? "")
            case (true, let new?): return push.tag(name, old: move.old, new: new, annotated: move.object != nil)
            case (true, nil): return push.deletedTag(name, old: move.old ?? "")
            }
        }
        return try push.delivery(secret: Round.hookSecret)
    }
}
