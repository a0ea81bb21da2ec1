import ArgumentParser
import ControlAPI
import Daemon
import Domain

struct Hold: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hold an app: its pushes are taken and wait, the newest of each branch.",
        discussion: "T is how long (2h, 3d), a weekday and time (\"Mon 08:00\"), or a time (2026-12-24T08:00:00+01:00), in your own zone.")

    @OptionGroup var named: AppArgument

    @Option(help: ArgumentHelp("When the hold ends by itself.", valueName: "t"))
    var until: String?

    @Option(help: ArgumentHelp("Why, for those who wonder.", valueName: "text"))
    var reason: String?

    @OptionGroup var options: ReadOptions

    func run() async throws {
        let end = try until.map { text -> String in
            guard let time = FutureTime.read(text, now: WallClock.system.now) else {
                throw Failure(.usage, "\"\(SafeText.shown(text, limit: 60))\" is no time; write 2h, \"Mon 08:00\" or 2026-12-24T08:00:00Z")
            }
            return time.rfc3339
        }
        try await options.order(.hold(app: named.app, HoldRequest(until: end, reason: reason)), as: HoldReply.self) { hold in
            "\(hold.app) is held" + (hold.until.map { " until \(Terminal.localTime($0))" } ?? "")
                + "; bittern resume \(hold.app) lets it go"
                + "."
        }
    }
}
