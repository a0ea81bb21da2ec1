import FoundationEssentials
import Glibc
package import Logging

/// Writes each log statement as one plain line, where there is no journal: `INFO job 42 queued (app=shop job=42)`.
///
/// One line stays one line: control characters and bidirectional marks in message and values are escaped, and no value is
/// longer than 1 KB. Threads may log at the same time; their lines do not mix. The `<6>` of sd-daemon(3) is not written.
package struct PlainHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let timestamps: Bool
    private let descriptor: CInt

    /// - Parameters:
    ///   - timestamps: Whether lines begin with the time, in RFC 3339 UTC with milliseconds; false where the reader adds his own.
    ///   - descriptor: Where the lines go. It must stay open as long as anybody logs.
    package init(level: Logger.Level, timestamps: Bool, descriptor: CInt = STDERR_FILENO) {
        logLevel = level
        self.timestamps = timestamps
        self.descriptor = descriptor
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let metadata = event.metadata(over: metadata, provider: metadataProvider)
        let time = timestamps ? Self.now : nil
        PlainLine(level: event.level, message: event.message.description, metadata: metadata, time: time).write(to: descriptor)
    }

    /// Milliseconds since 1970.
    private static var now: Int64 { Int64((Date.now.timeIntervalSince1970 * 1000).rounded(.down)) }
}
