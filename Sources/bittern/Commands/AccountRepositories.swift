import ArgumentParser
import ControlAPI

struct AccountRepositories: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repositories",
        abstract: "List the repositories an account sees.",
        discussion: """
            Looks into the workspaces the credential is a member of, and into those and the projects that the configuration names.
            """)

    @OptionGroup var account: AccountArgument

    @Option(name: .customLong("in"), help: ArgumentHelp("Only those of this workspace or project.", valueName: "owner"))
    var owner: String?

    @Option(help: ArgumentHelp("Only those whose names hold this text.", valueName: "text"))
    var search: String?

    @OptionGroup var options: ReadOptions

    func run() async throws {
        let path = ControlPath.repositories(account: account.account, owner: owner, search: search)
        try await options.show(path, as: [RepositoryReply].self, patience: nil, text: Self.text)
    }

    static func text(_ repositories: [RepositoryReply]) -> String {
        var table = Table(["REPOSITORY", "MAIN BRANCH", "APPS"])
        for repository in repositories {
            table.add([
                repository.repository, repository.main_branch ?? "-",
                repository.apps.isEmpty ? "-" : repository.apps.joined(separator: ", "),
            ])
        }
        return table.text
    }
}
