/// Invariant (2): what is live when all has come to rest.
///
/// The model is CONTRACT's and DESIGN's: only the head of a ref goes live by a push, and of several refs the one accepted last wins. The
/// order of acceptance is the order of the jobs' numbers, which the answers told the courier; so with c the head of a ref, some job for
/// c must have taken (gone live, or found c live), and of all jobs of an app that took, what the last one took is live.
///
/// Not decidable from outside, and so not asked for:
/// - Which of two branches was "accepted last" in the sense of the deliveries, where a fetch found the head of one before its delivery
///   came: that find is its acceptance, and its moment depends on how git and the daemon ran. The ledger's jobs are believed there.
/// - The same in the other direction: a stale delivery of one branch that comes last moves nothing when the branch's head had its job
///   before (rule 3), so the branch that was delivered last need not be live.
/// - Anything of an app's order in a round that held it: a retry, which is somebody's wish, overtakes the pushes that wait.
/// - What a cancel hit: it is drawn by chance among the jobs there are. A cancelled job of a stale commit may have taken the place of
///   the head's own, whose job then nobody queues until the next push; ``isExcusedByCancel`` says exactly when.
extension Evidence {
    var staleness: [String] {
        Round.apps.flatMap { app -> [String] in
            let newest = oldReleaseLive(app.name)
            guard !book.held.contains(app.name) else { return newest }
            let ofRefs = app.refs.flatMap { ref -> [String] in
                guard let head = heads[ref] else { return [] }
                return headWithoutJob(app.name, ref, head) + (app.refs.count == 1 ? staleRevision(app.name, ref, head) : [])
            }
            return newest + ofRefs + staleLive(app.name) + (wasHeld(app.name) ? [] : wrongRefLive(app.name))
        } + brokenHolds
    }

    /// Deployed by this job, or found to be live by it.
    func took(_ job: Book.Job) -> Bool {
        activated.contains(job.id) || (job.state == "superseded" && job.reason?.hasPrefix("already live as release ") == true)
    }

    private func job(for commit: String, of ref: String, _ app: String) -> [Book.Job] {
        book.jobs.filter { $0.app == app && $0.ref == ref && $0.commit == commit }
    }

    // MARK: All apps

    /// The live release is the one that was activated last.
    private func oldReleaseLive(_ app: String) -> [String] {
        let releases = book.releases.filter { $0.app == app && $0.activated != nil }
        let last = releases.max { ($0.activated ?? 0, $0.job) < ($1.activated ?? 0, $1.job) }
        guard let last, last.state != "live" else { return [] }
        return ["\(app): release \(last.job) was activated last and is \(last.state)"]
    }

    /// Whatever is live is the head of the ref it came from, where that still exists.
    private func staleLive(_ app: String) -> [String] {
        guard let live = book.releases.first(where: { $0.state == "live" && $0.app == app }), let job = job(live.job),
            let ref = job.ref, let head = heads[ref], head != job.commit, !isExcusedByCancel(app, ref),
            !endedBadly(lastVerdict(app, ref), at: head)
        else { return [] }
        return ["\(app) has \(job.commit.prefix(7)) of \(ref) live as release \(job.id), and the head is \(head.prefix(7))"]
    }

    /// The newest job for the head of a ref took, or there is a good reason why not.
    private func headWithoutJob(_ app: String, _ ref: String, _ head: String) -> [String] {
        let jobs = job(for: head, of: ref, app)
        guard let newest = jobs.last else { return ["\(app) never had a job for \(head.prefix(7)), the head of \(ref)"] }
        // Whatever superseded it took its place; no chain is longer than there are jobs.
        var end = newest
        for _ in book.jobs { if let next = end.supersededBy.flatMap({ job($0) }) { end = next } }
        let isFine = (jobs + [end]).contains { took($0) || $0.state == "cancelled" || $0.state == "failed" }
        guard !isFine, !isExcusedByCancel(app, ref), !isOlderTag(newest) else { return [] }
        return ["no job of \(app) for \(head.prefix(7)), the head of \(ref), went live; job \(end.id) \(end.state): \(end.reason ?? "-")"]
    }

