import Dispatch
package import Logging
import Synchronization

/// Hands lines of steps' output to journald, on a thread of its own.
///
/// sd_journal_sendv(3) writes into journald's socket, and while that is full, because journald is behind, stopped or waits for its
/// disk, it blocks. A step must not wait for that. So lines wait here, in no more memory than ``limit`` for all steps together, and
/// what has no room is not taken.
package final class OutputQueue: Sendable {
    /// In bytes. The burst a step is allowed, 10,000 lines, fits in when they are as long as lines usually are.
    static let limit = 4 << 20
    /// What a line takes beside its bytes, about.
    private static let overhead = 64
    /// How long the end of a step waits for its lines.
    private static let patience = DispatchTimeInterval.milliseconds(100)

    private struct Waiting {
        var lines: [Line] = []
        var bytes = 0
        var isSending = false
    }

    private struct Line: Sendable {
        let message: [UInt8]
        let fields: JournalEntry
        var bytes: Int { message.count + overhead }
    }

    private let waiting = Mutex(Waiting())
    private let thread = DispatchQueue(label: "journal")
    private let send: @Sendable (JournalEntry) -> Void

    package convenience init() {
        // An entry that journald refuses is lost to the journal, ignoring: the step's log has the line.
        self.init { _ = $0.send() }
    }

    init(send: @escaping @Sendable (JournalEntry) -> Void) {
        self.send = send
    }

    /// - Returns: how many it took, from the first on.
    fileprivate func take(_ messages: [[UInt8]], with fields: JournalEntry) -> Int {
        let (taken, isAsleep) = waiting.withLock { waiting in
            var taken = 0
            for message in messages {
                let line = Line(message: message, fields: fields)
                guard waiting.bytes + line.bytes <= Self.limit else { break }
                waiting.lines.append(line)
                waiting.bytes += line.bytes
                taken += 1
            }
            defer { waiting.isSending = waiting.isSending || taken > 0 }
            return (taken, taken > 0 && !waiting.isSending)
        }
        if isAsleep { thread.async { self.sendAll() } }
        return taken
    }

    fileprivate func settle() {
        guard waiting.withLock({ $0.isSending }) else { return }
        let settled = DispatchSemaphore(value: 0)
        thread.async { settled.signal() }
        // Whether it was in time makes no difference: the lines come, if later.
        _ = settled.wait(timeout: .now() + Self.patience)
    }

    private func sendAll() {
        while let lines = nextLines() {
            for line in lines {
                send(line.fields.saying(line.message))
                waiting.withLock { $0.bytes -= line.bytes }
            }
        }
    }

    private func nextLines() -> [Line]? {
        waiting.withLock { waiting in
            defer { waiting.lines = [] }
            waiting.isSending = !waiting.lines.isEmpty
            return waiting.isSending ? waiting.lines : nil
        }
    }
}

/// The output of one step: every line becomes an entry with the step's fields and priority, whatever it says.
package struct StepOutput: Sendable {
    private let fields: JournalEntry
    private let queue: OutputQueue

    /// - Parameter metadata: What is known of the step; it becomes fields as that of a log statement does.
    package init(_ metadata: Logger.Metadata, _ queue: OutputQueue) {
        var metadata = metadata
        metadata["stream"] = "output"
        fields = JournalEntry(level: .info, metadata: metadata)
        self.queue = queue
    }

    /// Takes lines in their order and never blocks.
    /// - Returns: how many it took, from the first on; for the others there is no room.
    package func take(_ lines: [[UInt8]]) -> Int {
        queue.take(lines, with: fields)
    }

    /// Waits until journald has been handed what was taken, but a tenth of a second at most.
    package func settle() {
        queue.settle()
    }
}
