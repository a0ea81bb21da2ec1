import Domain
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// What the hooks listener serves: webhooks for the ``Intake``, and `/healthz`. Nothing else is there.
///
/// Plain NIO from the first byte to the answer, where the control socket has Hummingbird's responders: a push is read, verified, handed to
/// the ledger's writer and answered on the one thread of its connection, and no task is made for it.
struct HooksChannel: ServerChildChannel {
    /// How many bytes of bodies may be in flight at once.
    static let bodiesInFlight = 64 << 20
    /// How long a connection may be silent between two requests.
    static let idleTimeout: TimeAmount = .seconds(75)

    let intake: Intake
    let health: HealthCheck
    let trustedProxies: Set<String>
    let load: BodyLoad
    /// How long a request may take to arrive.
    let deadline: TimeAmount

    struct Value: ServerChildChannelValue {
        let channel: any Channel
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = 16 << 10
            limits.maxHeaderListSize = 32 << 10
            limits.maxHeaderFieldCount = 100
            let pipeline = channel.pipeline.syncOperations
            // One request at a time reaches the handler, however many a client sends ahead; and it closes when the daemon stops.
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: true, withErrorHandling: false, withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
            try pipeline.addHandler(IdleStateHandler(allTimeout: Self.idleTimeout))
            try pipeline.addHandler(RequestDeadline(deadline))
            try pipeline.addHandler(HooksHandler(self))
            return Value(channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        try? await value.channel.closeFuture.get()  // a connection that broke is closed
    }
}

/// The requests of one connection, one after the other.
///
/// ```
///          head                    end                 the ledger's word
///  idle ─────────▶ receiving ──────────────▶ answering ─────────────────▶ idle
///    │                 │ refused, too large                                ▲
///    └─ refused ───────┴──────────────▶ answered ──────── end ─────────────┘
/// ```
private final class HooksHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        /// Its head came, and nothing speaks against it yet.
        case receiving(Arrival)
        /// All of it came.
        case answering(Arrival)
        /// It has its answer; what is left of its body is let by.
        case answered
    }

    private struct Arrival {
        let request: HookRequest
        /// nil: somebody asks for the daemon's health.
        let door: Intake.Door?
        let receivedAt: Timestamp
        let isKeptAlive: Bool
        var body = ByteBuffer()
    }

    private let hooks: HooksChannel
    private var state = State.idle
    /// What the request has taken of the ``BodyLoad``.
    private var taken = 0

    init(_ hooks: HooksChannel) {
        self.hooks = hooks
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head, context)
        case .body(let part): take(part, context)
        case .end: end(context)
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let receivedAt = hooks.intake.now
        let path = URI(head.uri).path
        let request = HookRequest(
            method: head.method.rawValue, path: path, headers: WebhookHeaders(Array(head.headers)),
            announcedSize: head.headers.first(name: "content-length").flatMap { Int($0) },
            remoteAddress: remoteAddress(head, context.channel))
        do throws(Refusal) {
            let door = path == "/healthz" ? nil : try hooks.intake.door(of: request)
            state = .receiving(Arrival(request: request, door: door, receivedAt: receivedAt, isKeptAlive: head.isKeepAlive))
        } catch {
            state = .answered
            let refused = hooks.intake.refuse(error, request, account: hooks.intake.account(of: request), at: receivedAt)
            answer(refused, isKeptAlive: head.isKeepAlive, context)
        }
    }

    private func take(_ part: ByteBuffer, _ context: ChannelHandlerContext) {
        guard case .receiving(var arrival) = state, let door = arrival.door else { return }
        let limit = hooks.intake.bodyLimit
        guard arrival.body.readableBytes + part.readableBytes <= limit else {
            state = .answered
            let refused = hooks.intake.refuse(.tooLarge(limit), arrival.request, account: door.account.name, at: arrival.receivedAt)
            return answer(refused, isKeptAlive: false, context)
        }
        guard hooks.load.take(part.readableBytes) else {
            state = .answered
            return answer(hooks.intake.tooMuch(arrival.request, account: door.account.name), isKeptAlive: false, context)
        }
        taken += part.readableBytes
        // Most bodies come in one part, which needs no copy; where more come, the buffer changes in place while nothing else holds it.
        state = .idle
        if arrival.body.readableBytes == 0 { arrival.body = part } else { arrival.body.writeImmutableBuffer(part) }
        state = .receiving(arrival)
    }

    private func end(_ context: ChannelHandlerContext) {
        guard case .receiving(let arrival) = state else {
            state = .idle
            return
        }
        state = .answering(arrival)
        guard let door = arrival.door else { return tellHealth(arrival, context) }
        let connection = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        do throws(Refusal) {
            guard let delivery = try hooks.intake.read(arrival.request, arrival.body, through: door, at: arrival.receivedAt) else {
                return end(with: .pong, context)
            }
            hooks.intake.store(delivery, on: context.eventLoop) { answer in
                connection.value.handler.end(with: answer, connection.value.context)
            }
        } catch {
            end(with: hooks.intake.refuse(error, arrival.request, account: door.account.name, at: arrival.receivedAt), context)
        }
    }

    private func tellHealth(_ arrival: Arrival, _ context: ChannelHandlerContext) {
        let connection = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let (health, eventLoop) = (hooks.health, context.eventLoop)
        Task {
            let isWell = await health.isWell
            eventLoop.execute { connection.value.handler.end(with: .health(isWell), connection.value.context) }
        }
    }

    private func end(with answer: WebhookAnswer, _ context: ChannelHandlerContext) {
        // Whoever is gone meanwhile gets no answer.
        guard case .answering(let arrival) = state else { return }
        state = .idle
        self.answer(answer, isKeptAlive: arrival.isKeptAlive, hasBody: arrival.request.method != "HEAD", context)
    }

    private func answer(_ answer: WebhookAnswer, isKeptAlive: Bool, hasBody: Bool = true, _ context: ChannelHandlerContext) {
        release()
        guard context.channel.isActive else { return }
        // What is left of a body nobody wanted is not worth reading.
        let isKeptAlive = isKeptAlive && answer.status != .contentTooLarge && answer.status != .serviceUnavailable
        var headers = HTTPHeaders()
        headers.add(name: "Content-Type", value: answer.contentType)
        headers.add(name: "Content-Length", value: String(answer.body.count))
        if let seconds = answer.retryAfter { headers.add(name: "Retry-After", value: String(seconds)) }
        if answer.status == .methodNotAllowed { headers.add(name: "Allow", value: "POST") }
        if !isKeptAlive { headers.add(name: "Connection", value: "close") }
        let status = HTTPResponseStatus(statusCode: answer.status.code)
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        if hasBody { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil) }
        let end = context.eventLoop.makePromise(of: Void.self)
        // Only our half: closed whole, what the sender still sends would reset the connection before he has read the answer.
        if !isKeptAlive { end.futureResult.assumeIsolated().whenComplete { _ in context.close(mode: .output, promise: nil) } }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: end)
    }

    private func release() {
        hooks.load.give(taken)
        taken = 0
    }

    // MARK: The connection

    func channelInactive(context: ChannelHandlerContext) {
        breakOff()
        context.fireChannelInactive()
    }

    /// Whoever closes his half in the middle of a request sends the rest no more.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            if case .idle = state { context.close(promise: nil) }
        case is IdleStateHandler.IdleStateEvent:
            if case .answering = state { break }
            context.close(promise: nil)
        default:
            break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError else { return context.close(promise: nil) }
        switch state {
        case .receiving:
            breakOff()
            answer(.refused(.incomplete), isKeptAlive: false, context)
        case .idle:
            answer(.refused(.incomplete), isKeptAlive: false, context)
        case .answering, .answered:
            context.close(promise: nil)
        }
    }

    /// A request that will not arrive whole.
    private func breakOff() {
        if case .receiving(let arrival) = state {
            hooks.intake.senderGone(arrival.request, account: arrival.door?.account.name)
        }
        state = .idle
        release()
    }

    /// The sender; or, when that is a proxy we trust, whom the proxy names last that is no such proxy itself.
    private func remoteAddress(_ head: HTTPRequestHead, _ channel: any Channel) -> String {
        let peer = channel.remoteAddress?.ipAddress
        guard peer == nil || hooks.trustedProxies.contains(peer ?? "") else { return peer ?? "" }
        let forwarded = head.headers["x-forwarded-for"].flatMap { $0.split(separator: ",") }
            .map { String($0.filter { $0 != " " && $0 != "\t" }) }
        let named = forwarded.last { !hooks.trustedProxies.contains($0) } ?? forwarded.first
        return named.map { SafeText.shown($0, limit: 64) } ?? peer ?? "local"
    }
}
