import ControlAPI
import Domain
import Glibc

/// Standard output and standard error, and what is known of whoever reads them.
enum Terminal {
    /// Whether standard output is a terminal.
    static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Colours only on a terminal, and not for those who do not want them (https://no-color.org).
    static var hasColours: Bool { isInteractive && (getenv("NO_COLOR").map { $0.pointee == 0 } ?? true) }

    static func tell(_ line: String) {
        write(Array((line + "\n").utf8), to: STDERR_FILENO)
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return  // nobody reads any more; a broken pipe has ended the process before
            }
        }
    }

    /// How many rows and columns the window has; nil where standard output is none.
    private static var window: (rows: Int, columns: Int)? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 1, size.ws_col > 1 else { return nil }
        return (Int(size.ws_row), Int(size.ws_col))
    }

    /// Breaks a sentence at its words so that it fits the window, as far as its words do.
    ///
    /// - Parameters:
    ///   - taken: how many columns to the left have something else in them. Where too few are left nothing is broken.
    /// - Returns: the lines; one where no window is.
    static func folded(_ text: String, beside taken: Int = 0) -> [String] {
        guard let columns = window?.columns, columns - taken >= 16, text.count > columns - taken else { return [text] }
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if !line.isEmpty, line.count + 1 + word.count > columns - taken {
                lines.append(line)
                line = String(word)
            } else {
                line += (line.isEmpty ? "" : " ") + word
            }
        }
        return lines + [line]
    }

    /// The same for what is of no use unless it is whole.
    static func writeAll(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure(.failed, "cannot write to standard output: \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(count)
        }
    }

    /// Draws a text over what is there, as far as the window reaches.
    static func redraw(_ text: String) {
        let (rows, columns) = window ?? (24, 80)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(rows - 1)
        let shown = lines.map { Table.cut(String($0), to: columns) + "\u{1B}[K" }.joined(separator: "\r\n")
        write(Array("\u{1B}[H\(shown)\u{1B}[J".utf8))
    }

    /// `0:07`, `12:30`, `1:02:03`.
    static func clock(seconds: Int64) -> String {
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        return (hours > 0 ? "\(hours):\(two(minutes))" : "\(minutes)") + ":" + two(seconds % 60)
    }

    /// How long something took, as exact as people want it: `45 ms`, `9.5 s`, `12:30`.
    static func took(milliseconds: Int64) -> String {
        switch milliseconds {
        case ..<1000: "\(milliseconds) ms"
        case ..<100_000: "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
        default: clock(seconds: milliseconds / 1000)
        }
    }

    /// A ref without what git has before it: `main`, `tag v1`.
    static func ref(_ full: String?) -> String {
        guard let full else { return "-" }
        return RefName.split(full).map { $0.kind == .tag ? "tag \($0.shortName)" : $0.shortName } ?? full
    }

    static func printJSON(_ value: some Encodable) throws {
        write(Array(try ReplyCoding.encode(value)) + [0x0A])
    }

    static func print(_ text: String) {
        write(Array((text + "\n").utf8))
    }

    /// Local time with its zone, for people: `2026-11-21 12:42:07 CET`.
    static func localTime(_ rfc3339: String?) -> String {
        guard let rfc3339 else { return "-" }
        guard let time = Timestamp(rfc3339: rfc3339) else { return rfc3339 }
        var seconds = time_t(time.milliseconds / 1000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 64)
        let length = strftime(&buffer, buffer.count, "%Y-%m-%d %H:%M:%S %Z", &parts)
        return String(decoding: buffer.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// Rows of text in columns as wide as their widest cell; the last column is broken at its words where a window is too narrow for it.
struct Table {
    private var rows: [[String]]

    init(_ header: [String]) {
        rows = [header]
    }

    /// Whatever is in the cells comes out harmless.
    mutating func add(_ cells: [String]) {
        rows.append(cells.map { SafeText.shown($0) })
    }

    /// At most so many characters; what was cut ends in `…`.
    static func cut(_ text: String, to length: Int) -> String {
        text.count <= length ? text : String(text.prefix(length - 1)) + "…"
    }

    var text: String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let before = widths.dropLast().reduce(0) { $0 + $1 + 2 }
        let margin = String(repeating: " ", count: before)
        return rows.flatMap { row in
            let cells = zip(row, widths).dropLast().map { cell, width in cell + String(repeating: " ", count: width + 2 - cell.count) }
            let last = Terminal.folded(row.last ?? "", beside: before)
            return zip([cells.joined()] + last.dropFirst().map { _ in margin }, last).map { ($0 + $1).trimmingTrailingSpaces }
        }.joined(separator: "\n")
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
