import Foundation
import GRDB
import RealParts

/// All that is known of a round that has come to rest; the invariants are judged from it alone.
struct Evidence: Sendable {
    var answered: [Courier.Answered]
    var refusals: [String]
    var records: [Forge.Record]
    var graph: CommitGraph
    /// By ref, from the real repository; of an annotated tag the commit.
    var heads: [String: String]
    var deeds: [Operator.Deed]
    var heldAtEnd: String?
    /// When a daemon was known to have ended.
    var ends: [Int64]
    var book: Book
    var damage: [String]
    /// By app: where `current` points, and the text of its REVISION.
    var links: [String: (target: String?, revision: String?)]
    var watched: [String]
    /// Processes that belong to jobs, after the last job has ended.
    var processes: [Int32]
    /// By app: the jobs that found another one's step running, and the jobs whose deploy step ran, once for each time.
    var overlaps: [String: [String]]
    var deployed: [String: [Int64]]
    var told = Told()
}

/// An invariant that does not hold; the numbers are those of the issue.
struct Violation: Sendable, CustomStringConvertible {
    let invariant: Int
    let sentence: String

    var description: String { "(\(invariant)) \(sentence)" }
}

extension Evidence {
    /// What mostly explains a round that took long.
    var longestStep: String {
        let lengths = book.steps.map { (step: $0, length: ($0.ended ?? $0.began) - $0.began) }
        return lengths.max { $0.length < $1.length }.map { "\($0.step.name) of job \($0.step.job), \($0.length) ms" } ?? "none"
    }

    var violations: [Violation] {
        var found: [Violation] = []
        func check(_ invariant: Int, _ sentences: [String]) {
            found += sentences.map { Violation(invariant: invariant, sentence: $0) }
        }
        check(1, lostVerdicts() + lostJobs() + repeatedQueuing() + refusals.map { "a good delivery was answered \($0)" })
        check(1, brokenJobs() + brokenOrders())
        check(2, staleness)
        check(3, repeatedSteps() + backwardMoves() + olderTags() + activationsOfOldHeads() + deployments())
        check(4, overlappingRuns() + overlaps.flatMap { app, jobs in jobs.map { "\(app): job \($0) began beside another one's step" } })
        check(5, watched + linksBesideTheLedger())
        check(6, damage)
        check(7, processes.map { "process \($0) of an ended job is alive" })
        check(8, untruths + told.complaints)
        return found
    }

    // MARK: (1) every delivery answered 2xx has its verdicts

    private func lostVerdicts() -> [String] {
        let deliveries = Dictionary(book.deliveries.map { ($0.id, $0) }) { first, _ in first }
        let verdicts = Dictionary(grouping: book.verdicts, by: \.delivery)
        return answered.compactMap { answered in
            let answer = answered.answer
            let name = "delivery \(answer.delivery ?? "?") (\(answered.requestID.prefix(8)), answered \(answer.status))"
            guard let id = answer.delivery.flatMap({ Int64($0) }), let row = deliveries[id] else { return "\(name) is not in the ledger" }
            guard row.isVerified, row.answer == answer.status, row.requestID == answered.requestID else {
                return "\(name) is in the ledger as \(row)"
            }
            let said = answer.results.map { "\($0.app ?? "-") \($0.ref ?? "-") \($0.verdict) \($0.job ?? 0) \($0.reason ?? "-")" }
            let kept = (verdicts[id] ?? []).map { "\($0.app ?? "-") \($0.ref) \($0.kind) \($0.job ?? 0) \($0.reason ?? "-")" }
            return !said.isEmpty && said.sorted() == kept.sorted() ? nil : "\(name) was told \(said), and the ledger has \(kept)"
        }
    }

    private func lostJobs() -> [String] {
        let states = Dictionary(book.jobs.map { ($0.id, $0.state) }) { first, _ in first }
        let queued = Set(answered.flatMap { $0.answer.results.compactMap(\.job) }.map { Int64($0) })
        let retried = Set(deeds.filter { $0.act == .retry }.compactMap { $0.answer?.job })
        return queued.union(retried).sorted().filter { states[$0] == nil }
            .map { "job \($0), of which an answer spoke, is not in the ledger" }
            + book.jobs.filter { job in
                let waits = job.state == "queued" && book.held.contains(job.app) && ["push", "catch-up"].contains(job.cause)
                return !waits && (job.state == "queued" || job.state == "running")
            }.map { "job \($0.id) is still \($0.state)" }
    }

