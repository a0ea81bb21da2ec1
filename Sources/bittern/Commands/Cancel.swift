import ArgumentParser
import ControlAPI

struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cancel a job that waits or runs.",
        discussion: "What a running step started is asked to end, and made to within 10 seconds.")

    @Argument(help: "The job's number.")
    var job: Int64

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.order(.cancel(job), as: JobReply.self) { job in
            job.state == "running" ? "Job \(job.id) is being ended." : "Job \(job.id) is \(job.state)."
        }
    }
}
