import ArgumentParser
import ControlAPI

struct Retry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Queue a job that does the same as an ended one.",
        discussion: "Only the head of a branch goes live: the retry of an older commit ends as superseded.")

    @OptionGroup var named: JobArgument

    @OptionGroup var wait: WaitOption

    @OptionGroup var options: ReadOptions

    func run() async throws {
        let new = try await options.order(.retry(named.job), as: JobReply.self) { "Job \($0.id) is queued." }
        try await wait.follow(new.id, options)
    }
}