    /// A job fails exactly when its commands do, and is cancelled only when somebody wanted it.
    private func brokenJobs() -> [String] {
        let wanted = Set(deeds.filter { $0.act == .cancel }.compactMap(\.job))
        let activated = activated
        return book.jobs.flatMap { job in
            let failure = Round.failure(of: job.id, app: job.app)
            let isRightFailure = failure.map { job.reason?.hasPrefix($0.reason) == true } ?? false
            let sentences = [
                job.state == "failed" && !isRightFailure && !wasMissed(job) ? "failed and should not have: \(job.reason ?? "-")" : nil,
                job.state == "succeeded" && failure != nil ? "succeeded and should have failed" : nil,
                job.state == "cancelled" && !wanted.contains(job.id) ? "was cancelled, and nobody wanted that" : nil,
                failure?.isBeforeActivation == true && activated.contains(job.id) ? "went live though its build fails" : nil,
            ]
            return sentences.compactMap { $0 }.map { "\(job.shown) \($0)" }
        }
    }

    /// Rule 2: forced away before anybody fetched it, and told of when a fetch had found already what came after it, a commit is waited
    /// for in vain. That is the price of not losing one that the forge is slow to show.
    private func wasMissed(_ job: Book.Job) -> Bool {
        job.reason?.contains(" never appeared on ") == true && job.ref.map { heads[$0] != job.commit } ?? false
    }

    /// What was answered to an order holds, unless a daemon died that had yet to carry it out.
    private func brokenOrders() -> [String] {
        deeds.compactMap { deed in
            guard deed.act == .cancel, let answer = deed.answer, answer.status == 200, let job = deed.job.flatMap({ job($0) }),
                job.state != "cancelled", job.state != "running"
            else { return nil }
            let died = ends.contains { $0 >= answer.moment && $0 <= job.finished ?? .max }
            return answer.state == "running" && died
                ? nil : "the cancel of \(job.shown) was answered \"\(answer.state ?? "?")\", and it \(job.state)"
        }
    }

    /// However often one request was sent, it queues one job per app and ref.
    private func repeatedQueuing() -> [String] {
        let requests = Dictionary(book.deliveries.map { ($0.id, $0.requestID ?? "") }) { first, _ in first }
        let queued = book.verdicts.filter { $0.kind == "queued" }
        let groups = Dictionary(grouping: queued) { "\(requests[$0.delivery] ?? "?") for \($0.app ?? "-") and \($0.ref)" }
        return groups.filter { $0.value.count > 1 }
            .map { "request \($0.key) queued jobs \($0.value.map { $0.job ?? 0 })" }
    }

    func job(_ id: Int64) -> Book.Job? { book.jobs.first { $0.id == id } }

    // MARK: (3) one activation per job, and never backwards

    private func repeatedSteps() -> [String] {
        let done = Dictionary(grouping: book.steps.filter { $0.state == "succeeded" && !$0.isBeforeActivation }) { "\($0.job) \($0.name)" }
        return done.filter { $0.value.count > 1 }.map { "step \"\($0.key)\" succeeded \($0.value.count) times" }
    }

    /// Jobs whose release went live, in that order.
    var activations: [(job: Book.Job, at: Int64)] {
        var moments: [Int64: Int64] = [:]
        for step in book.steps where step.name == "activate" && step.state == "succeeded" { moments[step.job] = step.ended }
        for release in book.releases { if let moment = release.activated { moments[release.job] = moment } }
        return moments.compactMap { id, moment in job(id).map { (job: $0, at: moment) } }
            .sorted { ($0.at, $0.job.id) < ($1.at, $1.job.id) }
    }

    /// Jobs whose release went live.
    var activated: Set<Int64> { Set(activations.map(\.job.id)) }

    private func backwardMoves() -> [String] {
        let groups = Dictionary(grouping: activations) { "\($0.job.app) \($0.job.ref ?? "")" }
        return groups.values.flatMap { history in
            zip(history, history.dropFirst()).compactMap { before, after -> String? in
                guard graph.isStrictAncestor(after.job.commit, of: before.job.commit) else { return nil }
                let moves = records.filter { $0.move.ref == after.job.ref }
                let came = moves.firstIndex { $0.move.new == before.job.commit } ?? moves.endIndex
                // By force at once, or to an older commit and forward from there.
                let wanted = moves[min(came + 1, moves.endIndex)...].contains { $0.move.new == after.job.commit }
                return wanted ? nil : "\(after.job.app) went back from \(before.job.shown) to \(after.job.shown)"
            }
        }
    }

