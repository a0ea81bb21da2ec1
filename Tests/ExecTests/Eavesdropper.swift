import Foundation
import Glibc
import RealParts
import Synchronization
import Testing

/// A server at 127.0.0.1 that wants a password over plain HTTP, and remembers what it was told.
final class Eavesdropper: Sendable {
    let port: Int
    private let descriptor: Int32
    private let heard = Mutex<[String]>([])

    /// - Parameter answers: without it connections come about and nothing is ever said.
    init(answers: Bool = true) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                [bind(descriptor, $0, length), listen(descriptor, 10), getsockname(descriptor, $0, &length)]
            }
        }
        try #require(result == [0, 0, 0])
        port = Int(UInt16(bigEndian: address.sin_port))
        if answers { Thread.detachNewThread { [self] in listenToAll() } }
    }

    /// The heads of all requests so far.
    var requests: [String] { heard.withLock { $0 } }

    /// Hears no more.
    func end() {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    private func listenToAll() {
        while case let connection = accept(descriptor, nil, nil), connection >= 0 {
            hear(connection)
            close(connection)
        }
        close(descriptor)
    }

    private func hear(_ connection: Int32) {
        var head = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        while !head.contains("\r\n\r\n") {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { break }
            head += String(decoding: buffer.prefix(count), as: UTF8.self)
        }
        heard.withLock { $0.append(head) }
        let answer = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        _ = answer.withCString { send(connection, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
    }
}
