import CLinux
import Dispatch
import Glibc
import Synchronization

/// A line that is sent to a Unix socket, and the line that comes back.
package struct LineCall: Sendable {
    /// Where the socket lies.
    private let path: String
    /// In bytes.
    private let longestAnswer: Int

    package init(path: String, longestAnswer: Int) {
        self.path = path
        self.longestAnswer = longestAnswer
    }

    /// Asks on a connection of its own, and blocks no thread of the pool meanwhile.
    ///
    /// - Parameters:
    ///   - line: with its end.
    ///   - descriptor: goes along, and stays the caller's.
    ///   - patience: how long nothing may come; nil: for ever.
    /// - Returns: the line, with its end.
    /// - Throws: ``ExecError`` when nobody is there, or hangs up before there was a line; `CancellationError`.
    package func ask(_ line: [UInt8], passing descriptor: Int32? = nil, patience: Duration? = nil) async throws -> [UInt8] {
        let connection = Connection()
        return try await withTaskCancellationHandler {
            let answer: Result<[UInt8], ExecError> = await withCheckedContinuation { continuation in
                DispatchQueue(label: "line").async {
                    continuation.resume(
                        returning: Result { () throws(ExecError) in try exchange(line, descriptor, patience, on: connection) })
                }
            }
            try Task.checkCancellation()
            return try answer.get()
        } onCancel: {
            connection.end()
        }
    }

    private func exchange(
        _ line: [UInt8], _ descriptor: Int32?, _ patience: Duration?, on connection: Connection
    ) throws(ExecError) -> [UInt8] {
        let descriptorOfSocket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptorOfSocket >= 0 else { throw ExecError.file("cannot make a socket") }
        // Closed by whoever holds it last: the call, never the cancellation.
        connection.use(descriptorOfSocket)
        defer { connection.close() }
        if let patience {
            var limit = timeval(tv_sec: Int(patience.components.seconds), tv_usec: 0)
            setsockopt(descriptorOfSocket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        try connect(descriptorOfSocket)
        let sent = line.withUnsafeBytes { bittern_send(descriptorOfSocket, $0.baseAddress, $0.count, descriptor ?? -1) }
        guard sent == line.count else { throw ExecError.file("cannot ask \(path)") }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while answer.last != 0x0A {
            guard answer.count < longestAnswer else { throw ExecError(.process, "\(path) answers with too long a line") }
            let count = recv(descriptorOfSocket, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count != 0 else { throw ExecError(.process, "\(path) hung up") }
            guard count > 0 else { throw ExecError.file("cannot read what \(path) answers") }
            answer += buffer.prefix(count)
        }
        return answer
    }

    private func connect(_ descriptor: Int32) throws(ExecError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw ExecError(.file, "\(path) is too long for a socket") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw ExecError.file("cannot connect to \(path)") }
    }

    /// The socket of a call that may be broken off from elsewhere.
    private final class Connection: Sendable {
        private let state = Mutex<(descriptor: Int32, isOver: Bool)>((-1, false))

        func use(_ descriptor: Int32) {
            state.withLock { state in
                state.descriptor = descriptor
                if state.isOver { shutdown(descriptor, Int32(SHUT_RDWR)) }
            }
        }

        /// Whoever reads sees the end. A socket that is not connected yet is not shut down by that, and the connection is made at once or not.
        func end() {
            state.withLock { state in
                state.isOver = true
                if state.descriptor >= 0 { shutdown(state.descriptor, Int32(SHUT_RDWR)) }
            }
        }

        func close() {
            state.withLock { state in
                if state.descriptor >= 0 { Glibc.close(state.descriptor) }
                state.descriptor = -1
            }
        }
    }
}
