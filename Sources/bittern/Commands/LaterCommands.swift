import ArgumentParser

/// Commands that the manual names and a later version brings: they are known, and say so.
enum LaterCommands {
    static let all: [any ParsableCommand.Type] = [
        Later<Account>.self, Later<Hooks>.self,
    ]

    protocol Name {
        static var name: String { get }
    }

    struct Later<Command: Name>: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(commandName: Command.name, abstract: "Not supported yet.", shouldDisplay: false)
        }

        @Argument(parsing: .captureForPassthrough)
        var arguments: [String] = []

        func run() throws {
            throw Failure(.failed, "bittern \(Command.name) is not supported yet; bittern --help lists what is")
        }
    }

    enum Account: Name { static let name = "account" }
    enum Hooks: Name { static let name = "hooks" }
}
