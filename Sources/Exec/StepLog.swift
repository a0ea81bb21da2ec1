package import Domain
import Glibc
import Synchronization

/// The log of one step: what is written is masked and bounded before a byte reaches the disk. The journal gets lines of what stands
/// in the file.
package final class StepLog: Sendable {
    private struct State: ~Copyable {
        var mask: LogMask
        var descriptor: Int32
        var written = 0
        var dropped = 0
        /// The end of what was written, for a reason that quotes the last line.
        var tail: [UInt8] = []
        /// errno of the first write that failed; nothing is written after it.
        var failure: Int32?
        var lines = JournalLines()
    }

    private let state: Mutex<State>
    private let limit: Int
    private let journal: (any OutputJournal)?
    private let began = ContinuousClock.now
    private static let tailLimit = 2048

    /// Opens the file, empty unless it `goesOn`; the directory must be there.
    package convenience init(
        path: String, mask: LogMask, limit: Int, goesOn: Bool = false, journal: (any OutputJournal)? = nil
    ) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | (goesOn ? 0 : O_TRUNC) | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw ExecError.file("cannot write the log \(path)") }
        self.init(descriptor: descriptor, mask: mask, limit: limit, journal: journal)
    }

    /// Writes to a file that somebody else opened for appending, and closes it.
    package init(descriptor: Int32, mask: LogMask, limit: Int, journal: (any OutputJournal)? = nil) {
        self.limit = limit
        self.journal = journal
        state = Mutex(State(mask: mask, descriptor: descriptor))
    }

    deinit {
        state.withLock { if $0.descriptor >= 0 { _ = Glibc.close($0.descriptor) } }
    }

    /// Adds output; what is over the limit is dropped and counted.
    package func append(_ bytes: some Collection<UInt8>) {
        state.withLock { write($0.mask.mask(bytes), to: &$0, limit: limit) }
    }

    /// Adds a line of Bittern's own.
    package func append(line: String) {
        append(Array((SafeText.shown(line) + "\n").utf8))
    }

    /// Ends the log: what the mask kept back is written, and a last line says how much was dropped.
    package func close() {
        state.withLock { state in
            write(state.mask.finish(), to: &state, limit: limit)
            if state.dropped > 0 {
                let line = "\nbittern: \(state.dropped) bytes of output over the limit of \(limit) were dropped\n"
                write(Array(line.utf8), to: &state, limit: .max)
            }
            if journal != nil { tell(state.lines.finish(elapsed: began.duration(to: .now)), &state) }
            _ = Glibc.close(state.descriptor)
            state.descriptor = -1
        }
        journal?.settle()
    }

    /// The last line that has something in it; nil when nothing was written.
    package var lastLine: String? {
        let tail = state.withLock { $0.tail }
        let lines = tail.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D })
        let line = lines.last { $0.contains { $0 > 0x20 } }
        return line.map { SafeText.shown(String(decoding: $0, as: UTF8.self), limit: 300) }
    }

    /// What stopped the log from being written, if anything did.
    package var failure: String? {
        state.withLock { $0.failure }.map { "cannot write the log: \(String(cString: strerror($0)))" }
    }

    private func write(_ bytes: [UInt8], to state: inout State, limit: Int) {
        guard state.descriptor >= 0, state.failure == nil else { return }
        let kept = bytes.prefix(max(0, limit - state.written))
        state.dropped += bytes.count - kept.count
        state.written += kept.count
        let end = kept.suffix(Self.tailLimit)
        state.tail = Array(state.tail.suffix(Self.tailLimit - end.count) + end)
        if journal != nil { tell(state.lines.take(kept, elapsed: began.duration(to: .now)), &state) }
        var rest = kept
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(state.descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                state.failure = errno
                return
            }
        }
    }

    private func tell(_ entries: [JournalLines.Entry], _ state: inout State) {
        guard let journal, !entries.isEmpty else { return }
        let taken = journal.take(entries.map(\.message))
        state.lines.notTaken(entries.dropFirst(taken))
    }
}
