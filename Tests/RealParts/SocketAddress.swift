import Glibc

/// Where a socket listens on this machine.
package enum SocketAddress: Sendable, CustomStringConvertible {
    /// A TCP port of 127.0.0.1.
    case loopback(port: Int)
    /// A socket in the file system; its path has at most 107 bytes.
    case unix(path: String)

    package var description: String {
        switch self {
        case .loopback(let port): "127.0.0.1:\(port)"
        case .unix(let path): path
        }
    }

    /// The address family, as `socket` wants it.
    var family: Int32 {
        switch self {
        case .loopback: AF_INET
        case .unix: AF_UNIX
        }
    }

    /// A new socket of this family that a child process does not inherit.
    func makeSocket(_ type: __socket_type) throws -> Int32 {
        let descriptor = socket(family, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemFailure("socket") }
        return descriptor
    }

    /// Gives the address in the form `bind` and `connect` want.
    func withPointer<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Value) throws -> Value {
        switch self {
        case .loopback(let port):
            guard let number = UInt16(exactly: port) else { throw BadAddress(text: description) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = number.bigEndian
            address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
            return try Self.rebound(&address, body)
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(path.utf8)
            guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw BadAddress(text: description) }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
            return try Self.rebound(&address, body)
        }
    }

    private static func rebound<Address, Value>(
        _ address: inout Address,
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Value
    ) throws -> Value {
        try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { try body($0, socklen_t(MemoryLayout<Address>.size)) }
        }
    }
}

/// A port outside 0...65535, or a path that is too long for a socket.
package struct BadAddress: Error {
    /// The address as it was given.
    package let text: String
}
