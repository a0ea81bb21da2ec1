/// A number of bytes as people write it in the configuration: `512K`, `64M`, `2G`; K is 1,024.
package enum SizeText {
    /// For messages.
    static let form = "a size such as 512K, 64M or 2G"
    /// The largest size there is; nothing that is configured comes near.
    static let limit = 1 << 50

    /// nil unless it is digits and one unit, and at most ``limit``.
    static func bytes(_ text: String) -> Int? {
        guard let unit = units.first(where: { $0.letter == text.utf8.last }) else { return nil }
        guard let number = UnitText.number(text.dropLast(), atMost: limit >> unit.shift) else { return nil }
        return number << unit.shift
    }

    /// The shortest way to write a size that is a multiple of 1,024.
    package static func text(of bytes: Int) -> String {
        let unit = units.last { bytes % (1 << $0.shift) == 0 } ?? units[0]
        return "\(bytes >> unit.shift)\(Unicode.Scalar(unit.letter))"
    }

    private static let units: [(letter: UInt8, shift: Int)] = [
        (UInt8(ascii: "K"), 10), (UInt8(ascii: "M"), 20), (UInt8(ascii: "G"), 30),
    ]
}
