import Domain
import Exec
import Foundation
import Logging
import RealParts
import ServiceLifecycle
import Storage
import Synchronization
import Testing

@testable import Daemon

@Suite struct JanitorTests {
    private static let day: Int64 = 86_400_000

    // One round.

    @Test("deliveries, jobs and logs each go at an age of their own, and not a moment before")
    func ages() async throws {
        try await withHouse(Retention(deliveries: .seconds(86_400), jobs: .seconds(2 * 86_400), logs: .seconds(3 * 86_400))) { house in
            // The newest job of a ref is needed, whatever its age.
            for number in 1...2 as ClosedRange<UInt8> { try await house.deploy(number, at: 0) }
            try await house.arrive("newest", at: 9 * Self.day)
            #expect(try await house.clean(at: Self.day) == .init())
            #expect(try await house.clean(at: Self.day + 1) == .init(deliveries: 2))
            #expect(try await house.clean(at: 2 * Self.day) == .init())
            #expect(try await house.clean(at: 2 * Self.day + 1) == .init(jobs: 1, logs: 1))
            #expect(house.state.jobsWithLogs().sorted() == [2], "the logs of a forgotten job go with the same round")
            #expect(try await house.clean(at: 3 * Self.day) == .init())
            #expect(try await house.clean(at: 3 * Self.day + 1) == .init(logs: 1))
            #expect(try await house.ledger.job(2) != nil)
        }
    }

    @Test("every round looks at the clock anew, and one that finds nothing more removes nothing")
    func again() async throws {
        try await withHouse(Retention(deliveries: .seconds(86_400))) { house in
            try await house.deploy(1, at: 0)
            try await house.deploy(2, at: Self.day)
            try await house.arrive("newest", at: 9 * Self.day)
            #expect(try await house.clean(at: Self.day + 1).deliveries == 1)
            #expect(try await house.clean(at: Self.day + 1).deliveries == 0)
            #expect(try await house.clean(at: 2 * Self.day + 1).deliveries == 1)
        }
    }

    @Test("the logs of jobs that wait or run stay, and what below logs/ is no job's is left alone")
    func logsThatStay() async throws {
        try await withHouse(Retention(logs: .zero)) { house in
            try await house.deploy(1, at: 0)
            let running = try await house.push(2, at: 1)
            #expect(try await house.ledger.claim(at: Timestamp(milliseconds: 2))?.job.id == running)
            let waiting = try await house.push(3, at: 3)
            for name in ["\(running)", "\(waiting)", "77", "007", "notes"] { try house.writeLog(name) }
            #expect(try await house.clean(at: 365 * Self.day).logs == 1)
            let left = try FileManager.default.contentsOfDirectory(atPath: house.state.path + "/logs")
            #expect(Set(left) == ["\(running)", "\(waiting)", "77", "007", "notes"])
        }
    }

    // Deliveries and jobs that come meanwhile.

    @Test("a round may take its time: what arrives meanwhile is stored, and stays")
    func meanwhile() async throws {
        try await withHouse(Retention(deliveries: .seconds(86_400))) { house in
            for number in 0..<1200 { try await house.arrive("old-\(number)", at: 0) }
            try await house.arrive("newest by then", at: 9 * Self.day)
            async let removed = house.clean(at: 2 * Self.day)
            for number in 0..<50 { try await house.arrive("new-\(number)", at: 2 * Self.day) }
            try await house.arrive("newest", at: 9 * Self.day)
            #expect(try await removed.deliveries == 1200)
            #expect(try await house.clean(at: 3 * Self.day).deliveries == 0)
            #expect(try await house.clean(at: 3 * Self.day + 1).deliveries == 50)
        }
    }

    // The end.

    @Test("a round that is not wanted any more removes nothing")
    func cancelled() async throws {
        try await withHouse(Retention(deliveries: .zero, jobs: .zero, logs: .zero)) { house in
            for number in 1...2 as ClosedRange<UInt8> { try await house.deploy(number, at: 0) }
            try await house.arrive("newest", at: 9 * Self.day)
            let round = Task {
                try? await Task.sleep(for: .seconds(60))  // ends at once, because it is cancelled
                return try await house.clean(at: Self.day)
            }
            round.cancel()
            await #expect(throws: (any Error).self) { try await round.value }
            #expect(house.state.jobsWithLogs().sorted() == [1, 2])
            #expect(try await house.clean(at: Self.day) == .init(deliveries: 2, jobs: 1, logs: 2))
        }
    }

