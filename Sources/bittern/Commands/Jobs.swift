import ArgumentParser
import ControlAPI
import Domain

struct Jobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List jobs, the newest first.")

    @Option(help: "Only jobs of this app.")
    var app: String?

    @Option(
        help: ArgumentHelp("Only jobs in this state: \(Job.State.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "state"))
    var state: Job.State?

    @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
    var limit = 20

    @OptionGroup var options: ReadOptions

    func validate() throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit takes a number from 1 to 10000") }
        if let app { try Self.checkAppName(app) }
    }

    /// What could not be the name of an app must not become part of a request's path.
    static func checkAppName(_ name: String) throws {
        let isName =
            !name.isEmpty && name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || "._-".utf8.contains($0) }
        guard isName else { throw ValidationError("\"\(name)\" is not the name of an app; bittern apps lists them") }
    }

    func run() async throws {
        try await options.show(.jobs(app: app, state: state, limit: limit), as: [JobReply].self, text: Self.text)
    }

    static func text(_ jobs: [JobReply]) -> String {
        guard !jobs.isEmpty else { return "No jobs." }
        var table = Table(["JOB", "APP", "COMMIT", "REF", "CAUSE", "STATE", "QUEUED", "REASON"])
        for job in jobs {
            table.add([
                String(job.id), job.app, String(job.commit.prefix(7)), job.ref ?? "-", job.cause, job.state,
                Terminal.localTime(job.queued_at), job.reason ?? "",
            ])
        }
        return table.text
    }
}

extension Job.State: ExpressibleByArgument {}
