/// When a fetch is tried again: a forge may send its hook before it serves the commit, and a network may stumble.
package struct FetchRetry: Sendable, Equatable {
    /// Why a fetch did not bring what it should.
    package enum Trouble: Sendable, Equatable {
        /// The server answered, but the ref or commit is not there (yet).
        case missing
        /// The server could not be reached, or failed.
        case unreachable
        /// Asking again would give the same answer: credentials, host key, no such repository.
        case final
    }

    /// How long the forge may be behind its own hook.
    package static let patience: Duration = .seconds(30)

    private var missed = 0
    private var stumbled = 0

    package init() {}

    /// How long to wait before the next try; nil: give up.
    ///
    /// - Parameter elapsed: since the first try began.
    package mutating func delay(after trouble: Trouble, elapsed: Duration) -> Duration? {
        switch trouble {
        case .final:
            return nil
        case .unreachable:
            // Counted apart: a network that stumbles while the forge is waited for gets its own three chances.
            stumbled += 1
            guard stumbled <= 3 else { return nil }
            return .milliseconds(500 << stumbled)
        case .missing:
            guard elapsed < Self.patience else { return nil }
            missed += 1
            let wanted: Duration = .milliseconds(min(4000, 125 << min(missed, 6)))
            return min(wanted, Self.patience - elapsed)
        }
    }
}
