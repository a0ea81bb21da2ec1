import ArgumentParser
import ControlAPI

struct Deploy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Deploy an app by hand.",
        discussion: """
            Without options it is the head of the app's first branch without wildcards. No order rule is asked, so an older commit goes live \
            when it is named. A held app is deployed all the same. --all deploys once more what is live of each app: on a new server, that \
            is everything.
            """)

    @Argument(help: "The app's name.", completion: .custom { _, _, _ in await Completion.apps() })
    var app: String?

    @OptionGroup var target: TargetOptions

    @Flag(help: "Each app's live commit once more.")
    var all = false

    @OptionGroup var wait: WaitOption
    @OptionGroup var options: ReadOptions

    func validate() throws {
        guard (app != nil) != all else { throw ValidationError("name one app, or --all for each of them") }
        guard !all || target.isEmpty else { throw ValidationError("--all takes no branch, tag or commit") }
        if let app { try AppArgument.check(app) }
    }

    func run() async throws {
        guard let app else { return try await deployAll() }
        let job = try await options.order(.deploy(app: app, target.request), as: JobReply.self, text: QueuedJob.text)
        try await wait.follow(job.id, options)
    }

    private func deployAll() async throws {
        let jobs = try await options.order(.deployAll, as: [JobReply].self) { $0.map(QueuedJob.text).joined(separator: "\n") }
        guard wait.wait else { return }
        var failed: [JobReply] = []
        for job in jobs {
            do {
                try await wait.follow(job.id, options)
            } catch let failure as Failure where failure.status == .jobFailed {
                failed.append(job)
            }
        }
        guard failed.isEmpty else {
            throw Failure(.jobFailed, "\(failed.count) of \(jobs.count) jobs did not succeed: \(failed.map(\.app).joined(separator: ", "))")
        }
    }
}

/// A job that was just asked for, in a line.
enum QueuedJob {
    static func text(_ job: JobReply) -> String {
        let what =
            job.cause == "rollback"
            ? "\(job.app) goes back to release \(job.release ?? 0)"
            : "\(job.app) at \(job.commit.prefix(7))" + (job.ref.map { " of \($0)" } ?? "")
        return "Job \(job.id) is queued: \(what)." + (job.note.map { "\nNote: \($0)." } ?? "")
    }
}
