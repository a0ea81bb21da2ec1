/// Something took longer than it was given.
package struct TimeLimitExceeded: Error, CustomStringConvertible {
    /// What was waited for, as the end of the sentence "gave up waiting for …".
    package let what: String
    /// How long it was given.
    package let limit: Duration

    package var description: String { "gave up waiting for \(what) after \(limit)" }
}

/// Runs `body`, and cancels it and throws ``TimeLimitExceeded`` when it has not ended within `limit`.
/// The body must answer to cancellation; it is always awaited.
package func withTimeLimit<Value: Sendable>(
    _ limit: Duration,
    waitingFor what: String,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw TimeLimitExceeded(what: what, limit: limit)
        }
        guard let first = try await group.next() else { throw CancellationError() }
        return first
    }
}
