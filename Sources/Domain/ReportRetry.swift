/// When a report that its forge did not take is sent again.
///
/// ```
/// undelivered ── taken ─▶ delivered
///   │  ▲   │
///   │  └───┴─ not now: the forge is down or busy (its other reports wait too), or refuses what an administrator may mend
///   └─ refused for what it is, or too old ─▶ given up
/// ```
package enum ReportRetry {
    /// What came of sending it.
    package enum Trouble: Sendable, Equatable {
        /// The forge cannot be reached or has too much to do; or it had trouble with several reports in a row.
        case forge
        /// It had trouble of its own with this report, which may be the report's.
        case answer
        /// The credential, a right, the repository or the commit is not there; that may change.
        case refusal
        /// The forge will never take it.
        case malformed
    }

    package enum Decision: Sendable, Equatable {
        /// Until then this report waits, and with it all later ones of its key.
        case later(Duration)
        /// Until then nothing is sent to the forge.
        case pause(Duration)
        case giveUp
    }

    /// With so many reports in a row whose answers were trouble, it is the forge.
    package static let troubleOfForge = 3

    /// After that nobody looks at the commit any more.
    package static let age: Duration = .seconds(7 * 86_400)
    private static let ageOfRefused: Duration = .seconds(86_400)

    /// - Parameters:
    ///   - attempts: how often it was sent, this time included.
    ///   - age: how long ago the job came so far.
    ///   - chance: from 0 to 1, drawn anew each time.
    package static func decide(_ trouble: Trouble, attempts: Int, age: Duration, chance: Double) -> Decision {
        let factor = 0.5 + chance
        switch trouble {
        case .malformed: return .giveUp
        case .refusal where age >= ageOfRefused, .forge where age >= Self.age, .answer where age >= Self.age: return .giveUp
        case .answer: return .later(min(.seconds(2) * (1 << min(attempts - 1, 10)), .seconds(300)) * factor)
        case .refusal: return .later(min(.seconds(30) * (1 << min(attempts - 1, 10)), .seconds(3600)) * factor)
        case .forge: return .pause(min(.seconds(2) * (1 << min(attempts - 1, 10)), .seconds(300)) * factor)
        }
    }
}
