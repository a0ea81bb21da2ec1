/// The forms of names that the configuration may hold.
package enum NameText {
    /// For messages.
    static let rule = "a to z, 0 to 9, `.`, `_` and `-`, a letter or digit first, at most 63"

    /// A name of an account, an app, a step or a lock: `[a-z0-9][a-z0-9._-]{0,62}`. Safe as a path component and in an address.
    package static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLowerOrDigit(first), text.utf8.count <= 63 else { return false }
        return text.utf8.allSatisfy { isLowerOrDigit($0) || isMark($0) }
    }

    /// `[A-Za-z_][A-Za-z0-9_]*`, which every shell can read.
    static func isEnvironmentName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !isDigit(first) else { return false }
        return text.utf8.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "_") }
    }

    /// `[A-Za-z0-9._-]+`, as systemd names credentials, but nothing that means a directory.
    static func isCredentialName(_ text: String) -> Bool {
        isWord(text) && text != "." && text != ".." && text.utf8.count <= 255
    }

    /// `[A-Za-z0-9._-]+`, and no `-` first, where a command would take it for an option.
    static func isAccountOfSystem(_ text: String) -> Bool {
        isWord(text) && text.utf8.first != UInt8(ascii: "-") && text.utf8.count <= 64
    }

    /// What systemd allows in a unit's name, not beginning with `-`.
    static func isUnitName(_ text: String) -> Bool {
        guard let first = text.utf8.first, first != UInt8(ascii: "-"), text.utf8.count <= 255 else { return false }
        return text.utf8.allSatisfy { isLetter($0) || isDigit($0) || isMark($0) || ":@\\".utf8.contains($0) }
    }

    private static func isWord(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { isLetter($0) || isDigit($0) || isMark($0) }
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) || isDigit(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isMark(_ byte: UInt8) -> Bool { "._-".utf8.contains(byte) }
}
