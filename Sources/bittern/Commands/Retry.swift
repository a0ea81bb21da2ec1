import ArgumentParser
import ControlAPI

struct Retry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Queue a job that does the same as an ended one.",
        discussion: "Only the head of a branch goes live: the retry of an older commit ends as superseded.")

    @Argument(help: "The job's number.")
    var job: Int64

    @Flag(help: "Show its output until it has ended, and exit as it did.")
    var wait = false

    @OptionGroup var options: ReadOptions

    func run() async throws {
        let new = try await options.order(.retry(job), as: JobReply.self) { "Job \($0.id) is queued." }
        if wait { try await JobLog(job: new.id, follow: true).show(over: ControlClient(options.connection)) }
    }
}
