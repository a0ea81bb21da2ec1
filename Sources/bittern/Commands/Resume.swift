import ArgumentParser
import ControlAPI

struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let a held app go; the newest push of each branch is deployed.")

    @Argument(help: "The app's name.")
    var app: String

    @OptionGroup var options: ReadOptions

    func validate() throws {
        try Jobs.checkAppName(app)
    }

    func run() async throws {
        try await options.order(.resume(app: app), as: HoldReply.self) { "\($0.app) is no longer held." }
    }
}
