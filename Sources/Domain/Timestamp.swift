import FoundationEssentials

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z, which is also how the ledger stores it.
package struct Timestamp: Sendable, Hashable, Comparable, Codable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }

    package func advanced(by duration: Duration) -> Timestamp {
        Timestamp(milliseconds: milliseconds + duration.wholeMilliseconds)
    }

    /// How long after `earlier` this is; negative when it is before.
    package func since(_ earlier: Timestamp) -> Duration {
        .milliseconds(milliseconds - earlier.milliseconds)
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-21T11:42:07.250Z`.
    package var rfc3339: String {
        // The milliseconds are written from the whole number: Foundation cuts the fraction of its Double, and .008 becomes .007.
        let thousandths = (milliseconds % 1000 + 1000) % 1000
        let seconds = (milliseconds - thousandths) / 1000
        let text = Date(timeIntervalSince1970: Double(seconds)).formatted(Date.ISO8601FormatStyle())
        return text.dropLast() + "." + String(String(1000 + thousandths).dropFirst()) + "Z"
    }

    /// Reads RFC 3339 with any offset, with or without a fraction; nil for anything else.
    package init?(anyRFC3339 text: String) {
        let styles = [Date.ISO8601FormatStyle(), Date.ISO8601FormatStyle(includingFractionalSeconds: true)]
        let dates = styles.lazy.compactMap { try? $0.parse(text) }  // not in this style: the next one, or nil
        guard let date = dates.first else { return nil }
        self.init(milliseconds: Int64((date.timeIntervalSince1970 * 1000).rounded()))
    }

    /// Reads what ``rfc3339`` writes; nil for anything else.
    package init?(rfc3339 text: String) {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        guard let date = try? style.parse(text) else { return nil }  // not a time: nil says so
        self.init(milliseconds: Int64((date.timeIntervalSince1970 * 1000).rounded()))
    }
}

extension Duration {
    /// Whole milliseconds, rounded towards zero.
    package var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
