import ControlAPI
import Domain
import Exec
import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Storage

/// What the daemon tells the CLI on the control socket.
struct ControlResponder: Sendable {
    let configuration: Configuration
    let ledger: Ledger
    let state: StateDirectory
    let dispatcher: Dispatcher
    let reporter: Reporter
    let clock: WallClock
    let version: String
    let startedAt: Timestamp

    private typealias Context = BasicRequestContext

    /// Not a Hummingbird error, because those are answered in Hummingbird's own words.
    private struct Refused: Error {
        let status: HTTPResponse.Status
        let sentence: String

        init(_ status: HTTPResponse.Status, _ sentence: String) {
            self.status = status
            self.sentence = sentence
        }
    }

    /// The handler for every connection of the listener.
    func responder(logger: Logger) -> HTTPChannelHandler.Responder {
        let routes = router().buildResponder()
        return { @concurrent request, writer, channel in
            let context = Context(source: ApplicationRequestContextSource(channel: channel, logger: logger))
            let response: Response
            do {
                response = try await routes.respond(to: request, context: context)
            } catch let error as Refused {
                response = Self.failure(error.status, error.sentence)
            } catch let error as HTTPError {
                response = Self.failure(error.status, "the daemon does not know this request; is the CLI of another version?")
            } catch {
                response = Self.failure(.internalServerError, "\(error)")
            }
            try await writer.write(response: response.head, body: response.body)
        }
    }

    private func router() -> Router<Context> {
        let router = Router(context: Context.self)
        router.get("/status") { _, _ in try await status() }
        router.get("/apps") { _, _ in try Self.reply(configuration.apps.map(AppReply.init)) }
        router.get("/jobs") { request, _ in try await jobs(request.uri.queryParameters) }
        router.get("/jobs/:id") { _, context in try Self.reply(JobReply(try await job(context.parameters.require("id")))) }
        router.get("/jobs/:id/log") { request, context in
            try await log(of: job(context.parameters.require("id")), request.uri.queryParameters)
        }
        router.post("/jobs/:id/cancel") { _, context in try await cancel(job(context.parameters.require("id"))) }
        router.post("/jobs/:id/retry") { _, context in try await retry(job(context.parameters.require("id"))) }
        router.post("/apps/:app/hold") { request, context in
            let body = try await request.body.collect(upTo: 65536)
            return try await hold(
                app(context.parameters.require("app")), ReplyCoding.decode(HoldRequest.self, from: Data(body.readableBytesView)))
        }
        router.post("/apps/:app/resume") { _, context in try await resume(app(context.parameters.require("app"))) }
        router.get("/deliveries") { request, _ in
            try Self.reply(try await ledger.deliveries(limit: Self.limit(request.uri.queryParameters)).map(DeliveryReply.init))
        }
        router.get("/deliveries/:id") { _, context in
            let text = try context.parameters.require("id")
            guard let id = Int64(text), let delivery = try await ledger.delivery(id) else {
                throw Refused(.notFound, "there is no delivery \(SafeText.shown(text, limit: 40)); bittern deliveries lists them")
            }
            return try Self.reply(DeliveryReply(delivery))
        }
        router.get("/apps/:app/releases") { _, context in
            let app = try app(context.parameters.require("app"))
            return try Self.reply(try await ledger.releases(of: app.name).filter { $0.state != .building }.map(ReleaseReply.init))
        }
        router.post("/apps/:app/rollback") { request, context in
            let body = try await request.body.collect(upTo: 65536)
            return try await rollBack(
                app(context.parameters.require("app")), ReplyCoding.decode(RollbackRequest.self, from: Data(body.readableBytesView)))
        }
        router.post("/apps/:app/cache/clear") { _, context in try clearCache(app(context.parameters.require("app"))) }
        return router
    }

    private func status() async throws -> Response {
        let names = configuration.apps.map(\.name)
        let live = try await ledger.liveReleases()
        let last = try await ledger.lastJobs(of: names)
        let counts = try await ledger.queueCounts()
        let holds = try await ledger.holds(at: clock.now)
        let shortages = await dispatcher.shortages
        return try Self.reply(
            StatusReply(
                version: version, started_at: startedAt.rfc3339, workers: configuration.workers, queued: counts.queued,
                running: counts.running,
                apps: names.map { name in
                    .init(
                        app: name, live: live[name].map(ReleaseReply.init), last_job: last[name].map(JobReply.init),
                        held: holds[name] != nil, waits: shortages[name])
                }))
    }

    private func jobs(_ query: Parameters) async throws -> Response {
        let app = query["app"].map(String.init)
        if let app, !configuration.apps.contains(where: { $0.name == app }) {
            throw Refused(.notFound, "there is no app \(SafeText.shown(app, limit: 80)); bittern apps lists them")
        }
        let state = query["state"].flatMap { Job.State(rawValue: String($0)) }
        return try Self.reply(try await ledger.jobs(app: app, state: state, limit: Self.limit(query)).map(JobReply.init))
    }

    /// How many of a list are wanted: from 1 to 10,000, 20 where nobody says.
    private static func limit(_ query: Parameters) -> Int {
        min(max(query["limit"].flatMap { Int($0) } ?? 20, 1), 10_000)
    }

