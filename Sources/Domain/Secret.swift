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

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "(secret)" }
    package var debugDescription: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
