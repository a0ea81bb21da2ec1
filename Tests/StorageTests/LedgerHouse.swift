import Domain
import GRDB
import RealParts
import Testing

@testable import Storage

/// A ledger in a directory of its own, and a second connection to it, as an administrator with sqlite3 would have one.
struct LedgerHouse: Sendable {
    let ledger: Ledger
    let path: String
    private let other: DatabaseQueue

    init(path: String) throws {
        self.path = path
        ledger = try Ledger(path: path)
        other = try DatabaseQueue(path: path)
    }

    /// Runs statements on the second connection.
    func execute(_ sql: String) throws {
        try other.writeWithoutTransaction { try $0.execute(sql: sql) }
    }

    /// The single value a query on the second connection gives.
    func value<Value: DatabaseValueConvertible & Sendable>(_ sql: String, as type: Value.Type = Value.self) throws -> Value? {
        try other.read { try Value.fetchOne($0, sql: sql) }
    }

    /// All values of the one column of a query on the second connection.
    func values<Value: DatabaseValueConvertible & Sendable>(_ sql: String, as type: Value.Type = Value.self) throws -> [Value] {
        try other.read { try Value.fetchAll($0, sql: sql) }
    }

    /// How many rows each table has that an accepted delivery writes to.
    func counts() throws -> [Int] {
        try ["deliveries", "refs", "changes", "verdicts", "jobs"].map { try value("SELECT count(*) FROM \($0)") ?? -1 }
    }

    func close() throws {
        try other.close()
        try ledger.close()
    }
}

/// Opens a new ledger for `body`.
func withLedger<Value>(_ body: (LedgerHouse) async throws -> Value) async throws -> Value {
    try await withTemporaryDirectory { directory in
        let house = try LedgerHouse(path: directory.path("bittern.db"))
        return try await withCleanup {
            try await body(house)
        } cleanup: {
            try house.close()
        }
    }
}

/// A commit whose name is this byte over and over.
func commit(_ number: UInt8) throws -> CommitID {
    try #require(CommitID(bytes: [UInt8](repeating: number, count: 20)))
}

/// A branch that moved from one commit to another (nil: none) and is to be deployed by these apps, `shop` where none is named.
func moved(_ branch: String, _ old: UInt8?, _ new: UInt8?, for apps: String...) throws -> MatchedChange {
    try matched(branch, old, new, (apps.isEmpty ? ["shop"] : apps).map { Match(app: $0, decision: .deploy) })
}

/// The same for an app (nil: none is configured) that ignores it.
func ignored(_ branch: String, _ old: UInt8?, _ new: UInt8?, by app: String? = "shop", because reason: String) throws -> MatchedChange {
    try matched(branch, old, new, [Match(app: app, decision: .ignore(reason: reason))])
}

private func matched(_ branch: String, _ old: UInt8?, _ new: UInt8?, _ matches: [Match]) throws -> MatchedChange {
    let ref = try #require(RefName(.branch, branch))
    let change = Change(ref: ref, old: try old.map(commit), new: try new.map(commit))
    return MatchedChange(ref: .change(change), repository: RepositoryName("Acme/Shop"), matches: matches)
}

/// A verified delivery. Two with one request id and one body are one delivery sent again.
func delivery(
    _ request: String?, _ changes: MatchedChange..., account: String = "acme", body: UInt8 = 1, at milliseconds: Int64 = 1000
) -> Domain.Delivery {
    Domain.Delivery(
        account: account, event: "repo:push", requestID: request, remoteAddress: "192.0.2.1",
        receivedAt: Timestamp(milliseconds: milliseconds), bodyHash: [UInt8](repeating: body, count: 32), bodySize: 100,
        repository: "Acme/Shop", changes: changes)
}

func at(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

extension LedgerHouse {
    @discardableResult
    func accept(_ delivery: Domain.Delivery) async throws -> AcceptedDelivery { try await ledger.accept(delivery) }

    /// Accepts the push of a branch and gives the job that was queued for `app`.
    @discardableResult
    func push(_ branch: String, _ old: UInt8?, _ new: UInt8?, for app: String = "shop") async throws -> Int64 {
        let accepted = try await accept(delivery(nil, moved(branch, old, new, for: app)))
        return try #require(accepted.verdicts.first?.job)
    }

    /// Claims the next job, which must be `expected` where that is given.
    @discardableResult
    func claim(_ expected: Int64? = nil, at milliseconds: Int64 = 2000) async throws -> ClaimedJob {
        let claimed = try #require(try await ledger.claim(at: at(milliseconds)))
        if let expected { try #require(claimed.job.id == expected) }
        return claimed
    }

    /// Runs a step of a claimed job from its beginning to its end.
    func step(_ claimed: ClaimedJob, _ position: Int, _ name: String, _ outcome: StepOutcome = .succeeded) async throws {
        let began: Int64 = 2100 + 10 * Int64(position)
        try await ledger.stepStarted(job: claimed.job.id, start: claimed.start, position: position, name: name, at: at(began))
        try await ledger.stepEnded(
            job: claimed.job, start: claimed.start, position: position, outcome: outcome, at: at(began + 5))
    }

    /// Writes down that a job made its release directory.
    func beginRelease(_ claimed: ClaimedJob) async throws {
        let job = claimed.job
        try await ledger.releaseBegun(
            job: job.id, app: job.app, commit: job.commit, path: "/srv/\(job.app)/releases/\(job.id)", at: at(2200))
    }

    /// Writes down that a job made its release and made it live.
    func activate(_ claimed: ClaimedJob, at milliseconds: Int64 = 2300) async throws {
        try await beginRelease(claimed)
        try await ledger.releaseActivated(claimed.job.id, app: claimed.job.app, at: at(milliseconds))
    }

    /// Takes a job from the queue to its good end, with a live release.
    func deploy(_ job: Int64, at milliseconds: Int64 = 2300) async throws {
        let claimed = try await claim(job)
        try await activate(claimed, at: milliseconds)
        try await ledger.finish(job: job, JobEnd(.succeeded, "live"), at: at(milliseconds + 1))
    }

    func job(_ id: Int64) async throws -> Job { try #require(try await ledger.job(id)) }

    func state(of id: Int64) async throws -> Job.State { try await job(id).state }

    func releaseState(_ job: Int64) throws -> String? { try value("SELECT state FROM releases WHERE job = \(job)") }
}

extension Ledger {
    /// What the connection that writes has for a setting.
    func pragma(_ text: String) async throws -> Int {
        try await pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA \(text)") ?? -1 }
    }
}
