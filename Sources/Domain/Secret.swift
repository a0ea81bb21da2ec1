/// A value that must never be seen: not in a log, an error, an address, an argument list or the ledger.
///
/// It is neither `Codable` nor printable; the bytes come out only where ``withBytes`` is written, so that every use can be found.
package struct Secret: Sendable, Equatable {
    private let bytes: [UInt8]

    package init(_ bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)
    }

    package init(_ text: String) {
        self.init(text.utf8)
    }

    /// How many bytes it has; a short one cannot be masked in logs without masking half the text.
    package var count: Int { bytes.count }

    /// The only way to the value.
    package func withBytes<Result>(_ body: ([UInt8]) throws -> Result) rethrows -> Result {
        try body(bytes)
    }
}

extension Secret: Codable {
    /// Set to true in the `userInfo` of a coder that may write and read secrets. Any other one fails: a value that holds a secret
    /// somewhere must not come out with it by accident.
    package static let mayBeCoded = CodingUserInfoKey(rawValue: "secrets")

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard Self.isAllowed(decoder.userInfo), let bytes = Hexadecimal.bytes(of: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a secret is not read here")
        }
        self.init(bytes)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        guard Self.isAllowed(encoder.userInfo) else {
            throw EncodingError.invalidValue(self, .init(codingPath: encoder.codingPath, debugDescription: "a secret is not written here"))
        }
        try container.encode(Hexadecimal.text(of: bytes))
    }

    private static func isAllowed(_ information: [CodingUserInfoKey: Any]) -> Bool {
        mayBeCoded.flatMap { information[$0] as? Bool } == true
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "(secret)" }
    package var debugDescription: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
