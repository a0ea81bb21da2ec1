import Domain
import Exec
import Foundation
import RealParts
import Synchronization
import Testing

@Suite struct OutputJournalTests {
    @Test("the file has the same bytes with a journal and without, and the journal the lines, masked")
    func sameBytes() async throws {
        try await withTemporaryDirectory { directory in
            let text = Array("a s3cret-value b\n10%\r20%\r\n\n\u{1B}[31mred\u{1B}[0m\nend".utf8)
            let noise = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let journal = RecordingJournal()
            for (name, journal) in [("with", journal), ("without", nil)] as [(String, RecordingJournal?)] {
                let log = try log(directory.path(name), limit: 1 << 20, journal: journal)
                for piece in [text[..<5], text[5...], noise[...]] { log.append(piece) }
                log.append(line: "own line")
                log.close()
            }
            let without = try Data(contentsOf: URL(filePath: directory.path("without")))
            #expect(try Data(contentsOf: URL(filePath: directory.path("with"))) == without)
            #expect(without.count == text.count - "s3cret-value".utf8.count + 3 + noise.count + "own line\n".utf8.count)
            #expect(journal.text.prefix(3) == ["a *** b", "20%", "\u{1B}[31mred\u{1B}[0m"])
            #expect(journal.text.last?.hasSuffix("own line") == true)
            #expect(journal.isSettled)
        }
    }

    @Test("what the log has no room for the journal does not get either, but how much that was")
    func bounded() async throws {
        try await withTemporaryDirectory { directory in
            let journal = RecordingJournal()
            let log = try log(directory.path("log"), limit: 10, journal: journal)
            log.append("12345\nabcdefgh\nmore\n".utf8)
            log.append("and more\n".utf8)
            log.close()
            #expect(journal.text == ["12345", "abcd", "bittern: 19 bytes of output over the limit of 10 were dropped"])
        }
    }

    @Test("a journal that takes nothing changes nothing about the log, and hears how many lines it missed")
    func refusing() async throws {
        try await withTemporaryDirectory { directory in
            let journal = RecordingJournal(room: 2)
            let log = try log(directory.path("log"), limit: 1 << 20, journal: journal)
            log.append("one\ntwo\nthree\nfour\n".utf8)
            log.append("five\n".utf8)
            journal.makeRoom(1)
            log.close()
            #expect(try directory.read("log") == "one\ntwo\nthree\nfour\nfive\n")
            #expect(journal.text == ["one", "two", "bittern: 3 lines of output left out here, which the step's log has"])
        }
    }

    @Test("a step's output reaches the journal of that step, and nothing of it is a line of the daemon's")
    func step() async throws {
        try await withSite { site, _, commit in
            let journals = Mutex<[String: RecordingJournal]>([:])
            let runner = ChildRunner(
                executor: SerialQueueExecutor(label: "test"), state: site.state, mirrors: GitMirrors(state: site.state),
                probe: NobodyToAsk(), systemctl: Systemctl(environment: [:], cgroup: "")
            ) { job, step in
                let journal = RecordingJournal()
                journals.withLock { $0["\(job.id) \(step)"] = journal }
                return journal
            }
            site.app.build = [CommandStep(name: "build", run: "echo out; echo err >&2; printf unfinished")]
            let job = try site.job(commit)
            for step in ["fetch", "checkout", "build"] {
                let order = try site.order(step, of: job)
                await runner.start(order)
                _ = await runner.wait(for: order.id)
            }
            let found = journals.withLock { $0 }
            #expect(found.keys.sorted() == ["1 build", "1 checkout", "1 fetch"])
            #expect(found["1 build"]?.text == ["out", "err", "unfinished"])
            #expect(found["1 fetch"]?.text.contains { $0.hasPrefix("fetch refs/heads/main from") } == true)
        }
    }

    private func log(_ path: String, limit: Int, journal: (any OutputJournal)?) throws -> StepLog {
        try StepLog(path: path, mask: LogMask(secrets: [Secret("s3cret-value")]), limit: limit, journal: journal)
    }
}

/// Remembers lines, as many as there is room for.
private final class RecordingJournal: OutputJournal {
    private struct State {
        var lines: [[UInt8]] = []
        var room: Int
        var isSettled = false
    }

    private let state: Mutex<State>

    init(room: Int = .max) { state = Mutex(State(room: room)) }

    var text: [String] { state.withLock { $0.lines.map { String(decoding: $0, as: UTF8.self) } } }
    var isSettled: Bool { state.withLock { $0.isSettled } }

    func makeRoom(_ room: Int) { state.withLock { $0.room = room } }

    func take(_ lines: [[UInt8]]) -> Int {
        state.withLock { state in
            let taken = lines.prefix(state.room)
            state.lines += taken
            state.room -= taken.count
            return taken.count
        }
    }

    func settle() { state.withLock { $0.isSettled = true } }
}
