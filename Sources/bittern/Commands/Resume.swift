import ArgumentParser
import ControlAPI

struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let a held app go; the newest push of each branch is deployed.")

    @OptionGroup var named: AppArgument

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.order(.resume(app: named.app), as: HoldReply.self) { "\($0.app) is no longer held." }
    }
}
