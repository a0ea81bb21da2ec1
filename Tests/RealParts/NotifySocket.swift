import Dispatch
import Glibc
import Synchronization

/// Plays the service manager: the socket that `$NOTIFY_SOCKET` names, with everything that was sent to it.
package final class NotifySocket: Sendable {
    /// What `$NOTIFY_SOCKET` is to be set to.
    package let path: String
    private let inbox: NotifyInbox
    private let source: Mutex<(any DispatchSourceRead)?>

    /// Makes the socket; nothing may be at `path` yet.
    package init(path: String) throws {
        let inbox = NotifyInbox()
        let address = SocketAddress.unix(path: path)
        let descriptor = try address.makeSocket(SOCK_DGRAM)
        guard try address.withPointer({ bind(descriptor, $0, $1) }) == 0 else {
            let failure = SystemFailure("bind")
            Glibc.close(descriptor)
            throw failure
        }
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: DispatchQueue(label: "notify"))
        source.setEventHandler { @Sendable in
            while let message = Self.receive(descriptor) { inbox.append(message) }
        }
        source.setCancelHandler { @Sendable in Glibc.close(descriptor) }
        source.activate()
        self.path = path
        self.inbox = inbox
        self.source = Mutex(source)
    }

    deinit { close() }

    /// Takes no more messages.
    package func close() {
        source.withLock { source in
            source?.cancel()
            source = nil
        }
    }

    /// Every message so far, oldest first. One message may have several lines.
    package var messages: [String] { inbox.messages }

    /// The lines of all messages so far, oldest first.
    package var lines: [String] { messages.flatMap(Self.lines) }

    /// Every message, those that have come already first.
    package func stream() -> AsyncStream<String> { inbox.stream() }

    /// Waits for a message with this line among its lines, leaving out the first `skipped` messages, and gives the message.
    @discardableResult
    package func wait(for line: String, skipping skipped: Int = 0, within limit: Duration = .seconds(10)) async throws -> String {
        try await wait("the message \(line)", skipping: skipped, within: limit) { Self.lines($0).contains(line) }
    }

    /// Waits for a message of which `isWanted` says yes, leaving out the first `skipped` messages, and gives it.
    @discardableResult
    package func wait(
        _ what: String,
        skipping skipped: Int = 0,
        within limit: Duration = .seconds(10),
        where isWanted: @escaping @Sendable (String) -> Bool
    ) async throws -> String {
        let messages = stream()
        return try await withTimeLimit(limit, waitingFor: what) {
            for await message in messages.dropFirst(skipped) where isWanted(message) { return message }
            throw CancellationError()
        }
    }

    private static func lines(_ message: String) -> [String] {
        message.split(separator: "\n").map(String.init)
    }

    /// One datagram, or nil where none is waiting. Descriptors sent with it are closed by the kernel, as
    /// `sd_notify_barrier` wants.
    private static func receive(_ descriptor: Int32) -> String? {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
