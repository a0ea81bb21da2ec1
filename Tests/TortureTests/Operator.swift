import Foundation
import RealParts

/// Somebody at the control socket who cancels, retries, holds and resumes while the storm goes on.
actor Operator {
    enum Act: String, Sendable, CaseIterable { case cancel, retry, hold, resume }

    /// What was asked for, and what was answered. Times are milliseconds since 1970.
    struct Deed: Sendable {
        let act: Act
        let app: String
        /// The job to cancel or to run again.
        var job: Int64?
        let sent: Int64
        /// nil: the daemon was killed before it answered, and may have done it all the same.
        var answer: Answer?
    }

    struct Answer: Sendable {
        let moment: Int64
        let status: Int
        /// The job as it was answered: of a retry the new one.
        var job: Int64?
        var state: String?
    }

    private struct JobReply: Decodable {
        let id: Int64
        let state: String

        var isEnded: Bool { state != "queued" && state != "running" }
    }

    private static let limit: Duration = .seconds(40)
    private let socket: SocketAddress
    private var random: SeededRandom
    private(set) var deeds: [Deed] = []

    init(daemon: BitternDaemon, _ random: SeededRandom) {
        socket = daemon.control
        self.random = random
    }

    /// Does it to the app, or to one of its newest jobs; nothing where it has no fitting job.
    func perform(_ act: Act, on app: String) async throws {
        switch act {
        case .cancel, .retry:
            guard let job = try await job(of: app, isEnded: act == .retry) else { return }
            try await order(act, app, "/jobs/\(job)/\(act.rawValue)", job: job)
        case .hold, .resume:
            try await order(act, app, "/apps/\(app)/\(act.rawValue)", job: nil)
        }
    }

    /// Holds and resumes until just this app, or none, is held.
    func leaveHeld(_ held: String?) async throws {
        for app in Set(deeds.filter { $0.act == .hold }.map(\.app)).sorted() where app != held { try await perform(.resume, on: app) }
        if let held { try await perform(.hold, on: held) }
    }

    /// Any job that can still be cancelled, or any of the newest that has ended.
    private func job(of app: String, isEnded: Bool) async throws -> Int64? {
        let jobs = try await request("GET", "/jobs?app=\(app)&limit=8").decode([JobReply].self)
        return jobs.filter { $0.isEnded == isEnded }.randomElement(using: &random)?.id
    }

    private func order(_ act: Act, _ app: String, _ path: String, job: Int64?) async throws {
        let index = deeds.count
        // Noted before it is sent, because a daemon that dies before it answers may have done it.
        deeds.append(Deed(act: act, app: app, job: job, sent: Moment.now))
        // A retry is a new job each time; all else may be asked for twice.
        guard let answer = act == .retry ? try? await send("POST", path) : try await request("POST", path) else { return }
        let reply = try? answer.decode(JobReply.self)  // a refusal, or what is said of a hold, is no job
        deeds[index].answer = Answer(moment: Moment.now, status: answer.status, job: reply?.id, state: reply?.state)
    }

    /// Asks until there is an answer: the daemon may be dead for the moment.
    private func request(_ method: String, _ path: String) async throws -> RealParts.Answer {
        let deadline = ContinuousClock.now + Self.limit
        while ContinuousClock.now < deadline {
            if let answer = try? await send(method, path) { return answer }
            try await Task.sleep(for: random.pause(5...40))  // the storm itself
        }
        throw NeverAnswered(delivery: path)
    }

    private func send(_ method: String, _ path: String) async throws -> RealParts.Answer {
        let headers = ["Content-Type": "application/json"]
        return try await Request(method: method, path: path, headers: headers, body: Array("{}".utf8)).send(to: socket)
    }
}
