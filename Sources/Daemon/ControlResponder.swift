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

/// What the daemon tells the CLI on the control socket, and does for it.
///
/// Whoever may open the socket may read. Who may act on an app is for ``Requester/refusal(for:)`` to say, and everything that is done is
/// noted with who asked for it.
struct ControlResponder: Sendable {
    let live: LiveConfiguration
    let ledger: Ledger
    let state: StateDirectory
    let dispatcher: Dispatcher
    let mirrors: GitMirrors
    let simulation: Simulation
    let reload: Reload
    let reporter: Reporter
    let clock: WallClock
    let version: String
    let startedAt: Timestamp
    let doctor: Doctor
    let forges: Forges
    let logins: Logins
    let clearCaches: @Sendable (App) async throws -> Void

    var configuration: Configuration { live.current }

    /// Not a Hummingbird error, because those are answered in Hummingbird's own words.
    struct Refused: Error {
        let status: HTTPResponse.Status
        let reply: ErrorReply

        init(_ status: HTTPResponse.Status, _ sentence: String, problems: [String]? = nil) {
            self.status = status
            reply = ErrorReply(sentence, problems: problems)
        }
    }

    /// The handler for every connection of the listener.
    func responder(logger: Logger) -> HTTPChannelHandler.Responder {
        let routes = router().buildResponder()
        return { @concurrent request, writer, channel in
            // Whoever only looks is not asked for a name.
            let requester = request.head.method == .get ? .unknown : await Requester.at(channel)
            let source = ControlContext.Source(channel: channel, logger: logger, requester: requester)
            let response: Response
            do {
                response = try await routes.respond(to: request, context: ControlContext(source: source))
            } catch let error as Refused {
                response = Self.failure(error.status, error.reply)
            } catch let error as HTTPError {
                response = Self.failure(error.status, ErrorReply("the daemon does not know this request; is the CLI of another version?"))
            } catch {
                response = Self.failure(.internalServerError, ErrorReply("\(error)"))
            }
            try await writer.write(response: response.head, body: response.body)
        }
    }

    private func router() -> Router<ControlContext> {
        let router = Router(context: ControlContext.self)
        addReading(to: router)
        addDeliveries(to: router)
        addJobs(to: router)
        addApps(to: router)
        addAccounts(to: router)
        router.post("/reload") { _, context in try await reload(by: context.requester) }
        return router
    }

    private func reload(by requester: Requester) async throws -> Response {
        switch await reload.run(by: requester.name) {
        case .done(let difference, let warnings):
            return try Self.reply(ReloadReply(difference, warnings: warnings))
        case .refused(let problems):
            throw Refused(
                .unprocessableContent, "the configuration was refused and the old one stays; correct what is listed and try again",
                problems: problems)
        }
    }

    // MARK: What is asked for

    /// - Throws: ``Refused`` when it is not configured.
    func app(_ name: String) throws -> App {
        let apps = configuration.apps
        guard let app = apps.first(where: { $0.name == name }) else {
            let near = Spelling.nearest(to: name, among: apps.map(\.name))
            throw Refused(
                .notFound,
                "there is no app \(SafeText.shown(name, limit: 80))" + (near.map { "; did you mean \($0)?" } ?? "; bittern apps lists them")
            )
        }
        return app
    }

    /// The app that a request names, for those who may act on it.
    func app(for context: ControlContext) throws -> App {
        let app = try app(context.parameters.require("app"))
        try admit(context.requester, to: app)
        return app
    }

    func admit(_ requester: Requester, to app: App) throws {
        if let refusal = requester.refusal(for: app) { throw Refused(.forbidden, refusal) }
    }

    func job(_ context: ControlContext) async throws -> Job {
        try await job(context.parameters.require("id"))
    }

    func job(_ text: String) async throws -> Job {
        guard let id = Int64(text), let job = try await ledger.job(id) else {
            throw Refused(.notFound, "there is no job \(SafeText.shown(text, limit: 40)); bittern jobs lists them")
        }
        return job
    }

    /// The same for those who may act on its app.
    func job(for context: ControlContext) async throws -> Job {
        let job = try await job(context)
        // Of an app that is no longer configured nobody knows the operators.
        if let app = configuration.apps.first(where: { $0.name == job.app }) {
            try admit(context.requester, to: app)
        } else if !context.requester.isPrivileged {
            throw Refused(.forbidden, "\(job.app) is no longer configured; only root can do that now")
        }
        return job
    }

    /// How many of a list are wanted: from 1 to 10,000, 20 where nobody says.
    static func limit(_ query: Parameters) -> Int {
        min(max(query["limit"].flatMap { Int($0) } ?? 20, 1), 10_000)
    }

    /// Thousands of paths to be explained are the longest there is.
    private static let bodyLimit = 1 << 20

    static func body<Value: Decodable>(of request: Request, as type: Value.Type) async throws -> Value {
        guard let body = try? await request.body.collect(upTo: bodyLimit) else {
            throw Refused(.contentTooLarge, "the request is too long; ask for less at once")
        }
        do {
            return try ReplyCoding.decode(type, from: Data(body.readableBytesView))
        } catch {
            throw Refused(.badRequest, "the daemon does not understand this request; is the CLI of another version?")
        }
    }

    static func reply(_ value: some Encodable) throws -> Response {
        let data = try ReplyCoding.encode(value)
        return Response(status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
    }

    private static func failure(_ status: HTTPResponse.Status, _ reply: ErrorReply) -> Response {
        let text = (try? ReplyCoding.encode(reply)) ?? Data()  // strings are always JSON
        return Response(
            status: status, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(bytes: text)))
    }
}
