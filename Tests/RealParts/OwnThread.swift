import Foundation

/// A thread for one blocking call, so that the threads of async code never block.
enum OwnThread {
    /// Runs `body` on a new thread and waits for it. The body must bound its own waits.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }
}
