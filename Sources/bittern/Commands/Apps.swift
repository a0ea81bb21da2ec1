import ArgumentParser
import ControlAPI

struct Apps: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the configured apps.")

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.show(.apps, as: [AppReply].self, text: Self.text)
    }

    static func text(_ apps: [AppReply]) -> String {
        guard !apps.isEmpty else { return "No apps are configured." }
        var table = Table(["APP", "ACCOUNT", "REPOSITORY", "BRANCHES", "ROOT"])
        for app in apps {
            let refs = app.branches + app.tags.map { "tag " + $0 }
            table.add([app.app, app.account, app.repository, refs.joined(separator: ", "), app.root])
        }
        return table.text
    }
}
