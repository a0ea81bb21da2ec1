import ControlAPI
import Dispatch
import Domain
import Glibc

/// The output of a job on its way to a reader.
struct JobLog {
    var job: Int64
    var step: String?
    var follow = false
    var raw = false
    /// A line of JSON for each line of output.
    var json = false
    /// Only the end counts, nothing is shown.
    var isSilent = false

    /// Shows it; when it is followed, ends with the status of the job.
    func show(over client: ControlClient) async throws {
        let forPeople = !raw && !json && !isSilent
        let screen = LogScreen(
            printer: isSilent ? nil : printer, job: job, hasRunningLine: follow && forPeople && Terminal.isInteractive,
            colours: Terminal.hasColours)
        let interrupt = follow ? Interrupt { await screen.interrupted() } : nil
        let ticking = Task {
            // Cancelled when the job has ended.
            while (try? await Task.sleep(for: .milliseconds(500))) != nil { await screen.tick() }
        }
        defer {
            ticking.cancel()
            interrupt?.cancel()
        }
        var frames = LogFrameReader()
        do {
            try await client.stream(.log(job, step: step, follow: follow)) { bytes in
                for frame in try frames.read(bytes) { await screen.show(frame) }
            }
        } catch {
            await screen.finish()
            throw error
        }
        await screen.finish()
        if follow { try exitAs(await screen.end, isTold: forPeople) }
    }

    private var printer: any LogPrinting {
        json ? LogLines() : LogPrinter(raw: raw, colours: Terminal.hasColours, tellsTimes: Terminal.isInteractive)
    }

    /// - Parameter isTold: whether the reason stands below the output already.
    private func exitAs(_ end: LogFrame.Head?, isTold: Bool) throws {
        guard let state = end?.ended.flatMap({ Job.State(rawValue: $0) }) else {
            throw Failure(.noDaemon, "the daemon stopped before job \(job) ended; bittern show \(job) says how it went on")
        }
        switch state {
        case .succeeded, .skipped: return
        case .queued, .running: throw Failure(.noDaemon, "the daemon stops; job \(job) goes on when it is started again")
        case .failed, .cancelled, .superseded:
            let reason = SafeText.shown(end?.reason ?? "")
            throw Failure(.jobFailed, isTold ? nil : "job \(job) \(state.rawValue): \(reason)")
        }
    }
}

