import Domain
import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1

/// The requests of one connection, one after the other: what a client sends ahead is heard when the answer before it is given.
///
/// ```
///          head                    end                 the ledger's word
///  idle ─────────▶ receiving ──────────────▶ answering ─────────────────▶ idle
///    │                 │ refused, too large                                ▲
///    └─ refused ───────┴──────────────▶ answered ──────── end ─────────────┘
/// ```
final class HooksHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private enum State {
        case idle
        /// Its head came, and nothing speaks against it yet.
        case receiving(Arrival)
        /// All of it came.
        case answering(Arrival)
        /// It has its answer; what is left of its body is let by.
        case answered
    }

    /// What a request is about.
    private enum Question {
        case push(Door)
        case health
        /// Somebody comes back from a forge, with what stands behind the `?`.
        case login([String: String])
    }

    /// A class, so that its body grows in place, whatever state it is in.
    private final class Arrival {
        let request: HookRequest
        let asks: Question
        let receivedAt: Timestamp
        let isKeptAlive: Bool
        var body = ByteBuffer()

        init(_ request: HookRequest, asks: Question, receivedAt: Timestamp, isKeptAlive: Bool) {
            self.request = request
            self.asks = asks
            self.receivedAt = receivedAt
            self.isKeptAlive = isKeptAlive
        }

        var door: Door? { if case .push(let door) = asks { door } else { nil } }
    }

    /// What the decoder tells.
    private enum Event {
        case part(HTTPServerRequestPart)
        /// What came is no HTTP, or no whole request.
        case broken
        /// The sender will send no more.
        case inputClosed
    }

    private let hooks: HooksChannel
    private var state = State.idle
    /// What the request has taken of the ``BodyLoad``.
    private var taken = 0
    private var patience: ConnectionPatience
    private var nextLook: Scheduled<Void>?
    /// What came ahead of its time. Nothing more is read meanwhile, so it is one read at most.
    private var later: CircularBuffer<Event> = []
    private var isReadHeld = false
    /// Whether the read that is going on brought anything the decoder could make out.
    private var heardPart = false
    /// The daemon stops: the request that has begun is the last.
    private var isQuiescing = false
    /// The last answer was given; nothing is heard any more.
    private var isOver = false

    init(_ hooks: HooksChannel) {
        self.hooks = hooks
        patience = ConnectionPatience(request: hooks.deadline, idle: HooksChannel.idleTimeout, openedAt: .now())
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        heardPart = true
        hear(.part(unwrapInboundIn(data)), context)
    }

    private func hear(_ event: Event, _ context: ChannelHandlerContext) {
        if case .answering = state { return later.append(event) }
        guard !isOver else {
            if case .inputClosed = event { context.close(promise: nil) }
            return
        }
        switch event {
        case .part(.head(let head)): begin(head, context)
        case .part(.body(let part)): take(part, context)
        case .part(.end): end(context)
        case .broken:
            if case .answered = state {
                isOver = true
                return context.close(mode: .output, promise: nil)
            }
            breakOff()
            answer(hooks.intake.incomplete(), isKeptAlive: false, context)
        case .inputClosed:
            // The answer before may still be on its way.
            closeWhenWritten(context)
        }
    }

    /// Hears what was sent ahead.
    private func goOn(_ context: ChannelHandlerContext) {
        while true {
            if case .answering = state { return }
            guard let event = later.popFirst() else { break }
            hear(event, context)
        }
        guard isReadHeld else { return }
        isReadHeld = false
        context.read()
    }

    func read(context: ChannelHandlerContext) {
        if later.isEmpty { context.read() } else { isReadHeld = true }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        patience.began(at: .now())
        let receivedAt = hooks.intake.now
        let path = URI(head.uri).path
        let request = HookRequest(
            method: head.method.rawValue, path: path, headers: WebhookHeaders(Array(head.headers)),
            announcedSize: head.headers.first(name: "content-length").flatMap { Int($0) },
            remoteAddress: remoteAddress(head, context.channel))
        do throws(Refusal) {
            let asks = try question(of: request, head)
            state = .receiving(Arrival(request, asks: asks, receivedAt: receivedAt, isKeptAlive: head.isKeepAlive))
        } catch {
            state = .answered
            let refused = hooks.intake.refuse(error, request, account: hooks.intake.account(of: request), at: receivedAt)
            answer(refused, isKeptAlive: head.isKeepAlive, context)
        }
    }

    private func question(of request: HookRequest, _ head: HTTPRequestHead) throws(Refusal) -> Question {
        switch request.path {
        case "/healthz": return .health
        case "/oauth/callback" where hooks.logins.isOpen && head.method == .GET:
            let query = URI(head.uri).queryParameters.map { (String($0.key), String($0.value)) }
            return .login(Dictionary(query) { first, _ in first })
        default: return .push(try hooks.intake.door(of: request))
        }
    }

    private func take(_ part: ByteBuffer, _ context: ChannelHandlerContext) {
        guard case .receiving(let arrival) = state, let door = arrival.door else { return }
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
        // Most bodies come in one part, which needs no copy.
        if arrival.body.readableBytes == 0 { arrival.body = part } else { arrival.body.writeImmutableBuffer(part) }
    }

    private func end(_ context: ChannelHandlerContext) {
        guard case .receiving(let arrival) = state else {
            state = .idle
            patience.ended(at: .now())
            if isQuiescing { closeWhenWritten(context) }
            return
        }
        state = .answering(arrival)
        patience.awaitsAnswer()
        switch arrival.asks {
        case .push(let door): take(arrival, through: door, context)
        case .health: tellLater(context) { [health = hooks.health] in .health(await health.isWell) }
        case .login(let query): tellLater(context) { [logins = hooks.logins] in .login(await logins.comeBack(query)) }
        }
    }

    private func take(_ arrival: Arrival, through door: Door, _ context: ChannelHandlerContext) {
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

    private func tellLater(_ context: ChannelHandlerContext, _ answer: @escaping @Sendable () async -> WebhookAnswer) {
        let connection = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        Task {
            let answer = await answer()
            eventLoop.execute { connection.value.handler.end(with: answer, connection.value.context) }
        }
    }

    private func end(with answer: WebhookAnswer, _ context: ChannelHandlerContext) {
        // Whoever is gone meanwhile gets no answer.
        guard case .answering(let arrival) = state else { return }
        state = .idle
        patience.ended(at: .now())
        self.answer(answer, isKeptAlive: arrival.isKeptAlive, hasBody: arrival.request.method != "HEAD", context)
        goOn(context)
    }

    private func answer(_ answer: WebhookAnswer, isKeptAlive: Bool, hasBody: Bool = true, _ context: ChannelHandlerContext) {
        release()
        guard context.channel.isActive else { return }
        // What is left of a body nobody wanted is not worth reading.
        let isLast = isQuiescing || !isKeptAlive || answer.status == .contentTooLarge || answer.status == .serviceUnavailable
        var bytes = context.channel.allocator.buffer(capacity: 160 + answer.body.count)
        answer.write(into: &bytes, isLast: isLast, hasBody: hasBody)
        guard isLast else { return context.writeAndFlush(wrapOutboundOut(bytes), promise: nil) }
        isOver = true
        let written = context.eventLoop.makePromise(of: Void.self)
        // Only our half: closed whole, what the sender still sends would reset the connection before he has read the answer.
        let isWhole = if case .idle = state { isQuiescing } else { false }
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(mode: isWhole ? .all : .output, promise: nil) }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: written)
    }

    private func closeWhenWritten(_ context: ChannelHandlerContext) {
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }

    private func release() {
        hooks.load.give(taken)
        taken = 0
    }

    // MARK: The connection

    func handlerAdded(context: ChannelHandlerContext) {
        look(in: context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        nextLook?.cancel()
        breakOff()
        later.removeAll()
        context.fireChannelInactive()
    }

    /// Closes a connection whose sender takes too long, and looks again when he might.
    private func look(in context: ChannelHandlerContext) {
        switch patience.judge(at: .now()) {
        case .isOver:
            context.close(promise: nil)
        case .lasts(let moment):
            let connection = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
            nextLook = context.eventLoop.scheduleTask(deadline: moment) { connection.value.handler.look(in: connection.value.context) }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Bytes came that are no whole head yet.
        if !heardPart { patience.began(at: .now()) }
        heardPart = false
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            hear(.inputClosed, context)
        case is ChannelShouldQuiesceEvent:
            isQuiescing = true
            // A request may lie unread in the kernel, and closing over it would reset the connection: it gets a moment to come up.
            let connection = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: HooksChannel.lastChance) {
                let (handler, context) = connection.value
                let isIdle = if case .idle = handler.state { true } else { handler.isOver }
                if isIdle, context.channel.isActive { handler.closeWhenWritten(context) }
            }
        default:
            break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The second is what the decoder says to all that comes after the first.
        guard error is HTTPParserError || error is ByteToMessageDecoderError else { return context.close(promise: nil) }
        hear(.broken, context)
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
        let proxies = hooks.intake.trustedProxies
        guard peer == nil || proxies.contains(peer ?? "") else { return peer ?? "" }
        let forwarded = head.headers["x-forwarded-for"].flatMap { $0.split(separator: ",") }
            .map { String($0.filter { $0 != " " && $0 != "\t" }) }
        let named = forwarded.last { !proxies.contains($0) } ?? forwarded.first
        return named.map { SafeText.shown($0, limit: 64) } ?? peer ?? "local"
    }
}
