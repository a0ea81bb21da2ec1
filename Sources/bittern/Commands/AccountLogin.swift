import ArgumentParser
import ControlAPI

struct AccountLogin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Let an account's OAuth consumer act for you.",
        discussion: """
            Prints an address to be opened in a browser, and waits up to 10 minutes until you have come back from there. The forge \
            sends you to public_url/oauth/callback, which must be the consumer's callback URL.
            """)

    @OptionGroup var account: AccountArgument
    @OptionGroup var options: ReadOptions

    func run() async throws {
        let client = ControlClient(options.connection, patience: nil)
        let login = try ReplyCoding.decode(LoginReply.self, from: try await client.post(.logIn(account: account.account)))
        // With --json too: somebody has to open it.
        Terminal.tell("Open this address in a browser, and come back here:\n\n    \(login.address)\n")
        let order = ControlOrder.awaitLogin(account: account.account, LoginRequest(state: login.state))
        let reply = try ReplyCoding.decode(LoggedInReply.self, from: try await client.post(order, isAwaited: true))
        if options.json { try Terminal.printJSON(reply) } else { Terminal.print("account \(reply.account) is logged in") }
    }
}
