/// The full name of a git object: 40 hexadecimal digits (SHA-1) or 64 (SHA-256), kept as bytes.
package struct CommitID: Sendable, Hashable {
    package let bytes: [UInt8]

    /// From hexadecimal digits of either case; nil for anything but 40 or 64 of them.
    package init?(_ hex: some StringProtocol) {
        guard let bytes = Hexadecimal.bytes(of: hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// From the stored bytes; nil unless there are 20 or 32.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 20 || bytes.count == 32 else { return nil }
        self.bytes = Array(bytes)
    }

    /// Lower case.
    /// The commit that is none, as git writes it.
    package static let zero = CommitID(unchecked: [UInt8](repeating: 0, count: 20))

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    package var hex: String { Hexadecimal.text(of: bytes) }

    /// The first seven digits, for people.
    package var short: String { String(hex.prefix(7)) }

    /// Data Center says "no commit" by 40 zeros.
    package var isZero: Bool { bytes.allSatisfy { $0 == 0 } }
}

extension CommitID: CustomStringConvertible {
    package var description: String { hex }
}
