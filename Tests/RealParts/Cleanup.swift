/// Runs `body`, then `cleanup` in every case: after success, after an error, and in full after cancellation.
/// An error of `cleanup` is thrown only where `body` threw none.
package func withCleanup<Value>(
    _ body: () async throws -> Value,
    cleanup: @escaping @Sendable () async throws -> Void
) async throws -> Value {
    let value: Value
    do {
        value = try await body()
    } catch {
        // The body's error is the one that tells what went wrong, so one of the cleanup is ignored.
        try? await Task { try await cleanup() }.value
        throw error
    }
    // A task of its own, because it must run to its end where the caller has been cancelled.
    try await Task { try await cleanup() }.value
    return value
}
