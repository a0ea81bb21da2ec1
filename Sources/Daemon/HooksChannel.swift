import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// What the hooks listener serves: webhooks for the ``Intake``, `/healthz`, and `/oauth/callback` while somebody logs in. Nothing else is
/// there.
///
/// Plain NIO from the first byte to the answer, where the control socket has Hummingbird's responders: a push is read, verified, handed to
/// the ledger's writer and answered on the one thread of its connection; no task, no timer and no change to what the kernel watches is
/// made for it.
struct HooksChannel: ServerChildChannel {
    /// How many bytes of bodies may be in flight at once.
    static let bodiesInFlight = 64 << 20
    /// How long a silent connection stays open when the daemon stops.
    static let lastChance: TimeAmount = .milliseconds(250)
    /// How long a connection may be silent between two requests.
    static let idleTimeout: TimeAmount = .seconds(75)

    /// Made by one thread, while others wait: when two event loops take their first connections at the same moment and make this
    /// generic class both, Swift's runtime can fall over a conformance that is half there (6.3.1; the kill loop saw it once in 300 rounds).
    private static let decoder: Any.Type = ByteToMessageHandler<HTTPRequestDecoder>.self

    let intake: Intake
    let health: HealthCheck
    let logins: Logins
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
            _ = Self.decoder
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: limits)))
            try pipeline.addHandler(HooksHandler(self))
            return Value(channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        try? await value.channel.closeFuture.get()  // a connection that broke is closed
    }
}
