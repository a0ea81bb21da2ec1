import ControlAPI
import Domain
import Exec
import Glibc
import ServiceLifecycle
import Storage

/// The log of one job as a stream of frames, read from the files: a follower costs the daemon no memory.
struct LogStream: Sendable {
    /// How often a file that is being written is looked at again while somebody follows. The writer may be another process, so
    /// there is nobody who could tell.
    private static let pause: Duration = .milliseconds(100)
    private static let chunk = 16384

    let ledger: Ledger
    let state: StateDirectory
    let job: Int64
    let onlyStep: String?
    let follow: Bool

    /// Sends every step's output in the order of the steps, and at last how the job ended.
    @concurrent func send(_ write: @concurrent (_ bytes: [UInt8]) async throws -> Void) async throws {
        var position = 0
        while let job = try await ledger.job(job) {
            // Not always the very next: those that go back to a release have their places behind all others.
            while let step = job.steps.first(where: { $0.position >= position }) {
                if onlyStep == nil || step.name == onlyStep { try await send(step, write) }
                position = step.position + 1
                if step.state == .running, !follow { break }
            }
            let isOver = job.state.isEnded && !job.steps.contains { $0.position >= position }
            if isOver || !follow || Task.isShuttingDownGracefully {
                return try await write(LogFrame.end(state: job.state.rawValue, reason: job.reason).encoded())
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    @concurrent private func send(_ step: StepRecord, _ write: @concurrent (_ bytes: [UInt8]) async throws -> Void) async throws {
        try await write(LogFrame.began(step).encoded())
        let path = state.log(StepID(job: job, start: step.start, position: step.position), step: step.name)
        var descriptor: Int32 = -1
        defer { if descriptor >= 0 { close(descriptor) } }
        while true {
            // Asked before the file is read: what was written before the step ended is read after.
            let ended = follow ? try await ended(step) : step
            // A step that has just begun has no file yet, one that could not begin never gets any.
            if descriptor < 0 { descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }
            if descriptor >= 0 { try await sendRest(of: descriptor, step: step.name, write) }
            if let ended {
                if let last = LogFrame.ended(ended) { try await write(last.encoded()) }
                return
            }
            if Task.isShuttingDownGracefully { return }
            try await Task.sleep(for: Self.pause)
        }
    }

    @concurrent private func sendRest(of descriptor: Int32, step: String, _ write: @concurrent (_ bytes: [UInt8]) async throws -> Void)
        async throws
    {
        var buffer = [UInt8](repeating: 0, count: Self.chunk)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return }
            try await write(LogFrame.output(step: step, Array(buffer.prefix(count))).encoded())
        }
    }

    /// The step as it ended; nil while it runs.
    private func ended(_ step: StepRecord) async throws -> StepRecord? {
        let now = try await ledger.job(job)?.steps.first { $0.position == step.position && $0.start == step.start }
        // One that is no longer there belongs to an earlier start, or to a job that is forgotten.
        guard let now else { return step }
        return now.state == .running ? nil : now
    }
}
