import ArgumentParser
import ControlAPI

struct Rollback: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put a kept release live again, without building.",
        discussion: """
            Its deploy steps run (but those with rollback: false), then restart, reload and health. The next push goes live as ever, unless \
            the app is held.
            """)

    @OptionGroup var named: AppArgument

    @Argument(help: "The release's number; default: the good one that was live before.")
    var release: Int64?

    @Flag(help: "Hold the app, so that the next push waits.")
    var hold = false

    @OptionGroup var wait: WaitOption

    @OptionGroup var options: ReadOptions

    func run() async throws {
        let order = ControlOrder.rollback(app: named.app, RollbackRequest(release: release, hold: hold))
        let job = try await options.order(order, as: JobReply.self) {
            "Job \($0.id) is queued: \($0.app) goes back to release \($0.release ?? 0)."
        }
        try await wait.follow(job.id, options)
    }
}
