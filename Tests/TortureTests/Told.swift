import RealParts

extension Evidence {
    /// What the forge was told of commits.
    struct Told: Sendable {
        /// By key and commit: every state, in the order in which they came.
        var states: [String: [String]] = [:]
        /// Keys and commits that it has more than one status of.
        var doubles: [String] = []
        /// What the forge has to complain of.
        var complaints: [String] = []

        init() {}

        init(_ bitbucket: FakeBitbucket) async throws {
            for status in try await bitbucket.statuses() {
                let name = Self.name(status["key"].string ?? "", status["commit"].string ?? "")
                if states[name] != nil { doubles.append(name) }
                states[name] = status["history"].array.compactMap { $0["state"].string }
            }
            complaints = try await bitbucket.complaints()
        }

        static func name(_ key: String, _ commit: String) -> String { "\(key) at \(commit.prefix(12))" }
    }

    /// (8) The forge has one status of every commit and app, and that is the end of the job that ended last.
    var untruths: [String] {
        let jobs = Dictionary(grouping: book.jobs) { Told.name("bittern:\($0.app)@web1", $0.commit) }
        let wrong = jobs.flatMap { name, jobs -> [String] in
            // A job of a held app may wait in the middle of its life.
            guard jobs.allSatisfy({ $0.finished != nil }) else { return [] }
            let last = jobs.compactMap(\.finished).max() ?? 0
            let right = Set(jobs.filter { $0.finished == last }.map(\.told))
            guard let state = told.states[name]?.last else { return ["the forge was told nothing of \(name)"] }
            return right.contains(state)
                ? [] : ["the forge was told \(state) of \(name), and it is \(right.sorted().joined(separator: " or "))"]
        }
        let madeUp = told.states.keys.filter { jobs[$0] == nil }.map { "the forge was told of \($0), which no job is about" }
        return wrong + madeUp + told.doubles.map { "the forge has two statuses of \($0)" }
    }
}

extension Book.Job {
    /// What Bitbucket Cloud calls its end.
    fileprivate var told: String {
        switch state {
        case "succeeded", "skipped": "SUCCESSFUL"
        case "failed": "FAILED"
        case "superseded": cameToVerdict ? "SUCCESSFUL" : "STOPPED"
        default: "STOPPED"
        }
    }
}
