package import Logging

/// The events that carry a fixed `MESSAGE_ID`, by which `journalctl MESSAGE_ID=…` finds every one of a kind and the message
/// catalog explains it (`journalctl -x`).
///
/// The values were drawn at random once (`systemd-id128 new`) and are part of the product's interface: never changed, never
/// used for another event. To log one, give it as metadata:
///
///     logger.info("job 42 queued", metadata: ["app": "shop", EventID.metadataKey: EventID.jobQueued.metadataValue])
package enum EventID: String, Sendable, CaseIterable, CustomStringConvertible {
    case deliveryRefused = "5b321b43655044e7b317d8c86a90c3d8"
    case jobQueued = "f87176e2839249fb934d3f9e73e3edbc"
    case jobStarted = "33dbd94452f2461babfb629964c4a9d6"
    case jobSucceeded = "c090262dbbe045a5be4d689a95916412"
    case jobFailed = "c7a2d148e4aa4de6b1660003d24ad8b5"
    case jobSuperseded = "4b9affb1d26d4384a2134bbb53cf5691"
    case jobSkipped = "06a3264741d34a338f6fcb4569359f7d"
    case jobCancelled = "b02081a18fe347bd9e41e82efb7fad05"
    case releaseActivated = "8ede548368e8441598e171b97d41162c"
    case rolledBack = "7d991e9b8f3e4bc9b59671f41a739371"
    case missedPushFound = "3d143029171e47ad86458725e70407d9"
    case configurationReloaded = "d6e545f053a24462a0d7ea42a07ba656"
    case configurationRefused = "a55d5da9aa3943359488cec1daf51fc8"

    /// The metadata key under which ``JournalHandler`` expects an event's id.
    package static let metadataKey = "message_id"

    /// The id as the value that belongs to ``metadataKey``.
    package var metadataValue: Logger.MetadataValue { .string(rawValue) }

    /// The id itself, 32 lower-case hexadecimal digits: so that it may also be interpolated.
    package var description: String { rawValue }

    /// Whether `text` has the form of a message id.
    static func isWellFormed(_ text: String) -> Bool {
        text.utf8.count == 32
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
    }
}
