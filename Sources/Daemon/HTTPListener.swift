import Glibc
import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOPosix
import ServiceLifecycle

/// Where a listener takes its connections from.
enum ListenerAddress: Sendable {
    case tcp(host: String, port: Int)
    /// The mode decides who may connect.
    case unix(path: String, mode: UInt32)
    /// A listening socket handed over by the service manager.
    case inherited(CInt)
}

/// Serves HTTP/1.1 on one listening socket. It is bound, and connections wait, from the moment it is made; it is served by ``run()``
/// until the daemon stops and every request that has begun is answered.
///
/// Hummingbird's own `Application` binds a host and port or a path only, never an inherited descriptor.
struct HTTPListener<Child: ServerChildChannel>: Service {
    private let child: Child
    private let server: NIOAsyncChannel<Child.Value, Never>
    private let quiescing: ServerQuiescingHelper
    private let logger: Logger
    private let group: any EventLoopGroup
    /// For people: `127.0.0.1:8470`.
    let description: String
    /// What the socket is bound to.
    var address: SocketAddress? { server.channel.localAddress }

    /// How long an address that is taken is tried again: what a killed daemon was about to start has its sockets until it has become
    /// that program.
    private static var patience: Duration { .seconds(2) }

    /// - Throws: ``StartError`` with a sentence when the address is taken or not allowed.
    init(_ address: ListenerAddress, _ child: Child, connections: Int, group: any EventLoopGroup, logger: Logger) async throws {
        let quiescing = ServerQuiescingHelper(group: group)
        do {
            server = try await Self.bindOnceFree(address, child, connections: connections, group: group, quiescing, logger: logger)
        } catch {
            throw StartError.cannotListen(on: Self.text(address), error)
        }
        self.child = child
        self.quiescing = quiescing
        self.logger = logger
        self.group = group
        description = Self.text(address, bound: server.channel.localAddress)
    }

    private static func bindOnceFree(
        _ address: ListenerAddress, _ child: Child, connections: Int, group: any EventLoopGroup, _ quiescing: ServerQuiescingHelper,
        logger: Logger
    ) async throws -> NIOAsyncChannel<Child.Value, Never> {
        let deadline = ContinuousClock.now + patience
        while true {
            do {
                return try await bind(address, child, connections: connections, group: group, quiescing, logger: logger)
            } catch let error as IOError where error.errnoCode == EADDRINUSE && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private static func bind(
        _ address: ListenerAddress, _ child: Child, connections: Int, group: any EventLoopGroup, _ quiescing: ServerQuiescingHelper,
        logger: Logger
    ) async throws -> NIOAsyncChannel<Child.Value, Never> {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // One at a time, so that the limit is exact.
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(quiescing.makeServerChannelHandler(channel: channel))
                    try channel.pipeline.syncOperations.addHandler(ConnectionLimit(connections))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
        let setUp: @Sendable (any Channel) -> EventLoopFuture<Child.Value> = { child.setup(channel: $0, logger: logger) }
        switch address {
        case .tcp(let host, let port):
            return try await bootstrap.bind(host: host, port: port, serverBackPressureStrategy: nil, childChannelInitializer: setUp)
        case .unix(let path, let mode):
            try removeStale(path)
            let server = try await bootstrap.bind(
                unixDomainSocketPath: path, serverBackPressureStrategy: nil, childChannelInitializer: setUp)
            guard chmod(path, mode) == 0 else { throw IOError(errnoCode: errno, reason: "chmod") }
            return server
        case .inherited(let descriptor):
            return try await bootstrap.bind(descriptor, serverBackPressureStrategy: nil, childChannelInitializer: setUp)
        }
    }

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingDiscardingTaskGroup { connections in
                try await server.executeThenClose { inbound in
                    for try await connection in inbound {
                        connections.addTask { await child.handle(value: connection, logger: logger) }
                    }
                }
            }
        } onGracefulShutdown: {
            shutDown()
        }
    }

    /// First nobody is accepted any more, then whoever was is known to be there, and is let finish: one that is on its way from the
    /// listener to its own event loop would be closed unheard. Who is not accepted waits in the backlog, where it is the service manager's.
    private func shutDown() {
        let (channel, loops, quiescing) = (server.channel, Array(group.makeIterator()), quiescing)
        channel.setOption(.autoRead, value: false).whenComplete { _ in
            EventLoopFuture.andAllComplete(loops.map { $0.submit {} }, on: channel.eventLoop).whenComplete { _ in
                quiescing.initiateShutdown(promise: nil)
            }
        }
    }

    /// The node of a daemon that was killed is in the way; that of one that runs must stay.
    private static func removeStale(_ path: String) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        defer { close(descriptor) }
        let address = try SocketAddress(unixDomainSocketPath: path)
        let connected = address.withSockAddr { connect(descriptor, $0, socklen_t($1)) }
        if connected == 0 { throw IOError(errnoCode: EADDRINUSE, reason: "connect") }
        if errno == ECONNREFUSED { unlink(path) }
    }

    private static func text(_ address: ListenerAddress, bound: SocketAddress? = nil) -> String {
        switch address {
        case .tcp(let host, let port):
            let shown = host.contains(":") ? "[\(host)]" : host
            return "\(shown):\(bound?.port ?? port)"
        case .unix(let path, _):
            return path
        case .inherited:
            return "the socket of the service manager" + (bound?.port.map { " (port \($0))" } ?? "")
        }
    }
}

/// Why the daemon could not start; one sentence that says what to do.
package struct StartError: Error, CustomStringConvertible {
    package let description: String

    init(_ sentence: String) {
        description = sentence
    }

    static func cannotListen(on address: String, _ error: any Error) -> StartError {
        if let error = error as? IOError {
            let cause = String(cString: strerror(error.errnoCode))
            return StartError(
                "cannot listen on \(address): \(cause)" + (error.errnoCode == EADDRINUSE ? "; is another bittern running?" : ""))
        }
        return StartError("cannot listen on \(address): \(error)")
    }
}
