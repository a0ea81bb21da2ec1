import Domain

/// The queue as DESIGN.md tells of it, in as few words as possible: what the ledger must say of the jobs of one history.
struct ModelQueue {
    struct Entry {
        let app: String
        let cause: Job.Cause
        var state = Job.State.queued
        var attempt = 0
        var supersededBy: Int64?
        /// Positions of the steps behind activation that ended well.
        var done: Set<Int> = []

        var isPush: Bool { cause == .push || cause == .catchUp }
    }

    private(set) var jobs: [Int64: Entry] = [:]
    /// The job whose release is live, of each app.
    private(set) var live: [String: Int64] = [:]
    /// When each hold ends.
    private(set) var holds: [String: Int64] = [:]

    func isActivated(_ job: Int64) -> Bool { live.values.contains(job) }

    func jobs(_ states: Job.State...) -> [Int64] { jobs.keys.filter { jobs[$0].map { states.contains($0.state) } ?? false }.sorted() }

    /// Latest wins: gives the jobs that go, which are those that wait, of pushes, and did not go live before a stop.
    mutating func queue(_ job: Int64, of app: String, _ cause: Job.Cause) -> [Int64] {
        let new = Entry(app: app, cause: cause)
        let older = new.isPush ? waitingPushes(of: app) : []
        for old in older { end(old, .superseded, by: job) }
        jobs[job] = new
        return older
    }

    /// The oldest job that waits, of an app of which none runs; where the app is held no push, unless it is live and to be ended.
    func next(at now: Int64) -> Int64? {
        jobs(.queued).first { id in
            guard let job = jobs[id] else { return false }
            let isFree = !jobs.values.contains { $0.app == job.app && $0.state == .running }
            return isFree && (isActivated(id) || !(job.isPush && (holds[job.app] ?? 0) > now))
        }
    }

    mutating func start(_ job: Int64) {
        jobs[job]?.state = .running
        jobs[job]?.attempt += 1
    }

    /// It never ran: a stop does not count. Where a newer push waits, and the job is one and not live, it gives way.
    mutating func putBack(_ job: Int64, countsAttempt: Bool) {
        guard let entry = jobs[job] else { return }
        if entry.isPush, !isActivated(job), let newer = waitingPushes(of: entry.app).first(where: { $0 > job }) {
            return end(job, .superseded, by: newer)
        }
        jobs[job]?.state = .queued
        if !countsAttempt { jobs[job]?.attempt -= 1 }
    }

    mutating func end(_ job: Int64, _ state: Job.State, by newer: Int64? = nil) {
        jobs[job]?.state = state
        jobs[job]?.supersededBy = newer
    }

    mutating func activate(_ job: Int64) {
        if let app = jobs[job]?.app { live[app] = job }
    }

    mutating func stepSucceeded(_ job: Int64, _ position: Int) { jobs[job]?.done.insert(position) }

    mutating func hold(_ app: String, until end: Int64?) { holds[app] = end ?? .max }

    /// Whether it was held; a hold that ended by itself is there until somebody resumes the app.
    mutating func resume(_ app: String) -> Bool { holds.removeValue(forKey: app) != nil }

    /// As the ledger's tables tell it.
    var lines: [String] {
        jobs.sorted { $0.key < $1.key }.map { id, job in
            "\(id) \(job.state) \(job.attempt) \(job.supersededBy.map { "\($0)" } ?? "-") \(isActivated(id) ? "live" : "-")"
        }
    }

    private func waitingPushes(of app: String) -> [Int64] {
        jobs(.queued).filter { id in jobs[id].map { $0.app == app && $0.isPush } == true && !isActivated(id) }
    }
}
