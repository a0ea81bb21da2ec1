/// When a request to a forge is sent again: when it has too much to do, or trouble of its own.
///
/// Source: Atlassian, "API request limits" (https://support.atlassian.com/bitbucket-cloud/docs/api-request-limits/): 429 comes without a
/// documented `Retry-After`, so who is refused waits by himself, and not all at the same moment.
package struct ForgeRetry: Sendable, Equatable {
    /// Sendings of one request, the first included.
    package static let attempts = 3
    /// A forge that wants more time is asked by whoever comes later.
    package static let longestWait: Duration = .seconds(30)

    private var sent = 1

    package init() {}

    /// How long to wait before the request is sent once more; nil: its answer stands.
    ///
    /// - Parameters:
    ///   - isRepeatable: whether a request that was carried out does no harm when it is carried out again.
    ///   - wanted: what the forge said in `Retry-After`.
    ///   - chance: from 0 to 1, drawn anew each time.
    package mutating func delay(afterStatus status: Int, isRepeatable: Bool, wanted: Duration?, chance: Double) -> Duration? {
        // What was refused for its number was not carried out.
        guard status == 429 || (isRepeatable && (500...599).contains(status)), sent < Self.attempts else { return nil }
        let usual = Duration.milliseconds(500 << sent) * (0.5 + chance)
        sent += 1
        let delay = max(wanted ?? .zero, usual)
        return delay <= Self.longestWait ? delay : nil
    }
}
