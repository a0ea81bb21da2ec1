import ArgumentParser
import ControlAPI
import Domain

struct AccountTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Ask the forge what an account's credential may do.",
        discussion: """
            Asks over REST and with git, and changes nothing. Says what works, which scopes are missing, and which rights the credential \
            has beyond need. Exits with 1 when there is a problem; a warning is none.
            """)

    @OptionGroup var account: AccountArgument
    @OptionGroup var options: ReadOptions

    func run() async throws {
        let findings = try await ControlClient(options.connection, patience: nil).get(
            .accountTest(account.account), as: [FindingReply].self)
        try Doctor.show(findings, options)
    }
}
