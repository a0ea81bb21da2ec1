import ArgumentParser
import ControlAPI

struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cancel a job that waits or runs.",
        discussion: "What a running step started is asked to end, and made to within 10 seconds.")

    @OptionGroup var named: JobArgument

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.order(.cancel(named.job), as: JobReply.self) { job in
            job.state == "running" ? "Job \(job.id) is being ended." : "Job \(job.id) is \(job.state)."
        }
    }
}
