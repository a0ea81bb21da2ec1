import ArgumentParser

struct AccountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account",
        abstract: "See what an account's credential is good for, and what it sees.",
        discussion: "docs/bitbucket.md walks through each kind of credential, with the scopes it needs.",
        subcommands: [AccountTestCommand.self, AccountRepositories.self, AccountBranches.self, AccountLogin.self, AccountKey.self])
}
