import Glibc
package import Logging

/// Where log statements go.
enum LogDestination: Sendable, Equatable {
    /// Native entries to journald.
    case journal
    /// Lines on standard error; with the time, unless the reader adds his own.
    case plain(timestamps: Bool)

    /// Where journald takes native entries.
    static let journalSocket = "/run/systemd/journal/socket"

    /// The journal when `descriptor` is connected to it and `socket` is there to take native entries, plain lines otherwise.
    ///
    /// It is not enough that `$JOURNAL_STREAM` is set: somebody may have redirected standard error without unsetting it. So its
    /// value, device and inode in decimal, is compared with the descriptor's own (systemd.exec(5)). Lines to the journal carry
    /// no time, since journald adds it.
    init(environment: [String: String], descriptor: CInt = STDERR_FILENO, socket: String = journalSocket) {
        var status = stat()
        let isJournal =
            fstat(descriptor, &status) == 0 && environment["JOURNAL_STREAM"] == "\(status.st_dev):\(status.st_ino)"
        if isJournal, access(socket, F_OK) == 0 {
            self = .journal
        } else {
            self = .plain(timestamps: !isJournal)
        }
    }

    /// The handler that writes there.
    func handler(level: Logger.Level) -> any LogHandler {
        switch self {
        case .journal: JournalHandler(level: level)
        case .plain(let timestamps): PlainHandler(level: level, timestamps: timestamps)
        }
    }
}

/// What `LoggingSystem.bootstrap` is to be given: handlers that write native journal entries when standard error is connected to
/// the journal, plain lines on standard error elsewhere. Looked at once, here; the labels of loggers are not used, because every
/// entry says `bittern`.
///
/// - Parameters:
///   - environment: The process's own, for `$JOURNAL_STREAM`.
///   - level: What is less important is not logged.
package func logHandlerFactory(
    environment: [String: String], level: Logger.Level
) -> @Sendable (_ label: String) -> any LogHandler {
    let destination = LogDestination(environment: environment)
    return { _ in destination.handler(level: level) }
}

/// Whether the log goes to the journal, as ``logHandlerFactory(environment:level:)`` sees it.
package func logsToJournal(environment: [String: String]) -> Bool {
    LogDestination(environment: environment) == .journal
}
