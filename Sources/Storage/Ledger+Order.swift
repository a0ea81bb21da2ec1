package import Domain
import GRDB

/// What became of a job after its fetch, and the job that was queued in its place.
package struct OrderOutcome: Sendable, Equatable {
    package enum Next: Sendable, Equatable {
        /// Deploy this commit: the job's own, tags peeled.
        case goOn(CommitID)
        case fetchAgain
        case end(JobEnd)
    }

    package var next: Next
    /// The head's own job, if it needed one.
    package var queued: Job?

    package init(next: Next, queued: Job? = nil) {
        self.next = next
        self.queued = queued
    }
}

extension Ledger {
    /// Applies the ``OrderRules`` to a running job, in one transaction with the job they may queue for the ref's head.
    ///
    /// May be repeated for the same fetch: a job that was queued is found the next time.
    package func order(_ job: Job, after fetched: OrderRules.Fetched, patienceIsOver: Bool, at now: Timestamp) async throws -> OrderOutcome
    {
        guard let ref = job.ref else { throw LedgerError(.failed, "job \(job.id) names no ref") }
        if job.cause == .manual { return try await orderManual(job, ref, fetched, patienceIsOver: patienceIsOver) }
        return try await write { database in
            let ordering = try Ordering(database, job, ref, fetched, now)
            return try ordering.run(patienceIsOver: patienceIsOver)
        }
    }
}

extension Ledger {
    /// A manual job came from no change, and leaves none.
    private func orderManual(
        _ job: Job, _ ref: RefName, _ fetched: OrderRules.Fetched, patienceIsOver: Bool
    ) async throws -> OrderOutcome {
        try await write { database in
            var known = OrderRules.Known(headAccountedAfter: false, jobForHead: nil, lastVerdictWasForHead: true, live: nil)
            known.wasReleased =
                try database.row("SELECT 1 FROM releases WHERE app = ? AND commit_id = ?", [job.app, job.commit.blob]) != nil
            let rules = OrderRules(ref: ref, cause: job.cause, commit: job.commit)
            switch rules.decide(fetched, known, patienceIsOver: patienceIsOver) {
            case .goOn:
                let commit = fetched.commit ?? job.commit
                try Self.go(on: commit, job, fetched, in: database)
                return OrderOutcome(next: .goOn(commit))
            case .fetchAgain:
                return OrderOutcome(next: .fetchAgain)
            case .end(let end, queueHead: _):
                return OrderOutcome(next: .end(end))
            }
        }
    }

    /// Notes what the fetch said of the commit that is going to be deployed.
    fileprivate static func go(on commit: CommitID, _ job: Job, _ fetched: OrderRules.Fetched, in database: Database) throws {
        try database.run(
            "UPDATE jobs SET commit_id = ?, tree_id = ?, subject = ? WHERE id = ?",
            [commit.blob, fetched.facts?.tree.blob, fetched.facts?.subject, job.id])
    }
}

/// One run through the ordering transaction.
private struct Ordering {
    let database: Database
    let job: Job
    let ref: RefName
    let fetched: OrderRules.Fetched
    let now: Timestamp
    /// The job's own change and the number of its ref.
    let change: Int64
    let refNumber: Int64
    /// The last of that ref.
    let last: PastChange?
    let head: RefHead

    init(_ database: Database, _ job: Job, _ ref: RefName, _ fetched: OrderRules.Fetched, _ now: Timestamp) throws {
        self.database = database
        self.job = job
        self.ref = ref
        self.fetched = fetched
        self.now = now
        head = RefHead(database: database, app: job.app, ref: ref, commit: fetched.head, object: fetched.headObject)
        let row = try database.row(
            """
            SELECT changes.id, changes.ref, refs.last_change
            FROM jobs JOIN changes ON changes.id = jobs.change JOIN refs ON refs.id = changes.ref
            WHERE jobs.id = ?
            """, [job.id])
        guard let row else { throw LedgerError(.failed, "job \(job.id) came from no change") }
        change = row["id"]
        refNumber = row["ref"]
        last = try database.history(from: row["last_change"]).first { _ in true }?.get()
    }

