import Domain

/// Asks until the answer is right, or the time for it is over.
struct HealthWatch: Sendable {
    /// The longest that one answer may take.
    private static let patience: Duration = .seconds(10)

    let health: Health
    let probe: any HealthProbe
    let log: StepLog

    /// - Parameter command: runs the check's own command under a limit.
    func run(_ command: (Duration) async -> StepOutcome) async -> StepOutcome {
        let end = ContinuousClock.now + health.within
        var last = ""
        while !Task.isCancelled {
            let left = max(end - .now, .milliseconds(100))
            guard let trouble = await ask(min(left, Self.patience), command) else {
                log.append(line: "the answer is right")
                return .succeeded
            }
            if trouble != last { log.append(line: trouble) }
            last = trouble
            guard ContinuousClock.now + health.interval < end else {
                return .failed(reason: "\(trouble), for \(health.within.inWords)")
            }
            try? await Task.sleep(for: health.interval)  // cancelled: the loop ends
        }
        return .stopped
    }

    private func ask(_ limit: Duration, _ command: (Duration) async -> StepOutcome) async -> String? {
        guard case .run = health.question else { return await probe.ask(health.question, within: limit) }
        switch await command(limit) {
        case .succeeded: return nil
        case .exited(let status): return "the command exited with status \(status)"
        case .exceeded: return "the command took longer than \(limit.inWords)"
        case .signalled(let signal): return "the command was ended by signal \(signal)"
        case .failed(let reason): return reason
        case .stopped, .fetched, .concluded, .lost, .outdated: return "the command was stopped"
        }
    }
}
