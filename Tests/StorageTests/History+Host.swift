import Domain
import RealParts

@testable import Storage

/// What the daemon does to its jobs beside running them, and people.
extension History {
    /// What the dispatcher does: the ledger must give the job that the model gives.
    func claim() async throws {
        let next = queue.next(at: now)
        let claimed = try await house.ledger.claim(at: time)
        try check(claimed?.job.id == next, "job \(claimed.map { "\($0.job.id)" } ?? "-") starts, not \(next.map { "\($0)" } ?? "none")")
        guard let claimed, let app = apps.indices.first(where: { name(ofApp: $0) == claimed.job.app }) else { return }
        let job = claimed.job.id
        queue.start(job)
        tell("job \(job) of app \(app) starts for \(ModelForge.number(of: claimed.job.commit))")
        try check(claimed.isActivated == queue.isActivated(job), "job \(job) does not know what is live")
        var run = Run(claimed: claimed, app: app, phase: .fetching)
        if claimed.isActivated {
            seen.add(.resumed)
            run.phase = .live
            let positions = Self.firstPosition..<Self.endPosition
            run.position = positions.first { !claimed.succeededSteps.contains("deploy-\($0)") } ?? Self.endPosition
            let next = positions.first { queue.jobs[job]?.done.contains($0) != true } ?? Self.endPosition
            try check(run.position == next, "job \(job) goes on with step \(run.position), not \(next)")
        }
        running.append(run)
    }

    /// The daemon goes, in order or not, and comes again.
    func restart() async throws {
        guard chance(2, &random), !running.isEmpty else { return }
        let ended = running
        running = []
        if chance(2, &random) {
            for run in ended {
                try await house.ledger.putBack(job: run.claimed.job.id, at: time)
                queue.putBack(run.claimed.job.id, countsAttempt: false)
            }
            seen.add(.stop)
            return tell("stop, \(ended.map(\.claimed.job.id)) put back")
        }
        tell("death of \(ended.map(\.claimed.job.id))")
        let interrupted = try await house.ledger.interruptedJobs().map(\.job.id)
        try check(interrupted == ended.map(\.claimed.job.id).sorted(), "the ledger believes that \(interrupted) ran")
        for run in ended { try await recover(run) }
    }

    /// As `Daemon/Recovery.swift` does.
    private func recover(_ run: Run) async throws {
        guard let job = try await house.ledger.job(run.claimed.job.id) else { throw Broken(description: "a job that ran is gone") }
        switch run.phase {
        case .building where !chance(4, &random):
            // Between the rename and the ledger's word for it.
            seen.add(.deathAtActivation)
            try await activate(job)
        case .live: seen.add(.deathAfterActivation)
        default: seen.add(.deathBeforeActivation)
        }
        let attempts = queue.jobs[job.id]?.attempt ?? 0
        let end = job.givenUp(maxAttempts: maxAttempts)
        try check((end != nil) == (attempts >= maxAttempts), "job \(job.id) was started \(attempts) times and given up, or not")
        if let end {
            seen.add(.givenUp)
            return try await finish(run, end)
        }
        try await house.ledger.requeue(job: job.id, at: time)
        queue.putBack(job.id, countsAttempt: true)
    }

    // People.

    /// - Parameter isLate: everything has ended, and nobody begins anything new.
    func meddle(isLate: Bool) async throws {
        guard isMeddledWith, !isLate else { return }
        let app = Int.random(in: apps.indices, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: try await hold(app)
        case 1, 2: try await resume(app)
        case 3: try await cancelQueued()
        case 4: try await cancelRunning()
        default: try await retry()
        }
    }

    private func hold(_ app: Int) async throws {
        let end = chance(2, &random) ? nil : now + Int64.random(in: 1...40, using: &random)
        try await house.ledger.hold(Hold(app: name(ofApp: app), heldAt: time, until: end.map { at($0) }, reason: nil, by: nil))
        queue.hold(name(ofApp: app), until: end)
        seen.add(.held)
        tell("app \(app) is held until \(end.map { "\($0)" } ?? "it is resumed")")
    }

    func resume(_ app: Int) async throws {
        let wasHeld = queue.resume(name(ofApp: app))
        try check(try await house.ledger.resume(app: name(ofApp: app)) == wasHeld, "app \(app) was held, or not")
        if wasHeld { tell("app \(app) is resumed") }
    }

    private func cancelQueued() async throws {
        guard let job = queue.jobs.keys.sorted().randomElement(using: &random), let entry = queue.jobs[job] else { return }
        let isCancelled = try await house.ledger.cancelQueued(job: job, JobEnd(.cancelled, "cancelled while it was queued"), at: time)
        let mayBe = entry.state == .queued && !queue.isActivated(job)
        try check(isCancelled == mayBe, "job \(job), which is \(entry.state), was cancelled, or not")
        guard isCancelled else { return }
        queue.end(job, .cancelled)
        if let app = apps.indices.first(where: { name(ofApp: $0) == entry.app }) { waived.insert(app) }
        seen.add(.cancelledQueued)
        tell("job \(job) cancelled while it was queued")
    }

    private func cancelRunning() async throws {
        guard let index = running.indices.randomElement(using: &random) else { return }
        seen.add(.cancelledRunning)
        try await finish(running.remove(at: index), JobEnd(.cancelled, "by somebody"))
    }

    private func retry() async throws {
        guard !isBehindAnyHook, let job = queue.jobs.keys.sorted().randomElement(using: &random), let entry = queue.jobs[job] else {
            return
        }
        let new = try await house.ledger.retry(job: job, lock: entry.app, by: "somebody", at: time)
        try check((new != nil) == entry.state.isEnded, "job \(job), which is \(entry.state), is run again, or not")
        guard let new else { return }
        // It is nobody's but its own; what waits goes on waiting.
        let isWaived = waived
        try queued(new.id, of: entry.app, .retry, move: moveOfJob[job])
        waived = isWaived
        seen.add(.retry)
        tell("job \(new.id) is to run job \(job) again")
    }
}
