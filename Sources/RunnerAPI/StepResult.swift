package import Domain
package import FoundationEssentials

/// How a step in a unit ended, as its supervisor, the runner and the daemon tell it to one another: one line of JSON.
package struct StepResult: Codable, Sendable, Equatable {
    package enum End: String, Codable, Sendable {
        case succeeded, exited, signalled, stopped, failed
        case stepLimit = "step-limit"
        case jobLimit = "job-limit"
        case silence
    }

    package var end: End
    /// The exit status, or the signal's number.
    package var number: Int32?
    package var limit_ms: Int64?
    package var reason: String?

    package init(_ outcome: StepOutcome) {
        switch outcome {
        case .succeeded: end = .succeeded
        case .exited(let status): (end, number) = (.exited, status)
        case .signalled(let signal): (end, number) = (.signalled, signal)
        case .stopped: end = .stopped
        case .failed(let reason): (end, self.reason) = (.failed, reason)
        case .exceeded(.step(let limit)): (end, limit_ms) = (.stepLimit, limit.wholeMilliseconds)
        case .exceeded(.job(let limit)): (end, limit_ms) = (.jobLimit, limit.wholeMilliseconds)
        case .exceeded(.silence(let limit)): (end, limit_ms) = (.silence, limit.wholeMilliseconds)
        // Only a fetch comes to these, and it has a result of its own.
        case .fetched, .concluded: (end, reason) = (.failed, "a command cannot fetch")
        }
    }

    package var outcome: StepOutcome {
        let limit = Duration.milliseconds(limit_ms ?? 0)
        return switch end {
        case .succeeded: .succeeded
        case .exited: .exited(status: number ?? -1)
        case .signalled: .signalled(number ?? 0)
        case .stopped: .stopped
        case .failed: .failed(reason: reason ?? "nobody said why")
        case .stepLimit: .exceeded(.step(limit))
        case .jobLimit: .exceeded(.job(limit))
        case .silence: .exceeded(.silence(limit))
        }
    }

    /// With its line end.
    package func line() throws -> Data { try RunnerLine.encode(self) }

    /// - Returns: nil for anything but one whole line.
    package init?(line: some BidirectionalCollection<UInt8>) {
        guard let result = try? RunnerLine.decode(StepResult.self, from: line, longest: RunnerReply.longestLine) else { return nil }
        self = result
    }
}
