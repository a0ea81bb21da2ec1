import Glibc

/// A socket that something else than the daemon listens on, until it is let go.
package final class HeldSocket: Sendable {
    private let descriptor: Int32

    /// Listens at the address; a node of the file system that is in the way is replaced.
    package init(_ address: SocketAddress) throws {
        if case .unix(let path) = address { unlink(path) }
        descriptor = try address.makeSocket(SOCK_STREAM)
        guard try address.withPointer({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 16) == 0 else {
            throw SystemFailure("bind and listen")
        }
    }

    deinit { close(descriptor) }

    /// Waits until somebody connects, and hangs up.
    package func hangUpOnOne(within limit: Duration = .seconds(20)) async throws {
        try await OwnThread.run { [self] in
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, Int32(limit.components.seconds * 1_000)) == 1 else { throw SystemFailure("poll") }
            close(accept(descriptor, nil, nil))
        }
    }
}
