import FoundationEssentials
import Glibc
import Logging
import Synchronization

/// One log statement as one line of text: `2026-11-21T11:42:07.250Z INFO job 42 queued (app=shop job=42)`.
///
/// Written by hand, byte by byte, because a busy intake writes two of them for every push.
struct PlainLine: Sendable, Equatable {
    /// With its newline. It holds no other: control characters and bidirectional marks are escaped, and neither the message nor a value
    /// takes more than 1 KB.
    private var bytes: [UInt8] = []

    /// Without its newline.
    var text: String { String(decoding: bytes.dropLast(), as: UTF8.self) }

    /// Metadata comes sorted by key, without the event's id, which serves the journal only. A value that is empty or holds a
    /// space or one of `"()=` is quoted, so that no value looks like another key. No time, no timestamp.
    ///
    /// - Parameter time: since 1970, in milliseconds.
    init(level: Logger.Level, message: String, metadata: Logger.Metadata, time: Int64?) {
        bytes.reserveCapacity(512)
        if let time {
            Self.oneAtATime.withLock { $0.append(time, to: &bytes) }
            bytes.append(UInt8(ascii: " "))
        }
        bytes.append(text: Self.name(of: level))
        bytes.append(UInt8(ascii: " "))
        bytes.append(text: OneLine.shown(message))
        var isFirst = true
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where key != EventID.metadataKey {
            bytes.append(text: isFirst ? " (" : " ")
            bytes.append(text: OneLine.shown(key))
            bytes.append(UInt8(ascii: "="))
            append(value: value.description)
            isFirst = false
        }
        if !isFirst { bytes.append(UInt8(ascii: ")")) }
        bytes.append(UInt8(ascii: "\n"))
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

    private mutating func append(value: String) {
        var shown = OneLine.shown(value)
        let start = bytes.count
        bytes.append(text: shown)
        guard shown.isEmpty || bytes[start...].contains(where: Self.isQuoted) else { return }
        bytes.removeLast(bytes.count - start)
        shown = OneLine.shown(value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))
        bytes.append(text: "\"" + shown + "\"")
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
        mutating func append(_ time: Int64, to line: inout [UInt8]) {
            let thousandths = (time % 1000 + 1000) % 1000
            if (time - thousandths) / 1000 != second {
                second = (time - thousandths) / 1000
                text = String(Date(timeIntervalSince1970: Double(second)).formatted(Date.ISO8601FormatStyle()).dropLast())
            }
            line.append(text: text)
            line.append(text: thousandths < 10 ? ".00" : thousandths < 100 ? ".0" : ".")
            line.append(text: String(thousandths))
            line.append(UInt8(ascii: "Z"))
        }
    }

    /// Lines longer than a pipe's PIPE_BUF could mix where two threads write at once; this lets one in at a time.
    private static let oneAtATime = Mutex(Clock())

    /// Writes it in one write(2), or, where the kernel takes only a part, in as many as are needed before any other
    /// line begins. A descriptor that takes nothing is ignored: there is nobody left to tell.
    func write(to descriptor: CInt) {
        bytes.withUnsafeBufferPointer { bytes in
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

extension [UInt8] {
    fileprivate mutating func append(text: String) {
        var text = text
        text.withUTF8 { append(contentsOf: $0) }
    }
}
