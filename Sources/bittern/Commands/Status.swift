import ArgumentParser
import ControlAPI

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the daemon, its queue, and what is live for each app.")

    @Flag(help: .hidden)
    var watch = false

    @OptionGroup var options: ReadOptions

    func run() async throws {
        if watch { throw Failure(.failed, "bittern status --watch is not supported yet") }
        try await options.show(.status, as: StatusReply.self, text: Self.text)
    }

    static func text(_ status: StatusReply) -> String {
        let head =
            "bittern \(status.version), up since \(Terminal.localTime(status.started_at)); "
            + "\(status.workers) workers, \(status.running) running, \(status.queued) queued"
        guard !status.apps.isEmpty else { return head + "\n\nNo apps are configured." }
        var table = Table(["APP", "LIVE", "SINCE", "LAST JOB"])
        for app in status.apps {
            table.add([
                app.held ? "\(app.app) (held)" : app.app, app.live.map { "\($0.commit.prefix(7)) (release \($0.id))" } ?? "nothing yet",
                Terminal.localTime(app.live?.activated_at ?? app.live?.created_at), app.last_job.map(lastJob) ?? "none yet",
            ])
        }
        // Mostly one disk is short for all of them.
        let waits = Set(status.apps.compactMap(\.waits)).sorted().map { "\n\nJobs wait: \($0)." }.joined()
        return head + "\n\n" + table.text + waits
    }

    private static func lastJob(_ job: JobReply) -> String {
        let step = job.steps.last { $0.state == "running" }.map { ", in \($0.name)" } ?? ""
        return "\(job.id) \(job.state)\(step)" + (job.state == "failed" ? ": \(job.reason ?? "")" : "")
    }
}
