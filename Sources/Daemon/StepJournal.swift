import Domain
import Exec
import Systemd

extension StepOutput: OutputJournal {}

/// Brings steps' output to the journal.
enum StepJournal {
    /// The journal when it has the daemon's own lines too. Otherwise nothing: the log files have the output, and on standard error
    /// it would only stand between those lines.
    static func current(environment: [String: String]) -> OutputJournals {
        guard logsToJournal(environment: environment) else { return { _, _ in nil } }
        let queue = OutputQueue()
        return { job, step in StepOutput(Reporter.fields(of: job, step: step), queue) }
    }
}
