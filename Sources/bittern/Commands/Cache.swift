import ArgumentParser
import ControlAPI

struct Cache: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forget what jobs left for each other.", subcommands: [Clear.self])

    struct Clear: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove the cache directories of an app; the next job begins without.")

        @Argument(help: "The app's name.")
        var app: String

        @OptionGroup var options: ReadOptions

        func validate() throws {
            try Jobs.checkAppName(app)
        }

        func run() async throws {
            try await options.order(.clearCache(app: app), as: AppReply.self) { "The caches of \($0.app) are gone." }
        }
    }
}
