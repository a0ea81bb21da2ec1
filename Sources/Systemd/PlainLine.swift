import FoundationEssentials
import Glibc
import Logging
import Synchronization

/// One log statement as one line of text: `2026-11-21T11:42:07.250Z INFO job 42 queued (app=shop job=42)`.
struct PlainLine: Sendable, Equatable {
    /// The line without its newline. It holds no other: control characters and bidirectional marks are escaped, and neither the
    /// message nor a value takes more than 1 KB.
    let text: String

    /// Metadata comes sorted by key, without the event's id, which serves the journal only. A value that is empty or holds a
    /// space or one of `"()=` is quoted, so that no value looks like another key. No time, no timestamp.
    init(level: Logger.Level, message: String, metadata: Logger.Metadata, time: Date?) {
        var text = time.map { $0.formatted(Self.rfc3339) + " " } ?? ""
        text += level.rawValue.uppercased() + " " + OneLine.shown(message)
        let pairs = metadata.filter { $0.key != EventID.metadataKey }
            .sorted { $0.key < $1.key }
            .map { OneLine.shown($0.key) + "=" + Self.shown($0.value.description) }
        if !pairs.isEmpty { text += " (" + pairs.joined(separator: " ") + ")" }
        self.text = text
    }

    /// RFC 3339 in UTC with milliseconds.
    private static let rfc3339 = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    private static func shown(_ value: String) -> String {
        guard value.isEmpty || value.utf8.contains(where: { " \"()=".utf8.contains($0) }) else { return OneLine.shown(value) }
        let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return "\"" + OneLine.shown(escaped) + "\""
    }

    /// Lines longer than a pipe's PIPE_BUF could mix where two threads write at once; this lets one in at a time.
    private static let oneAtATime = Mutex(())

    /// Writes line and newline in one write(2), or, where the kernel takes only a part, in as many as are needed before any other
    /// line begins. A descriptor that takes nothing is ignored: there is nobody left to tell.
    func write(to descriptor: CInt) {
        let bytes = Array((text + "\n").utf8)
        Self.oneAtATime.withLock { _ in
            var written = 0
            while written < bytes.count {
                let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                written += count
            }
        }
    }
}
