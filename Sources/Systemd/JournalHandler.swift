import Glibc
package import Logging

/// Writes each log statement as a native journal entry: `MESSAGE`, `PRIORITY`, `SYSLOG_IDENTIFIER=bittern`, `MESSAGE_ID` where
/// metadata has an ``EventID``, and every other piece of metadata as a field (`app` becomes `BITTERN_APP`), so that
/// `journalctl BITTERN_APP=shop` is the whole story of one app.
///
/// Message and values are passed on byte for byte; values from outside are made fit to show by those who log them, and
/// journalctl hides what is left unprintable. An entry that journald refuses becomes a plain line on standard error. Nothing is cached or
/// queued: the statement returns when the entry is in journald's socket.
package struct JournalHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    package init(level: Logger.Level) {
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let metadata = event.metadata(over: metadata, provider: metadataProvider)
        let message = event.message.description
        guard !JournalEntry(level: event.level, message: message, metadata: metadata).send() else { return }
        PlainLine(level: event.level, message: message, metadata: metadata, time: nil).write(to: STDERR_FILENO)
    }
}
