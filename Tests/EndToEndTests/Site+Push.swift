import RealParts
import Testing

/// What a push came to.
struct Push: Sendable {
    let commit: String
    let answer: Answer

    /// The one job it queued.
    var job: Int {
        get throws {
            let jobs = answer.results.compactMap(\.job)
            return try #require(jobs.count == 1 ? jobs[0] : nil, "\(answer)")
        }
    }
}

extension Site {
    /// Commits files on a branch, pushes them to the forge, and has the forge send its webhook.
    @discardableResult
    func push(_ files: [String: String] = [:], on branch: String = "main", removing: [String] = []) async throws -> Push {
        let old = try await origin.head(of: branch)
        let new = try await origin.commit(files: files, removing: removing, on: branch)
        return Push(commit: new, answer: try await deliver(CloudPush(repository: "acme/shop").branch(branch, old: old, new: new)))
    }

    /// Sends a webhook as the forge does.
    func deliver(_ push: CloudPush) async throws -> Answer {
        try await daemon.send(push.delivery(secret: hookSecret), to: "/hooks/acme")
    }

    /// Pushes and waits for the end of the one job that comes of it.
    func deploy(_ files: [String: String] = [:], on branch: String = "main") async throws -> Job {
        try await runToEnd(try await push(files, on: branch).job)
    }

    /// Waits until a job has ended and gives it.
    func runToEnd(_ job: Int, within limit: Duration = .seconds(60)) async throws -> Job {
        try await daemon.runToEnd(job, within: limit)
    }
}

/// A job as `show --json` has it.
struct Job: Sendable, CustomStringConvertible {
    let json: JSONValue

    var state: String? { json["state"].string }
    var reason: String { json["reason"].string ?? "" }
    var attempt: Int? { json["attempt"].int }
    /// The names of its steps, in order.
    var steps: [String] { json["steps"].array.compactMap { $0["name"].string } }

    func step(_ name: String) -> JSONValue { json["steps"].array.first { $0["name"].string == name } ?? .null }

    var description: String {
        let steps = json["steps"].array.map { "\($0["name"].string ?? "") \($0["state"].string ?? "")" }
        return "job \(json["id"].int ?? 0) \(state ?? ""): \(reason) (\(steps.joined(separator: ", ")))"
    }
}

extension BitternDaemon {
    /// A job as it is now.
    func job(_ number: Int) async throws -> Job { Job(json: try await json("show", "\(number)")) }

    /// Waits until a job has ended and gives it.
    func runToEnd(_ number: Int, within limit: Duration = .seconds(60)) async throws -> Job {
        let followed = try await run("log", "\(number)", "-f", within: limit)
        let job = try await job(number)
        try #require(followed.status == (["succeeded", "skipped"].contains(job.state) ? 0 : 3), "\(followed) \(job)")
        return job
    }

    /// What a job's steps wrote, or one of them: the bytes, as text.
    func output(of job: Int, step: String? = nil) async throws -> String {
        guard let step else { return try await run("log", "\(job)", "--raw").output }
        return try await run("log", "\(job)", "--raw", "--step", step).output
    }
}
