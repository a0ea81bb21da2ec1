import NIOCore

/// Leaves further connections in the kernel's backlog while a listener has as many open as it may: nobody is turned away.
final class ConnectionLimit: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let limit: Int
    private var open = 0
    private var readWaits = false

    init(_ limit: Int) {
        self.limit = limit
    }

    func read(context: ChannelHandlerContext) {
        if open < limit {
            context.read()
        } else {
            readWaits = true
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let connection = unwrapInboundIn(data)
        open += 1
        let this = NIOLoopBound(self, eventLoop: context.eventLoop)
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        connection.closeFuture.hop(to: context.value.eventLoop).whenComplete { _ in this.value.closed(context: context.value) }
        context.value.fireChannelRead(data)
    }

    private func closed(context: ChannelHandlerContext) {
        open -= 1
        guard readWaits else { return }
        readWaits = false
        context.read()
    }
}
