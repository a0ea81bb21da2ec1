import FoundationEssentials
import Glibc
import Logging
import Synchronization

/// One log statement as one line of text: `2026-11-21T11:42:07.250Z INFO job 42 queued (app=shop job=42)`.
///
/// Written by hand into one string, because a busy intake writes two of them for every push.
struct PlainLine: Sendable, Equatable {
    /// The line without its newline. It holds no other: control characters and bidirectional marks are escaped, and neither the
    /// message nor a value takes more than 1 KB.
    let text: String

    /// Metadata comes sorted by key, without the event's id, which serves the journal only. A value that is empty or holds a
    /// space or one of `"()=` is quoted, so that no value looks like another key. No time, no timestamp.
    ///
    /// - Parameter time: since 1970, in milliseconds.
    init(level: Logger.Level, message: String, metadata: Logger.Metadata, time: Int64?) {
        var text = ""
        text.reserveCapacity(256)
        if let time {
            Self.oneAtATime.withLock { $0.append(time, to: &text) }
            text += " "
        }
        text += Self.name(of: level)
        text += " "
        text += OneLine.shown(message)
        var separator = " ("
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where key != EventID.metadataKey {
            text += separator
            text += OneLine.shown(key)
            text += "="
            Self.append(value.description, to: &text)
            separator = " "
        }
        if separator == " " { text += ")" }
        self.text = text
    }

    private static func name(of level: Logger.Level) -> String {
        switch level {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info: "INFO"
        case .notice: "NOTICE"
        case .warning: "WARNING"
        case .error: "ERROR"
        case .critical: "CRITICAL"
        }
    }

    private static func append(_ value: String, to text: inout String) {
        guard value.isEmpty || value.utf8.contains(where: isQuoted) else { return text += OneLine.shown(value) }
        let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        text += "\"" + OneLine.shown(escaped) + "\""
    }

    private static func isQuoted(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\""), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "="): true
        default: false
        }
    }

    /// Writes the time, and knows the last second's text: calendars are dear.
    private struct Clock {
        private var second = Int64.min
        private var text = ""

        /// RFC 3339 in UTC with milliseconds.
        mutating func append(_ time: Int64, to line: inout String) {
            let thousandths = (time % 1000 + 1000) % 1000
            if (time - thousandths) / 1000 != second {
                second = (time - thousandths) / 1000
                text = String(Date(timeIntervalSince1970: Double(second)).formatted(Date.ISO8601FormatStyle()).dropLast())
            }
            line += text
            line += thousandths < 10 ? ".00" : thousandths < 100 ? ".0" : "."
            line += String(thousandths)
            line += "Z"
        }
    }

    /// Lines longer than a pipe's PIPE_BUF could mix where two threads write at once; this lets one in at a time.
    private static let oneAtATime = Mutex(Clock())

    /// Writes line and newline in one write(2), or, where the kernel takes only a part, in as many as are needed before any other
    /// line begins. A descriptor that takes nothing is ignored: there is nobody left to tell.
    func write(to descriptor: CInt) {
        var line = text
        line += "\n"
        line.withUTF8 { bytes in
            Self.oneAtATime.withLock { _ in
                var rest = bytes[...]
                while !rest.isEmpty {
                    let count = Glibc.write(descriptor, UnsafeBufferPointer(rebasing: rest).baseAddress, rest.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { return }
                    rest = rest.dropFirst(count)
                }
            }
        }
    }
}
