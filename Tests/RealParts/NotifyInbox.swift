import Synchronization

/// The messages of a ``NotifySocket``, for those who look now and those who wait.
final class NotifyInbox: Sendable {
    private struct State {
        var messages: [String] = []
        var readers: [AsyncStream<String>.Continuation] = []
    }

    private let state = Mutex(State())

    deinit {
        for reader in state.withLock({ $0.readers }) { reader.finish() }
    }

    var messages: [String] { state.withLock { $0.messages } }

    func append(_ message: String) {
        state.withLock { state in
            state.messages.append(message)
            state.readers.removeAll { reader in
                if case .terminated = reader.yield(message) { true } else { false }
            }
        }
    }

    /// All messages from the first on; none is missed or doubled between those that are there and those to come.
    func stream() -> AsyncStream<String> {
        let (stream, reader) = AsyncStream.makeStream(of: String.self)
        state.withLock { state in
            for message in state.messages { reader.yield(message) }
            state.readers.append(reader)
        }
        return stream
    }
}
