package import Domain
import FoundationEssentials

/// One piece of a job's log on its way to the CLI: a line of JSON that says what follows, then that many bytes of output.
package struct LogFrame: Sendable, Equatable {
    package struct Head: Codable, Sendable, Equatable {
        /// The step the bytes come from.
        package var step: String?
        /// The job has ended so; the last frame.
        package var ended: String?
        package var reason: String?
        package var bytes: Int
        /// When the step began, in milliseconds since 1970; in its first frame.
        package var began: Int64?
        /// How the step ended, in its last frame, and how long it took.
        package var step_ended: String?
        package var took_ms: Int64?
    }

    package var head: Head
    package var payload: [UInt8]

    /// Output of a step.
    package static func output(step: String, _ bytes: [UInt8]) -> LogFrame {
        LogFrame(head: Head(step: step, bytes: bytes.count), payload: bytes)
    }

    /// A step begins, or began before anybody looked.
    package static func began(_ step: StepRecord) -> LogFrame {
        LogFrame(head: Head(step: step.name, bytes: 0, began: step.startedAt.milliseconds), payload: [])
    }

    /// Nothing more comes of a step; nil for one that runs.
    package static func ended(_ step: StepRecord) -> LogFrame? {
        guard let finished = step.finishedAt else { return nil }
        let took = finished.since(step.startedAt).wholeMilliseconds
        return LogFrame(head: Head(step: step.name, bytes: 0, step_ended: step.state.rawValue, took_ms: took), payload: [])
    }

    /// The last frame: how the job ended, or that it still runs when nobody follows.
    package static func end(state: String, reason: String?) -> LogFrame {
        LogFrame(head: Head(ended: state, reason: reason, bytes: 0), payload: [])
    }

    package func encoded() throws -> [UInt8] {
        Array(try JSONEncoder().encode(head)) + [0x0A] + payload
    }
}

/// Takes a stream of bytes apart into frames, wherever the network cut it.
package struct LogFrameReader: Sendable {
    /// No head is longer; whoever sends more is not the daemon.
    private static let headLimit = 16384
    private var waiting: [UInt8] = []

    package init() {}

    package struct Malformed: Error {}

    /// The frames that are whole now.
    package mutating func read(_ bytes: some Sequence<UInt8>) throws -> [LogFrame] {
        waiting += bytes
        var frames: [LogFrame] = []
        var rest = waiting[...]
        while let line = rest.firstIndex(of: 0x0A) {
            let head = try JSONDecoder().decode(LogFrame.Head.self, from: Data(rest[..<line]))
            let begin = line + 1
            guard head.bytes >= 0, rest.endIndex - begin >= head.bytes else { break }
            frames.append(LogFrame(head: head, payload: Array(rest[begin..<begin + head.bytes])))
            rest = rest[(begin + head.bytes)...]
        }
        waiting = Array(rest)
        guard waiting.count <= Self.headLimit || waiting.prefix(Self.headLimit).contains(0x0A) else { throw Malformed() }
        return frames
    }
}
