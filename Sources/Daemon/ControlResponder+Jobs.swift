import ControlAPI
import Domain
import Exec
import Hummingbird
import Storage

/// What people do to jobs, and the jobs they ask for.
extension ControlResponder {
    func addJobs(to router: Router<ControlContext>) {
        router.post("/jobs/:id/cancel") { _, context in try await cancel(job(for: context), by: context.requester) }
        router.post("/jobs/:id/retry") { _, context in try await retry(job(for: context), by: context.requester) }
        router.post("/apps/:app/rollback") { request, context in
            try await rollBack(app(for: context), Self.body(of: request, as: RollbackRequest.self), by: context.requester)
        }
        router.post("/apps/:app/deploy") { request, context in
            try await deploy(app(for: context), Self.body(of: request, as: DeployRequest.self), by: context.requester)
        }
        router.post("/deploy") { _, context in try await deployAll(by: context.requester) }
        router.post("/apps/:app/simulate") { request, context in
            try await simulate(app(for: context), Self.body(of: request, as: DeployRequest.self), by: context.requester)
        }
    }

    private func cancel(_ job: Job, by requester: Requester) async throws -> Response {
        // A job on its way from the queue to a worker is neither here nor there for a moment.
        for _ in 0..<100 {
            if try await dispatcher.cancel(job: job.id, by: requester.name) {
                return try Self.reply(JobReply(try await self.job(String(job.id))))
            }
            let now = try await self.job(String(job.id))
            if now.state.isEnded {
                throw Refused(.conflict, "job \(job.id) has ended already: \(now.state.rawValue)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Refused(.conflict, "job \(job.id) waits to end what it has put live; cancel it when it runs")
    }

    private func retry(_ job: Job, by requester: Requester) async throws -> Response {
        guard let app = configuration.apps.first(where: { $0.name == job.app }) else {
            throw Refused(.conflict, "\(job.app) is no longer configured")
        }
        guard job.state.isEnded else { throw Refused(.conflict, "job \(job.id) has not ended; bittern cancel \(job.id) ends it") }
        // Of a rollback the same is another rollback, of a manual job another one: neither came from a change.
        if job.cause == .rollback, let release = job.release {
            return try await rollBack(app, RollbackRequest(release: release, hold: false), by: requester)
        }
        if job.cause == .manual, let ref = job.ref {
            return try await queue([manual(app, ref, job.commit, by: requester)], as: { $0[0] })
        }
        guard let new = try await ledger.retry(job: job.id, lock: app.lock, by: requester.name, at: clock.now) else {
            throw Refused(.conflict, "job \(job.id) has not ended; bittern cancel \(job.id) ends it")
        }
        reporter.retryQueued(new, of: job.id)
        dispatcher.wake()
        return try Self.reply(try await withNote(new))
    }

    private func rollBack(_ app: App, _ request: RollbackRequest, by requester: Requester) async throws -> Response {
        let now = clock.now
        guard let job = try await ledger.rollBack(app: app.name, to: request.release, lock: app.lock, by: requester.name, at: now) else {
            guard let release = request.release else {
                throw Refused(.conflict, "\(app.name) has no good release to go back to; bittern releases \(app.name) lists what is kept")
            }
            let isThere = try await ledger.releases(of: app.name).contains { $0.id == release }
            throw Refused(
                isThere ? .conflict : .notFound,
                "release \(release) of \(app.name) " + (isThere ? "failed and is no release to go back to" : "is not there")
                    + "; bittern releases \(app.name) lists what is kept")
        }
        if request.hold {
            let hold = Hold(app: app.name, heldAt: now, until: nil, reason: "rolled back by job \(job.id)", by: requester.name)
            try await ledger.hold(hold)
            reporter.held(hold)
        }
        reporter.rollbackQueued(job)
        dispatcher.wake()
        return try Self.reply(try await withNote(job))
    }

    // MARK: Manual jobs

    private func deploy(_ app: App, _ request: DeployRequest, by requester: Requester) async throws -> Response {
        let (ref, commit) = try await target(of: app, request)
        return try await queue([manual(app, ref, commit, by: requester)], as: { $0[0] })
    }

    /// Each app's live commit once more: a new server has the ledger and nothing else.
    private func deployAll(by requester: Requester) async throws -> Response {
        let live = try await ledger.liveCommits()
        let jobs = configuration.apps.compactMap { app -> ManualJob? in
            guard requester.refusal(for: app) == nil, let (commit, ref) = live[app.name] else { return nil }
            guard let ref = ref ?? (try? DeployTarget(of: app, branch: nil, tag: nil, commit: nil).ref) else { return nil }
            return manual(app, ref, commit, by: requester)
        }
        guard !jobs.isEmpty else {
            if let refusal = configuration.apps.lazy.compactMap(requester.refusal).first { throw Refused(.forbidden, refusal) }
            throw Refused(.conflict, "nothing was ever live that could be deployed again; bittern deploy APP begins")
        }
        return try await queue(jobs, as: { $0 })
    }

    private func simulate(_ app: App, _ request: DeployRequest, by requester: Requester) async throws -> Response {
        // That a push would be ignored is worth a trial, too.
        let (ref, commit) = try await target(of: app, request, mustMatch: false)
        // Other apps of the repository hear it too.
        try simulation.listeners(of: app, ref, commit).forEach { try admit(requester, to: self.app($0)) }
        do {
            let id = try await simulation.push(app, ref, commit)
            reporter.simulated(id, by: requester.name)
            guard let delivery = try await ledger.delivery(id) else { throw Refused(.conflict, "delivery \(id) is gone") }
            return try Self.reply(DeliveryReply(delivery))
        } catch let trouble as Simulation.Trouble {
            throw Refused(.conflict, trouble.sentence)
        }
    }

    /// The ref that is meant, and the commit: where none is named the forge says what the ref is at.
    private func target(of app: App, _ request: DeployRequest, mustMatch: Bool = true) async throws -> (RefName, CommitID) {
        let configuration = configuration
        let target: DeployTarget
        do {
            target = try DeployTarget(of: app, branch: request.branch, tag: request.tag, commit: request.commit, mustMatch: mustMatch)
        } catch {
            throw Refused(.conflict, error.sentence)
        }
        if let commit = target.commit { return (target.ref, commit) }
        guard let account = configuration.accounts[app.account] else { throw Refused(.conflict, "\(app.account) is no longer configured") }
        let head: CommitID?
        do {
            let own = try await forges.bearer(for: account.used(by: app))
            head = try await mirrors.head(of: target.ref, app: app, account: own, environment: configuration.environment)
        } catch {
            throw Refused(.conflict, "what \(target.ref.full) is at cannot be known: \(error)")
        }
        guard let head else {
            throw Refused(.conflict, "\(app.repository) has no \(SafeText.shown(target.ref.full)); push it first, or name another one")
        }
        return (target.ref, head)
    }

    private func manual(_ app: App, _ ref: RefName, _ commit: CommitID, by requester: Requester) -> ManualJob {
        ManualJob(
            app: app.name, repository: app.repository.description, ref: ref, commit: commit, lock: app.lock, by: requester.name)
    }

    private func queue<Reply: Encodable>(_ jobs: [ManualJob], as reply: ([JobReply]) -> Reply) async throws -> Response {
        let queued = try await ledger.deploy(jobs, at: clock.now)
        var replies: [JobReply] = []
        for job in queued {
            reporter.manualQueued(job)
            replies.append(try await withNote(job))
        }
        dispatcher.wake()
        return try Self.reply(reply(replies))
    }

    /// Whoever asks for a job by name should know that the app is held.
    private func withNote(_ job: Job) async throws -> JobReply {
        var reply = JobReply(job)
        guard job.cause != .push, let hold = try await ledger.holds(at: clock.now)[job.app] else { return reply }
        reply.note = "\(job.app) is held" + (hold.reason.map { " (\($0))" } ?? "") + "; this job runs all the same"
        return reply
    }
}
