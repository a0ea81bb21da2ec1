import Foundation
import RealParts
import Synchronization

/// The daemon of one round: ended in all ways, started again, and told where to kill itself.
final class Victim: Sendable {
    /// How an end comes about that is not the daemon's own doing.
    enum Way: String, Sendable {
        case kill
        /// SIGTERM.
        case inOrder
        /// SIGTERM twice: what runs is put back.
        case hurried
    }

    /// Its files and sockets.
    let daemon: BitternDaemon
    private let tally: CrashTally

    private struct State {
        var plan: CrashPlan?
        var ends: [Int64] = []
        /// Bytes of the log that are older than its last start.
        var logStart = 0
    }

    private let state = Mutex(State())

    init(daemon: BitternDaemon, tally: CrashTally) {
        self.daemon = daemon
        self.tally = tally
    }

    /// What it wrote since its last start.
    var log: String {
        let start = state.withLock { $0.logStart }
        return String(daemon.standardError.utf8.dropFirst(start)) ?? ""
    }

    /// When it was known to have ended, in milliseconds since 1970.
    var ends: [Int64] { state.withLock { $0.ends } }

    private var exitStatus: ExitStatus? { daemon.exitStatus }

    /// Starts it again and waits for `READY=1`, or until it has killed itself as planned; false then.
    func start(_ plan: CrashPlan? = nil) async throws -> Bool {
        let before = daemon.notify.messages.count
        let process = try await launch(plan)
        let isReady = try await eventualValue("READY=1", within: .seconds(20)) { () -> Bool? in
            if process.exitStatus != nil { return false }
            return daemon.notify.messages.dropFirst(before).contains { $0.split(separator: "\n").contains("READY=1") } ? true : nil
        }
        guard isReady else {
            try await ended()
            return false
        }
        return true
    }

    /// Starts it and kills it after so long, wherever it is by then.
    func killDuringStart(after moment: Duration) async throws {
        let process = try await launch(nil)
        try await Task.sleep(for: moment)  // the storm itself
        process.send(signal: SIGKILL)
        try await ended(wasKilled: true)
    }

    private func launch(_ plan: CrashPlan?) async throws -> RunningProcess {
        if let plan { tally.asked(plan) }
        let written = daemon.standardError.utf8.count
        let process = try await daemon.launch(plan.map { ["BITTERN_CRASH_AT": "\($0)"] } ?? [:])
        state.withLock { state in
            state.plan = plan
            state.logStart = written
        }
        return process
    }

    /// Lets it live for so long, less where it kills itself, and ends it. True where it killed itself.
    @discardableResult
    func end(_ way: Way, after pause: Duration) async throws -> Bool {
        let deadline = ContinuousClock.now + pause
        while ContinuousClock.now < deadline, exitStatus == nil {
            try await Task.sleep(for: min(.milliseconds(10), deadline - .now))  // the storm itself
        }
        guard exitStatus == nil else { return try await ended() }
        switch way {
        case .kill:
            daemon.send(signal: SIGKILL)
        case .inOrder:
            daemon.send(signal: SIGTERM)
        case .hurried:
            daemon.send(signal: SIGTERM)
            try await Task.sleep(for: .milliseconds(20))  // what comes between is the storm's
            daemon.send(signal: SIGTERM)
        }
        return try await ended(wasKilled: way == .kill)
    }

    /// Nobody ended it and it has no plan: an end is a finding.
    func mustBeAlive() throws {
        if let status = exitStatus { throw UnexpectedEnd(status: status, log: daemon.standardError) }
    }

    /// Asks it to end and waits until it has.
    func terminate() async throws { try await end(.inOrder, after: .zero) }

    /// Waits for its end, judges it, and says whether it killed itself.
    @discardableResult
    private func ended(wasKilled: Bool = false) async throws -> Bool {
        let status = try await eventualValue("the end of the daemon", within: .seconds(20)) { exitStatus }
        let plan = state.withLock { state in
            state.ends.append(Moment.now)
            return state.plan
        }
        if status == .signaled(SIGKILL), wasKilled { return false }
        if status == .signaled(SIGKILL), let plan {
            tally.hit(plan)
            return true
        }
        guard status == 0, !wasKilled else { throw UnexpectedEnd(status: status, log: daemon.standardError) }
        return false
    }
}

/// Milliseconds since 1970, as the ledger has them.
enum Moment {
    static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }
}

/// The daemon ended, and neither by our hand nor by its own plan, or not as it was asked to.
struct UnexpectedEnd: Error, CustomStringConvertible {
    let status: ExitStatus
    let log: String

    /// From the words of a trap on, where there are any: what follows them is long.
    var description: String {
        let lines = log.split(separator: "\n", omittingEmptySubsequences: false)
        let trap = lines.firstIndex { $0.contains("Fatal error") }
        let shown = trap.map { lines[max(0, $0 - 10)...].prefix(60) } ?? lines.suffix(30)
        return "the daemon \(status); it wrote:\n" + shown.joined(separator: "\n")
    }
}
