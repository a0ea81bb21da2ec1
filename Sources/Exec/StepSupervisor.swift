package import Domain
import Glibc
import Synchronization

/// Runs one command of a step under its limits: in a session of its own, its output masked and bounded before a byte reaches the
/// disk, and nothing left of it afterwards.
package struct StepSupervisor: Sendable {
    /// The limits of one run; nil: none.
    package struct Limits: Sendable, Equatable {
        package var step: Duration?
        package var silence: Duration?

        package init(step: Duration?, silence: Duration?) {
            self.step = step
            self.silence = silence
        }
    }

    private enum Event: Sendable {
        case ended(StepOutcome)
        case reached(StepLimit)
        case timerCancelled
    }

    let command: Command
    let limits: Limits
    let log: StepLog

    package init(_ command: Command, limits: Limits, log: StepLog) {
        self.command = command
        self.limits = limits
        self.log = log
    }

    /// Runs to the end, a limit or the cancellation of the task, whichever comes first.
    package func run() async -> StepOutcome {
        let lastOutput = LastOutput()
        return await withTaskGroup(of: Event.self) { group in
            group.addTask { .ended(await execute(noting: lastOutput)) }
            if let limit = limits.step { group.addTask { await timer(limit, .step(limit)) } }
            if let silence = limits.silence { group.addTask { await silenceTimer(silence, lastOutput) } }
            var reached: StepLimit?
            for await event in group {
                switch event {
                case .ended(let outcome):
                    group.cancelAll()
                    return verdict(outcome, reached)
                case .reached(let limit):
                    reached = reached ?? limit
                    group.cancelAll()
                case .timerCancelled:
                    continue
                }
            }
            return .stopped
        }
    }

    private func verdict(_ outcome: StepOutcome, _ reached: StepLimit?) -> StepOutcome {
        if let reached { return .exceeded(reached) }
        if Task.isCancelled, outcome != .succeeded { return .stopped }
        return outcome
    }

    private func execute(noting lastOutput: LastOutput) async -> StepOutcome {
        do {
            return try await ChildProcess.run(command) { bytes in
                lastOutput.note()
                log.append(bytes)
            }
        } catch let error as ExecError {
            return .failed(reason: error.phrase)
        } catch is CancellationError {
            return .stopped
        } catch {
            return .failed(reason: "the command could not be watched: \(error)")
        }
    }

    private func timer(_ duration: Duration, _ limit: StepLimit) async -> Event {
        do {
            try await Task.sleep(for: max(duration, .zero), tolerance: .milliseconds(50))
            return .reached(limit)
        } catch {
            return .timerCancelled
        }
    }

    private func silenceTimer(_ limit: Duration, _ lastOutput: LastOutput) async -> Event {
        while true {
            let left = limit - lastOutput.age
            if left <= .zero { return .reached(.silence(limit)) }
            if case .timerCancelled = await timer(left, .silence(limit)) { return .timerCancelled }
        }
    }
}

/// When output was last seen.
private final class LastOutput: Sendable {
    private let moment = Mutex(ContinuousClock.now)

    func note() {
        moment.withLock { $0 = .now }
    }

    var age: Duration {
        moment.withLock { $0.duration(to: .now) }
    }
}