    /// Rule 5: a tag that is older than the one that is live.
    private func isOlderTag(_ job: Book.Job) -> Bool {
        job.ref?.hasPrefix("refs/tags/") == true && job.reason?.hasSuffix(", which is live, is newer") == true
            && activations.contains { other, _ in
                other.app == job.app && other.ref != job.ref && graph.isStrictAncestor(job.commit, of: other.commit)
            }
    }

    // MARK: Apps that follow one ref

    private func staleRevision(_ app: String, _ ref: String, _ head: String) -> [String] {
        let revision = links[app]?.revision
        guard revision != head + "\n", !isExcusedByCancel(app, ref), !endedBadly(lastVerdict(app, ref), at: head) else { return [] }
        return ["\(app) should have \(head.prefix(7)) of \(ref) live and has \(revision ?? "nothing")"]
    }

    private func lastVerdict(_ app: String, _ ref: String) -> Book.Job? {
        book.jobs.filter { $0.app == app && $0.ref == ref && $0.cameToVerdict }
            .max { ($0.finished ?? 0, $0.id) < ($1.finished ?? 0, $1.id) }
    }

    /// The head had its job, and that failed or was cancelled before it was live; ``brokenJobs`` says whether it might.
    private func endedBadly(_ job: Book.Job?, at head: String) -> Bool {
        guard let job, job.commit == head else { return false }
        return job.state == "failed" || job.state == "cancelled"
    }

    /// A job of the ref was cancelled and none fetched the ref after that. One that had would have seen the head, and queued a job for
    /// it where it had none.
    private func isExcusedByCancel(_ app: String, _ ref: String) -> Bool {
        let jobs = book.jobs.filter { $0.app == app && $0.ref == ref }
        return jobs.contains { cancelled in
            guard cancelled.state == "cancelled", let moment = cancelled.finished else { return false }
            let others = Set(jobs.map(\.id)).subtracting([cancelled.id])
            return !book.steps.contains { others.contains($0.job) && $0.name == "fetch" && $0.began > moment }
        }
    }

    // MARK: Apps that follow several refs

    /// What the newest job that took has taken is live.
    private func wrongRefLive(_ app: String) -> [String] {
        guard let last = book.jobs.last(where: { $0.app == app && took($0) }) else { return [] }
        let revision = links[app]?.revision
        guard revision != last.commit + "\n" else { return [] }
        return ["\(app) should have \(last.shown) live, the last that was accepted, and has \(revision ?? "nothing")"]
    }

    // MARK: Holds

    /// From the answer to a hold until the next resume is sent.
    private var holds: [(app: String, from: Int64, to: Int64)] {
        deeds.compactMap { hold in
            guard hold.act == .hold, let from = hold.answer?.moment, hold.answer?.status == 200 else { return nil }
            // One that was answered before the hold was sent had its effect before; of two under way together nobody knows which was first.
            let resumes = deeds.filter { $0.act == .resume && $0.app == hold.app && ($0.answer?.moment ?? .max) >= hold.sent }
            return (app: hold.app, from: from, to: resumes.map(\.sent).min() ?? .max)
        }
    }

    private func wasHeld(_ app: String) -> Bool { deeds.contains { $0.act == .hold && $0.app == app } }

    /// No push of a held app is begun, whatever died meanwhile; and who is held at the end is who nobody resumed.
    private var brokenHolds: [String] {
        let activations = activations
        return holds.flatMap { hold in
            book.jobs.filter { job in
                // The moment of a claim is taken before it is committed, so one in this span was committed when the hold was.
                guard let started = job.started, started > hold.from, started < hold.to else { return false }
                // Only the last start has its moment here. A daemon's death after the job was live has it started again to be ended, held
                // or not: half a deploy is not left live. What a start puts live itself, it puts live later than it was begun.
                let wasLive = activations.contains { $0.job.id == job.id && $0.at <= started }
                return job.app == hold.app && ["push", "catch-up"].contains(job.cause) && !wasLive
            }.map { "\(hold.app) was held, and job \($0.id) began" }
        }
            + Round.apps.map(\.name).compactMap { app in
                guard book.held.contains(app) != (app == heldAtEnd) else { return nil }
                return app == heldAtEnd ? "\(app) should be held and is not" : "\(app) is held and should not be"
            }
    }
}
