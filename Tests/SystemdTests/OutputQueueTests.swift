import Dispatch
import Foundation
import Logging
import Synchronization
import Testing

@testable import Systemd

@Suite("Steps' output on its way to the journal")
struct OutputQueueTests {
    private let metadata: Logger.Metadata = ["app": "shop", "job": "42", "step": "build"]

    @Test("a line becomes an entry with the step's fields and information as its priority")
    func entry() {
        let journal = RecordingJournal()
        let output = StepOutput(metadata, OutputQueue { journal.add($0) })
        #expect(output.take([Array("one".utf8), Array("two".utf8)]) == 2)
        let common: Set = [
            "BITTERN_APP=shop", "BITTERN_JOB=42", "BITTERN_STEP=build", "BITTERN_STREAM=output", "PRIORITY=6", "SYSLOG_IDENTIFIER=bittern",
        ]
        #expect(journal.wait(for: 2) == [common.union(["MESSAGE=one"]), common.union(["MESSAGE=two"])])
    }

    @Test("whatever a line says, it sets no field and no priority")
    func injection() {
        let journal = RecordingJournal()
        let output = StepOutput(["app": "shop"], OutputQueue { journal.add($0) })
        let hostile = "<0>x\nPRIORITY=0\nBITTERN_APP=bank\0MESSAGE=y"
        #expect(output.take([Array(hostile.utf8), Array("BITTERN_STREAM=x".utf8)]) == 2)
        let common: Set = ["BITTERN_APP=shop", "BITTERN_STREAM=output", "PRIORITY=6", "SYSLOG_IDENTIFIER=bittern"]
        #expect(journal.wait(for: 2) == [common.union(["MESSAGE=\(hostile)"]), common.union(["MESSAGE=BITTERN_STREAM=x"])])
    }

    @Test("bytes that are no text arrive as they are")
    func binary() {
        let line: [UInt8] = [0xFF, 0x00, 0x1B, 0xC3]
        let entry = JournalEntry(level: .info, metadata: [:]).saying(line)
        #expect(entry.fields.contains(Array("MESSAGE=".utf8) + line))
        #expect(entry.fields.count == 3)
    }

    @Test("a journal that takes nothing holds nobody up: what has no room is given back, and the rest comes later in order")
    func stuck() {
        let journal = RecordingJournal(isStuck: true)
        let output = StepOutput(metadata, OutputQueue { journal.add($0) })
        let line = [UInt8](repeating: 0x41, count: 48 << 10)
        let began = ContinuousClock.now
        var taken = 0
        for _ in 0..<200 { taken += output.take([line]) }
        output.settle()
        #expect(began.duration(to: .now) < .seconds(5))
        // As many as fit, and none after one did not.
        #expect(taken == OutputQueue.limit / (line.count + 64))
        #expect(output.take([line, line]) == 0)

        journal.release()
        _ = journal.wait(for: taken)
        // What was sent gives its room back a moment later.
        var again = 0
        for _ in 0..<10_000 where again == 0 {
            again = output.take([Array("again".utf8)])
            if again == 0 { usleep(1000) }
        }
        #expect(journal.wait(for: taken + 1).last?.contains("MESSAGE=again") == true)
    }

    @Test("lines of many threads all arrive, those of each in their order")
    func threads() throws {
        let journal = RecordingJournal()
        let queue = OutputQueue { journal.add($0) }
        DispatchQueue.concurrentPerform(iterations: 4) { step in
            let output = StepOutput(["step": "\(step)"], queue)
            for number in 0..<1000 { _ = output.take([Array("\(number)".utf8)]) }
            output.settle()
        }
        let entries = journal.wait(for: 4000)
        for step in 0..<4 {
            let own = entries.filter { $0.contains("BITTERN_STEP=\(step)") }
            let messages = own.compactMap { $0.first { $0.hasPrefix("MESSAGE=") } }
            #expect(messages == (0..<1000).map { "MESSAGE=\($0)" })
        }
    }
}

/// A journal that remembers, and takes nothing while it is stuck.
private final class RecordingJournal: Sendable {
    private let taken = Mutex<[Set<String>]>([])
    private let way = DispatchSemaphore(value: 0)
    private let isStuck: Mutex<Bool>

    init(isStuck: Bool = false) { self.isStuck = Mutex(isStuck) }

    /// All entries, when there are so many; those there are after ten seconds.
    func wait(for count: Int) -> [Set<String>] {
        for _ in 0..<10_000 where taken.withLock({ $0.count }) < count { usleep(1000) }
        return taken.withLock { $0 }
    }

    func add(_ entry: JournalEntry) {
        if isStuck.withLock({ $0 }) { way.wait() }
        taken.withLock { $0.append(Set(entry.fields.map { String(decoding: $0, as: UTF8.self) })) }
    }

    func release() {
        isStuck.withLock { $0 = false }
        way.signal()
    }
}