    func run(patienceIsOver: Bool) throws -> OrderOutcome {
        let rules = OrderRules(ref: ref, cause: job.cause, commit: job.commit)
        let known = try known()
        switch rules.decide(fetched, known, patienceIsOver: patienceIsOver) {
        case .goOn:
            let commit = fetched.commit ?? job.commit
            try Ledger.go(on: commit, job, fetched, in: database)
            return OrderOutcome(next: .goOn(commit))
        case .fetchAgain:
            return OrderOutcome(next: .fetchAgain)
        case .end(let end, queueHead: false):
            // A push that waits will see for itself, and where the forge is behind it knows better.
            let isElsewhere = fetched.commit != fetched.head && known.jobForHead == nil
            if isElsewhere || fetched.head == nil { try accountFind() }
            return OrderOutcome(next: .end(end))
        case .end(let end, queueHead: true):
            let queued = try queueHead()
            return OrderOutcome(next: .end(end.state == .superseded ? .superseded(by: queued.id) : end), queued: queued)
        }
    }

    private func known() throws -> OrderRules.Known {
        OrderRules.Known(
            headAccountedAfter: try headAccountedAfter(), jobForHead: try head.job(except: job.id),
            lastVerdictWasForHead: try head.lastVerdictWasForIt(), live: try live())
    }

    private func headAccountedAfter() throws -> Bool {
        for past in database.history(from: last?.number) {
            let past = try past.get()
            guard past.number > change else { return false }
            if head.isHead(past.new) { return true }
        }
        return false
    }

    private func live() throws -> OrderRules.Known.Live? {
        let row = try database.row(
            """
            SELECT releases.job, releases.commit_id, jobs.ref FROM releases JOIN jobs ON jobs.id = releases.job
            WHERE releases.app = ? AND releases.state = 'live'
            """, [job.app])
        guard let row, let commit = row.commit("commit_id") else { return nil }
        return .init(release: row["job"], commit: commit, ref: (row["ref"] as String?).flatMap { RefName(full: $0) })
    }

    /// Accounts H as found by this fetch, unless it is the last thing accounted and the app had no job from that, and queues its job.
    private func queueHead() throws -> Job {
        guard let commit = fetched.head else { throw LedgerError(.failed, "\(ref.full) has no head to queue a job for") }
        var number = last?.number
        if head.isHead(last?.new), try !head.hadJob(from: number) {
            // Accounted by a delivery or for another app.
        } else {
            // A job of this app that came to no verdict took that change; the head did not move from itself to itself since.
            let old = head.isHead(last?.new) ? nil : last?.new
            number = try database.account(ref: refNumber, after: last?.number, old: old, new: commit, delivery: nil, at: now)
        }
        let new = NewJob(
            app: job.app, repository: job.repository, ref: ref, commit: commit, cause: .catchUp, change: number ?? change, delivery: nil,
            lock: try lock(), at: now)
        let queued = try new.queue(in: database).job
        guard let row = try database.row("SELECT \(Job.columns) FROM jobs WHERE id = ?", [queued]) else {
            throw LedgerError(.failed, "job \(queued) is gone")
        }
        return try Job(row: row)
    }

    /// Accounts where this fetch found the ref, gone or back at a commit that needs no job: a move from there is a new one then, even when
    /// its delivery overtakes that of the return, or that one is lost.
    private func accountFind() throws {
        guard last?.new != fetched.head, last?.new != fetched.headObject else { return }
        _ = try database.account(ref: refNumber, after: last?.number, old: last?.new, new: fetched.head, delivery: nil, at: now)
    }

    private func lock() throws -> String {
        try database.row("SELECT lock_name FROM jobs WHERE id = ?", [job.id])?["lock_name"] ?? job.app
    }
}
