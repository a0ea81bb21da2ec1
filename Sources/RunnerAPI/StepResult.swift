package import Domain
package import FoundationEssentials

/// How a step in a unit ended, as its supervisor, the runner and the daemon tell it to one another: one line of JSON.
package struct StepResult: Codable, Sendable, Equatable {
    package enum End: String, Codable, Sendable {
        case succeeded, exited, signalled, stopped, failed, fetched
        case stepLimit = "step-limit"
        case jobLimit = "job-limit"
        case silence
    }

    package var end: End
    /// The exit status, or the signal's number.
    package var number: Int32?
    package var limit_ms: Int64?
    package var reason: String?
    package var fetched: OrderRules.Fetched?
    /// Processor time; without it, not known. So is the next.
    package var cpu_ms: Int64?
    /// Bytes at most at one time.
    package var memory: Int?

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
        case .fetched(let fetched): (end, self.fetched) = (.fetched, fetched)
        // What these say is decided by the daemon, never by a step.
        case .concluded, .lost, .outdated: (end, reason) = (.failed, "a step cannot end so")
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
        case .fetched: fetched.map { .fetched($0) } ?? .failed(reason: "nobody said what was fetched")
        }
    }

    package var usage: StepUsage { StepUsage(processorTime: cpu_ms.map { .milliseconds($0) }, memory: memory) }

    /// With its line end.
    package func line() throws -> Data { try RunnerLine.encode(self) }

    /// - Returns: nil for anything but one whole line.
    package init?(line: some BidirectionalCollection<UInt8>) {
        guard let result = try? RunnerLine.decode(StepResult.self, from: line, longest: RunnerReply.longestLine) else { return nil }
        self = result
    }
}
