import Glibc
import Synchronization

/// TCP ports of 127.0.0.1 that nobody listens on.
package enum FreePort {
    private static let handedOut = Mutex<Set<Int>>([])

    /// A port that could be bound a moment ago, never the same one twice in a process. It lies below the range from which
    /// the kernel gives ports to outgoing connections, so that none of those takes it before the server does.
    package static func next() throws -> Int {
        for _ in 0..<1_000 {
            let port = Int.random(in: 20_000..<32_000)
            guard handedOut.withLock({ $0.insert(port).inserted }) else { continue }
            if try isFree(port) { return port }
        }
        throw NoFreePort()
    }

    private static func isFree(_ port: Int) throws -> Bool {
        let address = SocketAddress.loopback(port: port)
        let descriptor = try address.makeSocket(SOCK_STREAM)
        defer { close(descriptor) }
        return try address.withPointer { bind(descriptor, $0, $1) } == 0
    }
}

/// A thousand ports were tried and all were taken.
package struct NoFreePort: Error {}
