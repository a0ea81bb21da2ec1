import Glibc
import Synchronization

/// A raw connection to a server on this machine, for whatever a proper client would not send.
/// It is closed when the last reference to it goes.
package final class LoopbackConnection: Sendable {
    private let descriptor: Int32
    /// What was read and belongs to the next answer.
    private let rest = Mutex<[UInt8]>([])

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Connects; ``SystemFailure`` says where nobody listens.
    package static func open(to address: SocketAddress) async throws -> LoopbackConnection {
        try await OwnThread.run {
            let connection = LoopbackConnection(descriptor: try address.makeSocket(SOCK_STREAM))
            guard try address.withPointer({ connect(connection.descriptor, $0, $1) }) == 0 else { throw SystemFailure("connect") }
            return connection
        }
    }

    /// Writes all bytes, in pieces with pauses between them where a pace is given.
    package func write(_ bytes: [UInt8], pace: Pace? = nil, within limit: Duration = .seconds(30)) async throws {
        guard let pace else { return try await OwnThread.run { try self.writeAll(bytes[...], within: limit) } }
        for start in stride(from: 0, to: bytes.count, by: pace.bytes) {
            if start > 0 { try await Task.sleep(for: pace.pause) }
            let piece = bytes[start..<min(start + pace.bytes, bytes.count)]
            try await OwnThread.run { try self.writeAll(piece, within: limit) }
        }
    }

    /// Writes text; lines end as the text says, so write `\r\n`.
    package func write(_ text: String) async throws {
        try await write(Array(text.utf8))
    }

    /// Tells the server that no more comes; answers can still be read.
    package func finishWriting() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Reads the next answer. `limit` bounds each wait for bytes.
    /// - Throws: ``NoAnswer`` where the server closes before an answer is whole.
    package func readAnswer(within limit: Duration = .seconds(30)) async throws -> Answer {
        try await OwnThread.run {
            try self.bound(SO_RCVTIMEO, limit)
            var reader = AnswerReader(bytes: self.rest.withLock { $0 })
            var answer = try reader.next(atEnd: false)
            while answer == nil {
                let bytes = try self.readSome()
                reader.append(bytes)
                answer = try reader.next(atEnd: bytes.isEmpty)
                if bytes.isEmpty { break }
            }
            self.rest.withLock { $0 = reader.rest }
            guard let answer else { throw NoAnswer(received: String(decoding: reader.rest, as: UTF8.self)) }
            return answer
        }
    }

    /// Waits until the server closes, and gives what it still sent.
    package func readToEnd(within limit: Duration = .seconds(30)) async throws -> [UInt8] {
        try await OwnThread.run {
            try self.bound(SO_RCVTIMEO, limit)
            var all = self.rest.withLock { $0 }
            while true {
                let bytes = try self.readSome()
                if bytes.isEmpty { return all }
                all += bytes
            }
        }
    }

    private func writeAll(_ bytes: ArraySlice<UInt8>, within limit: Duration) throws {
        try bound(SO_SNDTIMEO, limit)
        var left = bytes
        while !left.isEmpty {
            let count = left.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count >= 0 { left = left.dropFirst(count) } else if errno != EINTR { throw SystemFailure("send") }
        }
    }

    /// Some bytes; none at the end. A reset is an end too: the server did not read all we sent and closed.
    private func readSome() throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count >= 0 { return Array(buffer.prefix(count)) }
            if errno == ECONNRESET { return [] }
            if errno != EINTR { throw SystemFailure("recv") }
        }
    }

    /// Sets how long one call may block.
    private func bound(_ option: Int32, _ limit: Duration) throws {
        let parts = limit.components
        var time = timeval(tv_sec: Int(parts.seconds), tv_usec: Int(parts.attoseconds / 1_000_000_000_000))
        guard setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size)) == 0 else {
            throw SystemFailure("setsockopt")
        }
    }
}

/// How slowly a slow sender sends.
package struct Pace: Sendable {
    /// The size of a piece.
    package let bytes: Int
    /// How long it rests between two pieces.
    package let pause: Duration

    package init(bytes: Int, pause: Duration) {
        self.bytes = max(1, bytes)
        self.pause = pause
    }
}

/// The server closed the connection before its answer was whole.
package struct NoAnswer: Error {
    /// What it had sent.
    package let received: String
}
