/// How a step ended, as a fact; what it means for the job is the ``JobMachine``'s.
package enum StepOutcome: Sendable, Equatable {
    case succeeded
    case exited(status: Int32)
    case signalled(Int32)
    /// It was ended because a limit was reached.
    case exceeded(StepLimit)
    /// It was ended because somebody asked for it.
    case stopped
    /// It could not do its work; one phrase that names the cause.
    case failed(reason: String)
    /// The fetch brought what the forge has; whether the job goes on is for ``OrderRules`` to say.
    case fetched(OrderRules.Fetched)
    /// Nobody knows what became of it: the host went down under it, or the runner.
    case lost
    /// It was not run, because the app is configured otherwise by now.
    case outdated
    /// It did its work and found that the job has nothing to do, and why.
    case concluded(JobEnd)

    /// The state the ledger keeps for the step.
    package var recordedState: StepRecord.State {
        switch self {
        case .succeeded, .fetched, .concluded: .succeeded
        case .exited, .signalled, .exceeded, .failed: .failed
        case .stopped, .lost, .outdated: .cancelled
        }
    }

    package var exitStatus: Int32? {
        switch self {
        case .succeeded: 0
        case .exited(let status): status
        case .signalled, .exceeded, .stopped, .failed, .fetched, .concluded, .lost, .outdated: nil
        }
    }

    package var signal: Int32? {
        if case .signalled(let signal) = self { signal } else { nil }
    }
}

/// The limits under which a step runs.
package enum StepLimit: Sendable, Equatable {
    /// The step's own `timeout`.
    case step(Duration)
    /// The job's `timeout`.
    case job(Duration)
    /// `no_output_timeout`
    case silence(Duration)
}

extension StepOutcome {
    /// Why the job failed, as a phrase without full stop; nil when the step did not fail.
    package func failure(ofStep name: String) -> String? {
        switch self {
        case .succeeded, .fetched, .concluded: nil
        case .exited(let status): "step \"\(name)\" exited with status \(status)\(Self.hint(forStatus: status))"
        case .signalled(let signal): "step \"\(name)\" was ended by signal \(signal)\(Self.name(ofSignal: signal))"
        case .exceeded(.step(let limit)): "step \"\(name)\" ran longer than its limit of \(limit.inWords)"
        case .exceeded(.job(let limit)): "the job ran longer than its limit of \(limit.inWords); it was in step \"\(name)\""
        case .exceeded(.silence(let limit)): "step \"\(name)\" wrote nothing for \(limit.inWords) and was ended"
        case .stopped: "step \"\(name)\" was stopped"
        case .lost: "step \"\(name)\" was lost"
        case .outdated: "step \"\(name)\" was not run, because the app is configured otherwise by now"
        case .failed(let reason): "\(name == "health" ? "health check" : name): \(SafeText.shown(reason))"
        }
    }

    /// The two statuses with which a POSIX shell itself ends (XCU 2.8.2).
    private static func hint(forStatus status: Int32) -> String {
        switch status {
        case 126: " (a command could not be executed)"
        case 127: " (a command was not found)"
        default: ""
        }
    }

    private static func name(ofSignal signal: Int32) -> String {
        let names: [Int32: String] = [
            1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE", 15: "TERM",
            24: "XCPU", 25: "XFSZ",
        ]
        return names[signal].map { " (\($0))" } ?? ""
    }
}

extension Duration {
    /// As the configuration writes it: `90s`, `15m`, `2h`, `7d`; fractions of a second as `1.5s`.
    package var inWords: String {
        let milliseconds = wholeMilliseconds
        guard milliseconds % 1000 == 0 else { return "\(Double(milliseconds) / 1000)s" }
        let seconds = milliseconds / 1000
        if seconds > 0 {
            if seconds % 86400 == 0 { return "\(seconds / 86400)d" }
            if seconds % 3600 == 0 { return "\(seconds / 3600)h" }
            if seconds % 60 == 0, seconds != 60 { return "\(seconds / 60)m" }
        }
        return "\(seconds)s"
    }
}
