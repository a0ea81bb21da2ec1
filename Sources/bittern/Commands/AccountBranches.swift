import ArgumentParser
import ControlAPI

struct AccountBranches: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "branches", abstract: "List the branches of a repository.")

    @OptionGroup var account: AccountArgument

    @Argument(help: "The repository: workspace/slug or PROJECT/slug.")
    var repository: String

    @Option(help: ArgumentHelp("Only those whose names hold this text.", valueName: "text"))
    var search: String?

    @OptionGroup var options: ReadOptions

    func run() async throws {
        let path = ControlPath.branches(account: account.account, repository: repository, search: search)
        try await options.show(path, as: [BranchReply].self, patience: nil, text: Self.text)
    }

    static func text(_ branches: [BranchReply]) -> String {
        var table = Table(["BRANCH", "COMMIT", "APPS"])
        for branch in branches {
            table.add([branch.branch, String(branch.commit.prefix(12)), branch.apps.isEmpty ? "-" : branch.apps.joined(separator: ", ")])
        }
        return table.text
    }
}
