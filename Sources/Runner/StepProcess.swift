import Dispatch
import Domain
import Exec
import FoundationEssentials
import Glibc
import Logging
import RunnerAPI
import Systemd

/// The process `bittern step`: does the work of one step in a unit of its own.
///
/// It is given three descriptors and nothing else. Standard input is the sealed specification. Standard output is the log, opened by
/// whoever started it, so that no path is followed here. Standard error is where the result goes, one line of JSON: the exit status alone
/// could not say of a command that ran too long what it ran into.
package enum StepProcess {
    /// Does the work to its end, or until the unit is stopped (SIGTERM).
    ///
    /// - Returns: the exit status: the command's own; 128 and the signal's number for a command that a signal ended, as a shell has it; 124
    ///   for one that ran into a limit, as timeout(1) has it; 125 when it could not be run.
    package static func run() async -> Int32 {
        // The command runs as the same user, and gets some of the secrets this process has for the mask, not all.
        guard OwnProcess.hideMemory() else { return 125 }
        let (log, results) = (OwnProcess.kept(STDOUT_FILENO), OwnProcess.kept(STDERR_FILENO))
        guard log >= 0, results >= 0 else { return 125 }
        let result: StepResult
        do {
            let specification = try StepSpecification(sealed: STDIN_FILENO)
            try OwnProcess.closeStandardThree()
            result = await supervise(specification, log: log)
        } catch {
            result = StepResult(.failed(reason: error.phrase))
            close(log)
        }
        tell(result, to: results)
        return status(of: result)
    }

    private static func supervise(_ specification: StepSpecification, log descriptor: Int32) async -> StepResult {
        let journal = specification.journal.map { fields in
            Lines(output: StepOutput(fields.mapValues { .string($0) }, OutputQueue()))
        }
        let order = specification.order
        let log = StepLog(descriptor: descriptor, mask: LogMask(secrets: order.secrets), limit: order.app.logLimit, journal: journal)
        let systemctl = Systemctl.current(environment: [:])
        let supervision = Task { await specification.perform(log: log, probe: NoProbe(), systemctl: systemctl) }
        let stop = DispatchSource.makeSignalSource(signal: SIGTERM)
        signal(SIGTERM, SIG_IGN)  // otherwise the process is ended before the source hears of it
        stop.setEventHandler { @Sendable in supervision.cancel() }
        stop.resume()
        defer { stop.cancel() }
        var outcome = await supervision.value
        log.close()
        if case .fetched(var fetched) = outcome {
            let changed = fetched.facts?.changed
            // One of thousands is enough to say.
            fetched.facts?.changed = changed.map(FilterRules(order.app.filters).decisive)
            outcome = .fetched(fetched)
        }
        var result = StepResult(outcome)
        let usage = ControlGroup.ownUsage()
        (result.cpu_ms, result.memory) = (usage.processorTime?.wholeMilliseconds, usage.memory)
        return result
    }

    private static func tell(_ result: StepResult, to descriptor: Int32) {
        // A result that cannot be told is one that the exit status has to stand for.
        guard let line = try? result.line() else { return }
        line.withUnsafeBytes { _ = write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
    }

    private static func status(of result: StepResult) -> Int32 {
        switch result.end {
        case .succeeded, .fetched: 0
        case .exited: result.number ?? 125
        case .signalled: 128 + (result.number ?? 0)
        case .stopped: 128 + SIGTERM
        case .stepLimit, .jobLimit, .silence: 124
        case .failed: 125
        }
    }
}

/// A step has no network that it could ask over; see ``StepSpecification``.
private struct NoProbe: HealthProbe {
    func ask(_ question: Health.Question, within limit: Duration) async -> String? { "a step asks no addresses" }
}

/// The journal as the log knows it.
private struct Lines: OutputJournal {
    let output: StepOutput

    func take(_ lines: [[UInt8]]) -> Int { output.take(lines) }
    func settle() { output.settle() }
}