/// What stands on the screen below the output: on a terminal a line that says what runs, and for how long, whenever nothing was written
/// for a moment.
private actor LogScreen {
    /// nil: nothing is shown.
    private var printer: (any LogPrinting)?
    private let job: Int64
    private let hasRunningLine: Bool
    private let colours: Bool
    private var running: (step: String, began: Int64)?
    private let began = LogScreen.now
    private var lastOutput = LogScreen.now
    private var isLineDrawn = false
    private(set) var end: LogFrame.Head?

    init(printer: (any LogPrinting)?, job: Int64, hasRunningLine: Bool, colours: Bool) {
        self.printer = printer
        self.job = job
        self.hasRunningLine = hasRunningLine
        self.colours = colours
    }

    func show(_ frame: LogFrame) {
        if frame.head.ended != nil { end = frame.head }
        if let step = frame.head.step {
            running = frame.head.step_ended == nil ? (step, frame.head.began ?? running?.began ?? Self.now) : nil
        }
        guard let text = printer?.text(for: frame), !text.isEmpty else { return }
        eraseLine()
        lastOutput = Self.now
        Terminal.write(text)
    }

    func tick() {
        // In the middle of a line of output it would be in the way.
        guard hasRunningLine, end == nil, printer?.isAtLineStart == true, Self.now - lastOutput >= 400 else { return }
        eraseLine()
        let what = running.map { "\(SafeText.shown($0.step)) runs" } ?? "job \(job) waits"
        let seconds = max(0, (Self.now - (running?.began ?? began)) / 1000)
        let line = "… \(what), \(Terminal.clock(seconds: seconds))"
        Terminal.write(Array((colours ? "\u{1B}[2m\(line)\u{1B}[0m" : line).utf8))
        isLineDrawn = true
    }

    func finish() {
        eraseLine()
    }

    /// Ctrl-C ends the looking on, never the job.
    func interrupted() {
        if printer?.isAtLineStart == false { Terminal.write([0x0A]) }
        // Also where nothing is drawn the terminal itself has written ^C.
        isLineDrawn = Terminal.isInteractive
        eraseLine()
        Terminal.tell("bittern: job \(job) goes on; bittern log \(job) -f follows it again, bittern cancel \(job) ends it")
        Glibc.exit(Interrupt.status)
    }

    private func eraseLine() {
        guard isLineDrawn else { return }
        Terminal.write(Array("\r\u{1B}[K".utf8))
        isLineDrawn = false
    }

    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// Ctrl-C, as long as somebody wants to hear it.
final class Interrupt {
    /// As a shell has it of a program that SIGINT ended.
    static let status: Int32 = 128 + SIGINT

    private let source: any DispatchSourceSignal

    init(_ heard: @escaping @Sendable () async -> Void) {
        signal(SIGINT, SIG_IGN)  // otherwise the process is ended before the source hears of it
        source = DispatchSource.makeSignalSource(signal: SIGINT)
        source.setEventHandler { @Sendable in Task { await heard() } }
        source.resume()
    }

    func cancel() {
        source.cancel()
        signal(SIGINT, SIG_DFL)
    }
}

/// What becomes of a log's frames, one after the other, on standard output.
private protocol LogPrinting: Sendable {
    mutating func text(for frame: LogFrame) -> [UInt8]
    /// Whether something else may be written without tearing a line apart.
    var isAtLineStart: Bool { get }
}

/// For programs: an object for each line of output, and for each beginning and end.
private struct LogLines: LogPrinting {
    /// A longer line comes in pieces of this many bytes.
    private static let longest = 64 << 10

    private struct Object: Encodable {
        var step: String?
        /// Without its line end; what is no UTF-8 or no text is escaped as on a terminal.
        var line: String?
        var started_at: String?
        /// How the step, or without one the job, ended.
        var state: String?
        var took_ms: Int64?
        var reason: String?
    }

    private var filter = TerminalText(keepsColours: false)
    private var unfinished: [UInt8] = []
    let isAtLineStart = true

    mutating func text(for frame: LogFrame) -> [UInt8] {
        let (head, step) = (frame.head, frame.head.step)
        var objects: [Object] = []
        if let began = head.began { objects.append(Object(step: step, started_at: Timestamp(milliseconds: began).rfc3339)) }
        objects += lines(filter.filter(frame.payload), of: step)
        if head.step_ended != nil || head.ended != nil {
            objects += lines(filter.finish() + (unfinished.isEmpty ? [] : [0x0A]), of: step)
            objects.append(Object(step: step, state: head.step_ended ?? head.ended, took_ms: head.took_ms, reason: head.reason))
        }
        // Text and numbers can always be encoded.
        return objects.flatMap { ((try? ReplyCoding.encode($0)).map(Array.init) ?? []) + [0x0A] }
    }

    private mutating func lines(_ bytes: [UInt8], of step: String?) -> [Object] {
        var objects: [Object] = []
        for byte in bytes {
            if byte != 0x0A { unfinished.append(byte) }
            guard byte == 0x0A || (unfinished.count >= Self.longest && byte & 0x80 == 0) else { continue }
            objects.append(Object(step: step, line: String(decoding: unfinished, as: UTF8.self)))
            unfinished = []
        }
        return objects
    }
}

/// Puts a heading above each step's output and the job's end below.
private struct LogPrinter: LogPrinting {
    private let raw: Bool
    private var filter: TerminalText
    private let colours: Bool
    private let tellsTimes: Bool
    private var step: String?
    private(set) var isAtLineStart = true

    /// - Parameter tellsTimes: whether each step's end is told with the time it took.
    init(raw: Bool, colours: Bool, tellsTimes: Bool) {
        self.raw = raw
        self.colours = colours
        self.tellsTimes = tellsTimes
        filter = TerminalText(keepsColours: colours)
    }

    mutating func text(for frame: LogFrame) -> [UInt8] {
        guard !raw else { return frame.payload }
        var output: [UInt8] = []
        if let name = frame.head.step, name != step {
            output += finishLine() + heading("==> \(name)")
            step = name
        }
        output += noting(filter.filter(frame.payload))
        if tellsTimes, let name = frame.head.step, let ended = frame.head.step_ended, let took = frame.head.took_ms {
            output += finishLine() + faint("    \(name) \(ended) after \(Terminal.took(milliseconds: took))")
        }
        if let state = frame.head.ended {
            output += finishLine() + heading("==> \(state)" + (frame.head.reason.map { ": \($0)" } ?? ""))
        }
        return output
    }

    private mutating func finishLine() -> [UInt8] {
        let rest = noting(filter.finish())
        filter = TerminalText(keepsColours: colours)
        defer { isAtLineStart = true }
        return rest + (isAtLineStart ? [] : [0x0A])
    }

    private mutating func noting(_ bytes: [UInt8]) -> [UInt8] {
        if let last = bytes.last { isAtLineStart = last == 0x0A }
        return bytes
    }

    private func heading(_ text: String) -> [UInt8] { line(text, "\u{1B}[0;1m") }

    private func faint(_ text: String) -> [UInt8] { line(text, "\u{1B}[0;2m") }

    private func line(_ text: String, _ style: String) -> [UInt8] {
        let text = SafeText.shown(text)
        return Array((colours ? "\(style)\(text)\u{1B}[0m\n" : text + "\n").utf8)
    }
}
