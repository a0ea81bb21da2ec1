import ArgumentParser
import Domain
import Exec
import FoundationEssentials
import Glibc

struct AccountKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Make an ssh deploy key and print its public half.",
        discussion: """
            Where the file is there already, that is the key, and only its public half is printed. Paste it at the forge as an access key \
            of the repository (or, Data Center, of the project), for reading. No daemon is needed.
            """)

    @OptionGroup var account: AccountArgument

    @Option(
        help: ArgumentHelp(
            "The file of the private half; by default ACCOUNT-key among the daemon's credentials.", valueName: "file"),
        completion: .file())
    var output: String?

    @Flag(help: "Print JSON instead of text for people.")
    var json = false

    private static let credentials = "/etc/bittern/credentials"

    func run() async throws {
        let path = try output ?? usualPath()
        let name = account.account
        let host = ProcessInfo.processInfo.hostName
        let key: DeployKey
        do {
            key = try await DeployKey(at: path, comment: "bittern@\(host)-\(name)")
        } catch {
            throw Failure(.failed, "\(error)")
        }
        let source = output == nil ? "credential:\(name)-key" : "file:\(path)"
        if json {
            try Terminal.printJSON(Reply(account: name, public_key: key.publicHalf, path: path, created: key.isNew, ssh_key: source))
        } else {
            Terminal.print(key.publicHalf)
            Terminal.tell(
                """

                The private half is in \(path)\(key.isNew ? "" : ", where it was before"). Paste the line above at the forge as an access \
                key, then write into the configuration, and restart the daemon:

                    auth: {ssh_key: \(source)}
                """)
        }
    }

    private struct Reply: Encodable {
        var account: String
        var public_key: String
        var path: String
        var created: Bool
        var ssh_key: String
    }

    private func usualPath() throws -> String {
        guard access(Self.credentials, X_OK) == 0 else {
            throw Failure(
                .usage,
                "\(Self.credentials) is not there or not for you; name the key's file with --output, or ask again as root")
        }
        return "\(Self.credentials)/\(account.account)-key"
    }
}
