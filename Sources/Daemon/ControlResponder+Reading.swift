import ControlAPI
import Domain
import Exec
import Hummingbird
import NIOCore
import Storage

/// What is, and what was.
extension ControlResponder {
    /// More of the queue do not fit on a screen.
    private static let shownQueue = 100

    func addReading(to router: Router<ControlContext>) {
        router.get("/status") { _, _ in try await status() }
        router.get("/metrics") { _, _ in await metrics() }
        router.get("/apps") { _, _ in try Self.reply(configuration.apps.map(AppReply.init)) }
        router.get("/accounts") { _, _ in try await accounts() }
        router.get("/jobs") { request, _ in try await jobs(request.uri.queryParameters) }
        router.get("/jobs/:id") { _, context in try Self.reply(JobReply(try await job(context))) }
        router.get("/jobs/:id/log") { request, context in try await log(of: job(context), request.uri.queryParameters, context) }
        router.get("/apps/:app/releases") { _, context in
            let app = try app(context.parameters.require("app"))
            return try Self.reply(try await ledger.releases(of: app.name).filter { $0.state != .building }.map(ReleaseReply.init))
        }
        router.get("/doctor") { _, _ in try Self.reply(await doctor.findings(loaded: configuration).map(FindingReply.init)) }
        router.get("/backup") { _, context in try await backup(context) }
    }

    private func status() async throws -> Response {
        let (now, configuration) = (clock.now, configuration)
        let names = configuration.apps.map(\.name)
        let live = try await ledger.liveReleases()
        let last = try await ledger.lastJobs(of: names)
        let counts = try await ledger.queueCounts()
        let holds = try await ledger.holds(at: now)
        let view = try await ledger.queueView(of: names, limit: Self.shownQueue)
        let shortages = await dispatcher.shortages
        var runningJobs: [Job] = []
        for id in view.running.values.sorted() {
            // One that has ended in between is no longer news.
            if let job = try await ledger.job(id), job.state == .running { runningJobs.append(job) }
        }
        var place = QueuePlace(running: view.running, holds: holds, shortages: shortages, workers: configuration.workers)
        return try Self.reply(
            StatusReply(
                version: version, startedAt: startedAt, now: now, workers: configuration.workers, queued: counts.queued,
                running: counts.running,
                apps: names.map { name in
                    .init(
                        app: name, live: live[name].map(ReleaseReply.init), liveSubject: view.subjects[name],
                        lastJob: last[name].map(JobReply.init), hold: holds[name].map(HoldReply.init), usual: view.usual[name],
                        waits: shortages[name])
                },
                runningJobs: runningJobs, queue: view.waiting.map { .init($0.job, waits: place.waits($0)) }))
    }

    private func accounts() async throws -> Response {
        let inForce = live.inForce
        let base = (inForce.configuration.publicURL ?? "") + "/hooks/"
        var replies: [AccountReply] = []
        for account in inForce.configuration.accounts.values.sorted(by: { $0.name < $1.name }) {
            var hooks: [AccountReply.HookReply] = []
            for door in inForce.doors.all where door.account.name == account.name && !inForce.configuration.hooks.isOff {
                let last = try await ledger.lastVerified(account: account.name, hookApp: door.app)
                hooks.append(.init(app: door.app, address: base + door.path, secrets: door.verified.all, lastVerified: last))
            }
            let apps = inForce.configuration.apps(of: account).map(\.name)
            replies.append(AccountReply(account, hooks: hooks, apps: apps))
        }
        return try Self.reply(replies)
    }

    private func metrics() async -> Response {
        let now = clock.now
        // A ledger that cannot be read is when the other numbers are looked at.
        let measure = try? await ledger.measure(at: now)
        let text = reporter.metrics.text(measure, apps: configuration.apps.map(\.name), at: now)
        return Response(
            status: .ok, headers: [.contentType: PrometheusText.contentType], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    private func jobs(_ query: Parameters) async throws -> Response {
        let app = try query["app"].map { try self.app(String($0)).name }
        let state = query["state"].flatMap { Job.State(rawValue: String($0)) }
        return try Self.reply(try await ledger.jobs(app: app, state: state, limit: Self.limit(query)).map(JobReply.init))
    }

    private func log(of job: Job, _ query: Parameters, _ context: ControlContext) throws -> Response {
        let step = query["step"].map(String.init)
        let stream = LogStream(
            ledger: ledger, state: state, job: job.id, onlyStep: step, follow: query["follow"] == "1")
        return Response(
            status: .ok, headers: [.contentType: "application/octet-stream"],
            body: context.body { try await stream.send($0) })
    }

    /// The CLI opens the file it is asked to write; here the copy lies in the state directory for as long as it is sent.
    private func backup(_ context: ControlContext) async throws -> Response {
        let copy: LedgerCopy
        // Deliveries need the space more than a copy does.
        let (size, least) = (try await ledger.size().bytes, configuration.minFree)
        guard FileSystem.free(at: state.path).map({ $0 - size > least }) ?? true else {
            throw Refused(
                .conflict,
                "there is no space for a copy of \(size >> 20) MB at \(state.path) that leaves min_free, \(least >> 20) MB; free some first"
            )
        }
        do {
            copy = try await LedgerCopy(of: ledger, in: state)
        } catch {
            throw Refused(.conflict, "the ledger could not be copied: \(error)")
        }
        return Response(
            status: .ok, headers: [.contentType: "application/vnd.sqlite3"],
            body: context.body(contentLength: copy.size) { try await copy.send($0) })
    }
}
