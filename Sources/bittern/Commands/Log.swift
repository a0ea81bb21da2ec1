import ArgumentParser
import ControlAPI
import Domain

struct Log: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the output of a job.",
        discussion: "With --follow it goes on until the job has ended, and exits with 0 when it succeeded or was skipped, otherwise with 3."
    )

    @Argument(help: "The job's number.")
    var job: Int64

    @Option(help: ArgumentHelp("Only this step.", valueName: "name"))
    var step: String?

    @Flag(name: [.short, .customLong("follow")], help: "Go on until the job has ended, and exit as it did.")
    var follow = false

    @Flag(help: "The bytes as they are, without headings; a terminal may misbehave.")
    var raw = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        let isName = step.map { $0.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || "._-".utf8.contains($0) } }
        guard isName != false else { throw ValidationError("--step takes the name of a step; bittern show \(job) lists them") }
    }

    func run() async throws {
        try await JobLog(job: job, step: step, follow: follow, raw: raw).show(over: ControlClient(connection))
    }
}

/// The output of a job on its way to a reader.
struct JobLog {
    var job: Int64
    var step: String?
    var follow = false
    var raw = false

    /// Shows it; when it is followed, ends with the status of the job.
    func show(over client: ControlClient) async throws {
        var frames = LogFrameReader()
        var printer = LogPrinter(raw: raw, colours: Terminal.hasColours)
        var end: LogFrame.Head?
        try await client.stream(.log(job, step: step, follow: follow)) { bytes in
            for frame in try frames.read(bytes) {
                if frame.head.ended != nil { end = frame.head }
                Terminal.write(printer.text(for: frame))
            }
        }
        guard follow else { return }
        guard let state = end?.ended.flatMap({ Job.State(rawValue: $0) }) else {
            throw Failure(.noDaemon, "the daemon stopped before job \(job) ended; bittern show \(job) says how it went on")
        }
        switch state {
        case .succeeded, .skipped: return
        case .queued, .running: throw Failure(.noDaemon, "the daemon stops; job \(job) goes on when it is started again")
        case .failed, .cancelled, .superseded:
            throw Failure(.jobFailed, raw ? "job \(job) \(state.rawValue): \(end?.reason ?? "")" : nil)
        }
    }
}

/// Puts a heading above each step's output and the job's end below.
struct LogPrinter {
    private let raw: Bool
    private var filter: TerminalText
    private let colours: Bool
    private var step: String?
    private var isAtLineStart = true

    init(raw: Bool, colours: Bool) {
        self.raw = raw
        self.colours = colours
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

    private func heading(_ text: String) -> [UInt8] {
        let text = SafeText.shown(text)
        return Array((colours ? "\u{1B}[0;1m\(text)\u{1B}[0m\n" : text + "\n").utf8)
    }
}
