import ArgumentParser
import ControlAPI
import Domain

struct Jobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List jobs, the newest first.")

    @Option(help: "Only jobs of this app.", completion: .custom { _, _, _ in await Completion.apps() })
    var app: String?

    @Option(
        help: ArgumentHelp("Only jobs in this state: \(Job.State.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "state"))
    var state: Job.State?

    @OptionGroup var few: LimitOption

    @OptionGroup var options: ReadOptions

    func validate() throws {
        if let app { try AppArgument.check(app) }
    }

    func run() async throws {
        try await options.show(.jobs(app: app, state: state, limit: few.limit), as: [JobReply].self, text: Self.text)
    }

    static func text(_ jobs: [JobReply]) -> String {
        guard !jobs.isEmpty else { return "No jobs." }
        var table = Table(["JOB", "APP", "COMMIT", "REF", "CAUSE", "STATE", "QUEUED", "REASON"])
        for job in jobs {
            table.add([
                String(job.id), job.app, String(job.commit.prefix(7)), Terminal.ref(job.ref), job.cause, job.state,
                Terminal.localTime(job.queued_at), job.reason ?? "",
            ])
        }
        return table.text
    }
}

extension Job.State: ExpressibleByArgument {}
