/// A time as people write it, in the configuration and on the command line: `90s`, `15m`, `2h`, `7d`.
package enum DurationText {
    /// For messages.
    static let form = "a time such as 90s, 15m, 2h or 7d"

    /// nil unless it is digits and one unit, and at most ten years.
    package static func duration(_ text: String) -> Duration? {
        guard let unit = text.utf8.last, let seconds = secondsPerUnit[unit] else { return nil }
        guard let number = UnitText.number(text.dropLast(), atMost: 10 * 366 * 86_400 / seconds) else { return nil }
        return .seconds(number * seconds)
    }

    private static let secondsPerUnit: [UInt8: Int] = [
        UInt8(ascii: "s"): 1,
        UInt8(ascii: "m"): 60,
        UInt8(ascii: "h"): 3_600,
        UInt8(ascii: "d"): 86_400,
    ]
}

/// The number in front of a unit.
enum UnitText {
    /// nil unless `digits` is one or more decimal digits and nothing else, and not over `limit`.
    static func number(_ digits: Substring, atMost limit: Int) -> Int? {
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        guard let number = Int(digits), number <= limit else { return nil }
        return number
    }
}
