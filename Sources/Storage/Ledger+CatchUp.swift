package import Domain
import FoundationEssentials
import GRDB

extension Ledger {
    /// The number of the newest change that is accounted: what has a greater one was told of later.
    package func lastChange() async throws -> Int64 {
        try await read { try $0.row("SELECT max(id) AS last FROM changes")?["last"] ?? 0 }
    }

    /// Compares the heads of a repository's refs with what was accounted, accounts what no delivery told of, and queues the jobs that
    /// the ``CatchUpRules`` want.
    ///
    /// - Parameters:
    ///   - repository: as the forge calls it now.
    ///   - apps: all that are compared with it, also those that deploy none of the refs.
    ///   - change: ``lastChange()`` before the forge was asked: of a ref that was told of since the answer may be old.
    /// - Returns: the jobs that were queued, each with those that it took the place of.
    package func catchUp(
        account: String, repository: RepositoryName, _ heads: [FoundHead], apps: [WatchedApp], before change: Int64, at now: Timestamp
    ) async throws -> [(job: Job, superseded: [Int64])] {
        // Nearly always nothing has moved, however many refs there are: the writer is not held up for that.
        let news = try await read { database in
            try heads.filter { head in
                try HeadComparison(database, account: account, repository: repository, head: head, before: change, at: now)?.isNews == true
            }
        }
        var queued: [(job: Job, superseded: [Int64])] = []
        for batch in stride(from: 0, to: news.count, by: Self.comparedAtOnce).map({ news[$0...].prefix(Self.comparedAtOnce) }) {
            queued += try await write { database in
                try batch.flatMap { head in
                    try HeadComparison(database, account: account, repository: repository, head: head, before: change, at: now)?.run() ?? []
                }
            }
        }
        // Behind the heads: an app is no longer new when all of them are accounted.
        try await watch(apps, at: now)
        return queued
    }

    /// Heads that one transaction accounts, at most: deliveries and jobs have their turn in between.
    private static let comparedAtOnce = 100

    private func watch(_ apps: [WatchedApp], at now: Timestamp) async throws {
        try await write(verb: "catchUp") { database in
            for app in apps {
                try database.run(
                    """
                    INSERT INTO watched (app, rules, since) VALUES (:app, :rules, :now)
                    ON CONFLICT (app) DO UPDATE SET rules = excluded.rules, since = excluded.since
                    WHERE rules IS NOT excluded.rules
                    """, ["app": app.name, "rules": Data(app.rules), "now": now.milliseconds])
            }
        }
    }

    /// Apps that are no longer compared are new ones when they are compared again.
    package func forgetWatched(except apps: [String]) async throws {
        try await write { database in
            // Names of apps hold nothing that would need escaping.
            let list = "[" + apps.map { "\"\($0)\"" }.joined(separator: ",") + "]"
            try database.run("DELETE FROM watched WHERE app NOT IN (SELECT value FROM json_each(?))", [list])
        }
    }
}

/// One head's part of the comparing transaction.
private struct HeadComparison {
    let database: Database
    let account: String
    let repository: RepositoryName
    let head: FoundHead
    let now: Timestamp
    /// nil: the ref was never heard of.
    let refNumber: Int64?
    /// The last change of the ref that was accounted.
    let last: PastChange?
    let lastAt: Timestamp?

    /// nil: somebody told of the ref after the forge was asked.
    init?(
        _ database: Database, account: String, repository: RepositoryName, head: FoundHead, before: Int64, at now: Timestamp
    ) throws {
        self.database = database
        self.account = account
        self.repository = repository
        self.head = head
        self.now = now
        let row = try database.row(
            """
            SELECT refs.id, refs.last_change, changes.accounted_at FROM refs LEFT JOIN changes ON changes.id = refs.last_change
            WHERE refs.account = ? AND refs.repository = ? AND refs.name = ?
            """, [account, repository.folded, head.ref.full])
        if let change = row?["last_change"] as Int64?, change > before { return nil }
        last = try database.history(from: row?["last_change"]).first { _ in true }?.get()
        lastAt = row?.time("accounted_at")
        refNumber = row?["id"]
    }

    /// Whether there is anything to write.
    var isNews: Bool {
        get throws { try !isAccounted || head.apps.contains { try rules(for: $0).queuesJob } }
    }

    private var isAccounted: Bool { last?.new == head.commit || last?.new == head.object }

    func run() throws -> [(job: Job, superseded: [Int64])] {
        let apps = try head.apps.filter { try rules(for: $0).queuesJob }
        var change = last?.number
        if !isAccounted {
            change = try database.account(
                ref: try number(), after: last?.number, old: last?.new, new: head.told, delivery: nil, at: now)
        }
        guard let change else { return [] }
        return try apps.map { try queue($0, change: change) }
    }

    private func number() throws -> Int64 {
        if let refNumber { return refNumber }
        try database.run("INSERT INTO refs (account, repository, name) VALUES (?, ?, ?)", [account, repository.folded, head.ref.full])
        return database.lastInsertedRowID
    }

    private func rules(for app: WatchedApp) throws -> CatchUpRules {
        let watched = try database.row("SELECT rules, since FROM watched WHERE app = ?", [app.name])
        let rules = (watched?["rules"] as Data?).map { [UInt8]($0) }
        // An app that was given other refs begins with those that nobody knew of. One that was never compared knows the refs that it
        // had jobs of.
        let isNew = try rules == nil ? last == nil || !hasJobs(of: app.name) : rules != app.rules && last == nil
        let known = RefHead(database: database, app: app.name, ref: head.ref, commit: head.commit, object: head.object)
        var wasMissed = false
        if isAccounted, rules == app.rules, let since = watched?.time("since"), let lastAt, lastAt > since {
            wasMissed = try !known.hadJob(from: last?.number) && !hadJob(of: app.name, since: lastAt)
        }
        return CatchUpRules(
            isNew: isNew, deploysOnAdd: app.deploysOnAdd, isAccounted: isAccounted, wasMissedByApp: wasMissed,
            hasJob: try known.job(except: 0) != nil, lastVerdictWasForHead: try known.lastVerdictWasForIt())
    }

    private func hasJobs(of app: String) throws -> Bool {
        try database.row("SELECT 1 FROM jobs WHERE app = ? AND ref = ? LIMIT 1", [app, head.ref.full]) != nil
    }

    /// Whether the newest job of the app and ref, which is never forgotten, is as new as that.
    private func hadJob(of app: String, since moment: Timestamp) throws -> Bool {
        let newest = try database.row(
            "SELECT queued_at FROM jobs WHERE app = ? AND ref = ? ORDER BY id DESC LIMIT 1", [app, head.ref.full])
        return newest?.time("queued_at").map { $0 >= moment } ?? false
    }

    private func queue(_ app: WatchedApp, change: Int64) throws -> (job: Job, superseded: [Int64]) {
        let new = NewJob(
            app: app.name, repository: repository.description, ref: head.ref, commit: head.commit, cause: .catchUp, change: change,
            delivery: nil, lock: app.lock, at: now)
        let queued = try new.queue(in: database)
        return (job: try Ledger.queued(queued.job, in: database), superseded: queued.superseded)
    }
}
