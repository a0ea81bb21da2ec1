/// Waits until `condition` holds, looking every 10 ms, and throws ``TimeLimitExceeded`` after `limit`.
package func eventually(
    _ what: String,
    within limit: Duration = .seconds(60),
    _ condition: () async throws -> Bool
) async throws {
    let _: Bool = try await eventualValue(what, within: limit) { try await condition() ? true : nil }
}

/// Waits until `value` gives something, looking every 10 ms, and throws ``TimeLimitExceeded`` after `limit`.
package func eventualValue<Value>(
    _ what: String,
    within limit: Duration = .seconds(60),
    _ value: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        if let found = try await value() { return found }
        guard ContinuousClock.now < deadline else { throw TimeLimitExceeded(what: what, limit: limit) }
        try await Task.sleep(for: .milliseconds(10))
    }
}
