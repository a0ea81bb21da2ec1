import ArgumentParser
import ControlAPI
import Domain

struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have the daemon read its configuration again.",
        discussion: "A configuration with problems is refused whole, and the old one stays. Running jobs are not touched.")

    @OptionGroup var options: ReadOptions

    func run() async throws {
        let reply = try await options.order(.reload, as: ReloadReply.self, text: Self.text)
        if !options.json { reply.warnings.forEach { Terminal.tell(SafeText.shown($0)) } }
    }

    static func text(_ reply: ReloadReply) -> String {
        let changes = words(reply.apps, "app") + words(reply.accounts, "account")
        return "Reloaded: " + (changes.isEmpty ? "no app and no account changed" : changes.joined(separator: "; ")) + "."
    }

    private static func words(_ names: ReloadReply.Names, _ what: String) -> [String] {
        [("added", names.added), ("changed", names.changed), ("removed", names.removed)].filter { !$0.1.isEmpty }
            .map { "\(what)\($0.1.count == 1 ? "" : "s") \($0.0): \($0.1.joined(separator: ", "))" }
    }
}
