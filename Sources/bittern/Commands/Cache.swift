import ArgumentParser
import ControlAPI

struct Cache: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forget what jobs left for each other.", subcommands: [Clear.self])

    struct Clear: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove the cache directories of an app; the next job begins without.")

        @OptionGroup var named: AppArgument

        @OptionGroup var options: ReadOptions

        func run() async throws {
            try await options.order(.clearCache(app: named.app), as: AppReply.self) { "The caches of \($0.app) are gone." }
        }
    }
}
