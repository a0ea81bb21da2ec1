import NIOCore
import NIOHTTP1

/// Closes a connection on which a request does not arrive whole in time, however slowly its bytes drip in.
///
/// The clock runs from the opening of the connection, later from the first byte of each further request, to its end.
final class RequestDeadline: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private let limit: TimeAmount
    private var deadline: Scheduled<Void>?
    private var isBetweenRequests = false

    init(_ limit: TimeAmount) {
        self.limit = limit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        start(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        stop()
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            isBetweenRequests = false
            start(context)
        case .body:
            break
        case .end:
            isBetweenRequests = true
            stop()
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Bytes came that are no whole head yet.
        if isBetweenRequests, deadline == nil, !sawEnd { start(context) }
        sawEnd = false
        context.fireChannelReadComplete()
    }

    /// Whether the read that is being completed held the end of a request: then it is no beginning of the next one.
    private var sawEnd = false

    private func start(_ context: ChannelHandlerContext) {
        guard deadline == nil else { return }
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
    }

    private func stop() {
        sawEnd = isBetweenRequests
        deadline?.cancel()
        deadline = nil
    }
}