    @Test(
        "a daemon that stops does not wait for its janitor, which has better things to do than to clean at the start",
        .timeLimit(.minutes(1)))
    func stops() async throws {
        try await withHouse(Retention(deliveries: .zero, jobs: .zero, logs: .zero)) { house in
            try await house.deploy(1, at: 0)
            try await house.arrive("newest", at: 9 * Self.day)
            house.time.withLock { $0 = Self.day }
            let (beginnings, beginning) = AsyncStream.makeStream(of: Void.self)
            let service = Begun(janitor: house.janitor, beginning: beginning)
            let group = ServiceGroup(configuration: .init(services: [.init(service: service)], logger: house.logger))
            async let ended: Void = group.run()
            for await _ in beginnings { break }
            await group.triggerGracefulShutdown()
            try await ended
            #expect(house.state.jobsWithLogs() == [1])
            #expect(try await house.clean(at: Self.day).deliveries == 1)
        }
    }
}

/// Says that the janitor is about to run.
private struct Begun: Service {
    let janitor: Janitor
    let beginning: AsyncStream<Void>.Continuation

    func run() async throws {
        beginning.yield()
        try await janitor.run()
    }
}

/// A janitor with a ledger and a state directory, and the clock it looks at.
private final class House: Sendable {
    let ledger: Ledger
    let state: StateDirectory
    let janitor: Janitor
    let logger = Logger(label: "janitor", factory: { _ in SwiftLogNoOpLogHandler() })
    let time: Time

    /// What the clock says, in milliseconds.
    final class Time: Sendable {
        private let milliseconds = Mutex<Int64>(0)
        func withLock<Result>(_ body: (inout sending Int64) -> sending Result) -> sending Result { milliseconds.withLock(body) }
    }

    init(_ directory: TemporaryDirectory, _ retention: Retention) throws {
        let time = Time()
        self.time = time
        state = StateDirectory(path: directory.path("state"))
        try state.prepare()
        ledger = try Ledger(path: state.ledger)
        janitor = Janitor(
            retention: { retention }, ledger: ledger, state: state,
            reporter: Reporter(logger: logger, metrics: DaemonMetrics(version: "0", startedAt: Timestamp(milliseconds: 0))),
            clock: WallClock { Timestamp(milliseconds: time.withLock { $0 }) })
    }

    func clean(at milliseconds: Int64) async throws -> Janitor.Removed {
        time.withLock { $0 = milliseconds }
        return try await janitor.clean()
    }

    /// Accepts a delivery that moves nothing.
    @discardableResult
    func arrive(_ request: String, at milliseconds: Int64, _ changes: [MatchedChange] = []) async throws -> AcceptedDelivery {
        try await ledger.accept(
            Domain.Delivery(
                account: "acme", event: "repo:push", requestID: request, remoteAddress: "192.0.2.1",
                receivedAt: Timestamp(milliseconds: milliseconds), bodyHash: [UInt8](repeating: 1, count: 32), bodySize: 100,
                repository: "acme/shop", changes: changes))
    }

    /// Accepts a push of a commit to main and gives its job.
    func push(_ commit: UInt8, at milliseconds: Int64) async throws -> Int64 {
        let ref = try #require(RefName(.branch, "main"))
        let old = try #require(CommitID(bytes: [UInt8](repeating: commit - 1, count: 20)))
        let new = try #require(CommitID(bytes: [UInt8](repeating: commit, count: 20)))
        let change = MatchedChange(
            ref: .change(Change(ref: ref, old: old, new: new)), repository: RepositoryName("acme/shop"),
            matches: [Match(app: "shop", decision: .deploy)])
        return try #require(try await arrive("push-\(commit)", at: milliseconds, [change]).verdicts.first?.job)
    }

    /// Takes a push of a commit to the end of its job, which leaves a log.
    func deploy(_ commit: UInt8, at milliseconds: Int64) async throws {
        let job = try await push(commit, at: milliseconds)
        let now = Timestamp(milliseconds: milliseconds)
        try #require(try await ledger.claim(at: now)?.job.id == job)
        try await ledger.finish(job: job, JobEnd(.failed, "no"), at: now)
        try writeLog("\(job)")
    }

    func writeLog(_ job: String) throws {
        let directory = state.path + "/logs/" + job
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Data("hello\n".utf8).write(to: URL(filePath: directory + "/1-00-fetch.log"))
    }
}

private func withHouse(_ retention: Retention, _ body: (House) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        let house = try House(directory, retention)
        try await withCleanup {
            try await body(house)
        } cleanup: {
            try house.ledger.close()
        }
    }
}