    private func app(_ name: String) throws -> App {
        guard let app = configuration.apps.first(where: { $0.name == name }) else {
            throw Refused(.notFound, "there is no app \(SafeText.shown(name, limit: 80)); bittern apps lists them")
        }
        return app
    }

    private func cancel(_ job: Job) async throws -> Response {
        // A job on its way from the queue to a worker is neither here nor there for a moment.
        for _ in 0..<100 {
            if try await dispatcher.cancel(job: job.id) { return try Self.reply(JobReply(try await self.job(String(job.id)))) }
            let now = try await self.job(String(job.id))
            if now.state.isEnded {
                throw Refused(.conflict, "job \(job.id) has ended already: \(now.state.rawValue)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Refused(.conflict, "job \(job.id) waits to end what it has put live; cancel it when it runs")
    }

    private func retry(_ job: Job) async throws -> Response {
        guard let app = configuration.apps.first(where: { $0.name == job.app }) else {
            throw Refused(.conflict, "\(job.app) is no longer configured")
        }
        // Of a rollback the same is another rollback.
        if job.cause == .rollback, let release = job.release, job.state.isEnded {
            return try await rollBack(app, RollbackRequest(release: release, hold: false))
        }
        guard let new = try await ledger.retry(job: job.id, lock: app.lock, by: nil, at: clock.now) else {
            throw Refused(.conflict, "job \(job.id) has not ended; bittern cancel \(job.id) ends it")
        }
        reporter.retryQueued(new, of: job.id)
        dispatcher.wake()
        return try Self.reply(JobReply(new))
    }

    private func hold(_ app: App, _ request: HoldRequest) async throws -> Response {
        let now = clock.now
        let until = try request.until.map { text in
            guard let until = Timestamp(rfc3339: text) else {
                throw Refused(.badRequest, "\"\(SafeText.shown(text, limit: 60))\" is no time")
            }
            guard until > now else { throw Refused(.badRequest, "the hold would end before it begins; name a later time") }
            return until
        }
        let hold = Hold(app: app.name, heldAt: now, until: until, reason: request.reason.map { SafeText.shown($0) }, by: nil)
        try await ledger.hold(hold)
        reporter.held(hold)
        // It may end by itself, and the dispatcher has to know when.
        dispatcher.wake()
        return try Self.reply(HoldReply(hold))
    }

    private func rollBack(_ app: App, _ request: RollbackRequest) async throws -> Response {
        let now = clock.now
        guard let job = try await ledger.rollBack(app: app.name, to: request.release, lock: app.lock, by: nil, at: now) else {
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
            let hold = Hold(app: app.name, heldAt: now, until: nil, reason: "rolled back by job \(job.id)", by: nil)
            try await ledger.hold(hold)
            reporter.held(hold)
        }
        reporter.rollbackQueued(job)
        dispatcher.wake()
        return try Self.reply(JobReply(job))
    }

    private func clearCache(_ app: App) throws -> Response {
        do {
            try ReleaseDirectory.clearCaches(root: app.root)
        } catch {
            throw Refused(.conflict, "the caches of \(app.name) could not be removed: \(error)")
        }
        return try Self.reply(AppReply(app))
    }

    private func resume(_ app: App) async throws -> Response {
        let hold = try await ledger.holds(at: clock.now)[app.name]
        guard try await ledger.resume(app: app.name), let hold else { throw Refused(.conflict, "\(app.name) is not held") }
        reporter.resumed(app: app.name)
        dispatcher.wake()
        return try Self.reply(HoldReply(hold))
    }

    private func job(_ text: String) async throws -> Job {
        guard let id = Int64(text), let job = try await ledger.job(id) else {
            throw Refused(.notFound, "there is no job \(SafeText.shown(text, limit: 40)); bittern jobs lists them")
        }
        return job
    }

    private func log(of job: Job, _ query: Parameters) throws -> Response {
        let step = query["step"].map(String.init)
        let stream = LogStream(
            ledger: ledger, state: state, job: job.id, onlyStep: step, follow: query["follow"] == "1")
        return Response(
            status: .ok, headers: [.contentType: "application/octet-stream"],
            body: ResponseBody { @concurrent writer in
                try await stream.send { try await writer.write(ByteBuffer(bytes: $0)) }
                try await writer.finish(nil)
            })
    }

    private static func reply(_ value: some Encodable) throws -> Response {
        let data = try ReplyCoding.encode(value)
        return Response(status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
    }

    private static func failure(_ status: HTTPResponse.Status, _ sentence: String) -> Response {
        let text = (try? ReplyCoding.encode(ErrorReply(sentence))) ?? Data()  // a string is always JSON
        return Response(
            status: status, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(bytes: text)))
    }
}

extension DeliveryReply {
    fileprivate init(_ stored: StoredDelivery) {
        self.init(
            id: stored.id, account: stored.account, event: stored.event, requestID: stored.requestID, remoteAddress: stored.remoteAddress,
            receivedAt: stored.receivedAt, answer: stored.answer, reason: stored.reason, duplicateOf: stored.duplicateOf,
            verdicts: stored.verdicts)
    }
}
