/// Makes a stream of a step's output harmless to look at: text and colours pass, everything else that could move a cursor, set a
/// title or turn the reading order is shown as `\x1b`. A pure value: feed bytes, get bytes.
package struct TerminalText: Sendable {
    private let keepsColours: Bool
    /// The beginning of a character or colour sequence that was cut off.
    private var held: [UInt8] = []
    private var endsInReturn = false
    /// No colour sequence is longer.
    private static let longestSequence = 32

    /// - Parameter keepsColours: whether SGR sequences (ECMA-48, 8.3.117) pass or are left out.
    package init(keepsColours: Bool) {
        self.keepsColours = keepsColours
    }

    package mutating func filter(_ bytes: some Collection<UInt8>) -> [UInt8] {
        filter(held + bytes, isLast: false)
    }

    /// The end of the output: what was cut off stays so.
    package mutating func finish() -> [UInt8] {
        filter(held, isLast: true)
    }

    private mutating func filter(_ input: [UInt8], isLast: Bool) -> [UInt8] {
        held = []
        var output: [UInt8] = []
        var rest = input[...]
        while let byte = rest.first {
            let followsReturn = endsInReturn
            endsInReturn = byte == 0x0D
            switch byte {
            case 0x0D:
                // A line that a progress bar writes again becomes a line of its own.
                output.append(0x0A)
            case 0x0A:
                if !followsReturn { output.append(byte) }
            case 0x09, 0x20...0x7E:
                output.append(byte)
            case 0x1B, 0x80...:
                let piece = byte == 0x1B ? Self.colourSequence(rest) : Self.character(rest)
                if case .cut = piece, !isLast {
                    held = Array(rest)
                    return output
                }
                guard case .whole(let length) = piece else {
                    output += Self.escaped(byte)
                    break
                }
                output += shown(rest.prefix(length))
                rest = rest.dropFirst(length)
                continue
            default:
                output += Self.escaped(byte)
            }
            rest = rest.dropFirst()
        }
        return output
    }

    private enum Piece { case whole(Int), cut, none }

    /// `ESC [ 1 ; 31 m`
    private static func colourSequence(_ bytes: ArraySlice<UInt8>) -> Piece {
        guard bytes.count > 1 else { return .cut }
        guard bytes.dropFirst().first == UInt8(ascii: "[") else { return .none }
        var length = 2
        for byte in bytes.dropFirst(2) {
            length += 1
            if byte == UInt8(ascii: "m") { return .whole(length) }
            let isParameter = (0x30...0x39).contains(byte) || byte == UInt8(ascii: ";") || byte == UInt8(ascii: ":")
            guard isParameter, length < longestSequence else { return .none }
        }
        return .cut
    }

    /// One character of UTF-8 beyond ASCII.
    private static func character(_ bytes: ArraySlice<UInt8>) -> Piece {
        guard let first = bytes.first else { return .none }
        let length: Int
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF: length = 3
        case 0xF0...0xF4: length = 4
        default: return .none
        }
        let following = bytes.dropFirst().prefix(length - 1)
        guard following.allSatisfy({ (0x80...0xBF).contains($0) }) else { return .none }
        guard following.count == length - 1 else { return .cut }
        return String(validating: bytes.prefix(length), as: UTF8.self) == nil ? .none : .whole(length)
    }

    /// A whole colour sequence or character.
    private func shown(_ piece: ArraySlice<UInt8>) -> [UInt8] {
        if piece.first == 0x1B { return keepsColours ? Array(piece) : [] }
        return Array(SafeText.shown(String(decoding: piece, as: UTF8.self)).utf8)
    }

    private static func escaped(_ byte: UInt8) -> [UInt8] {
        Array(("\\x" + Hexadecimal.text(of: [byte])).utf8)
    }
}
