import ArgumentParser
import Domain

/// Looks for the command that was meant, where the parser would only say that it did not expect the word.
enum CommandName {
    /// - Throws: ``Failure`` when a word stands where a command should and is none.
    static func check(_ arguments: [String], of root: any ParsableCommand.Type) throws {
        var command = root
        for word in arguments {
            let commands = command.configuration.subcommands
            // Options come behind the command; help is the parser's own.
            guard !commands.isEmpty, !word.hasPrefix("-"), word != "help" else { return }
            guard let next = commands.first(where: { $0._commandName == word }) else { throw unknown(word, among: commands, of: command) }
            command = next
        }
    }

    private static func unknown(
        _ word: String, among commands: [any ParsableCommand.Type], of command: any ParsableCommand.Type
    ) -> Failure {
        let shown = commands.filter { $0.configuration.shouldDisplay }.map { $0._commandName }
        let parent = command == Bittern.self ? "bittern" : "bittern \(command._commandName)"
        let hint = Spelling.nearest(to: word, among: shown).map { "did you mean \($0)?" } ?? "\(parent) --help lists them"
        return Failure(.usage, "there is no command \"\(SafeText.shown(word, limit: 60))\"; \(hint)")
    }
}