    /// Rule 5: no tag takes the place of another one that is newer.
    private func olderTags() -> [String] {
        Dictionary(grouping: activations.filter { $0.job.isOfTag }, by: \.job.app).values.flatMap { history in
            zip(history, history.dropFirst()).compactMap { before, after in
                guard before.job.ref != after.job.ref, graph.isStrictAncestor(after.job.commit, of: before.job.commit) else { return nil }
                return "\(after.job.app) went from \(before.job.shown) to the older tag of \(after.job.shown)"
            }
        }
    }

    /// What went live was the head of its ref at some moment of its last fetch.
    private func activationsOfOldHeads() -> [String] {
        activations.compactMap { job, moment in
            let fetch = book.steps.last { $0.job == job.id && $0.name == "fetch" && $0.state == "succeeded" && $0.began <= moment }
            guard let fetch, let ended = fetch.ended else { return "\(job.shown) went live without a fetch" }
            let moves = records.filter { $0.move.ref == job.ref }
            let wasHead = moves.indices.contains { index in
                let next = moves.indices.contains(index + 1) ? moves[index + 1].ended : Int64.max
                return moves[index].move.new == job.commit && moves[index].began <= ended + 2 && next >= fetch.began - 2
            }
            return wasHead ? nil : "\(job.shown) went live and was not the head of its ref during its fetch"
        }
    }

    /// A deploy step runs after the activation only, and again only where the daemon died in it.
    private func deployments() -> [String] {
        let activated = activated
        return deployed.flatMap { app, jobs in
            Dictionary(grouping: jobs) { $0 }.compactMap { id, runs in
                let told = book.steps.filter { $0.job == id && $0.name == "deploy-1" }.count
                guard activated.contains(id) else { return "\(app): job \(id) ran its deploy step and was never live" }
                return runs.count <= told
                    ? nil : "\(app): job \(id) ran its deploy step \(runs.count) times, and the ledger knows of \(told)"
            }
                + book.jobs.filter { $0.app == app && $0.state == "succeeded" && !jobs.contains($0.id) }
                .map { "\(app): job \($0.id) succeeded without its deploy step" }
        }
    }

    // MARK: (4) one running job per app

    private func overlappingRuns() -> [String] {
        let runs = Dictionary(grouping: book.steps) { "\($0.job) start \($0.start)" }.compactMap { name, steps -> Run? in
            guard let job = steps.first.flatMap({ job($0.job) }) else { return nil }
            let ended = steps.contains { $0.ended == nil } ? Int64.max : steps.compactMap(\.ended).max() ?? .max
            return Run(name: name, app: job.app, began: steps.map(\.began).min() ?? 0, ended: ended)
        }
        return Dictionary(grouping: runs, by: \.app).values.flatMap { runs in
            let inOrder = runs.sorted { ($0.began, $0.ended) < ($1.began, $1.ended) }
            return zip(inOrder, inOrder.dropFirst()).filter { $0.ended > $1.began }
                .map { "\($0.app): job \($1.name) began before job \($0.name) had ended" }
        }
    }

    private struct Run {
        let name: String
        let app: String
        let began: Int64
        let ended: Int64
    }

    // MARK: (5) `current`

    /// At rest the link and the ledger name the same release.
    private func linksBesideTheLedger() -> [String] {
        Round.apps.compactMap { app in
            let live = book.releases.first { $0.state == "live" && $0.app == app.name }?.path
            let target = links[app.name]?.target
            guard live?.split(separator: "/").suffix(2).joined(separator: "/") != target else { return nil }
            return "\(app.name): current is \(target ?? "nothing"), and the ledger has \(live ?? "nothing") live"
        }
    }
}

extension Book.Job {
    var isOfTag: Bool { ref?.hasPrefix("refs/tags/") == true }
    var shown: String { "\(app) job \(id) (\(commit.prefix(7)) of \(ref ?? "no ref"))" }
}

extension Book.Step {
    /// Such a step is run anew when the daemon died before the release was live.
    var isBeforeActivation: Bool { name != "activate" && !name.hasPrefix("deploy-") }
}
