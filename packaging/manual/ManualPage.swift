/// bittern(1): a frame written by hand, filled with what `--help` says too.
struct ManualPage {
    /// In so many commands an option must stand to be told of once for all.
    private static let few = 3
    private static let statusMark = "Exit status: "

    private let root: Help.Command
    /// mdoc with a line `@NAME@` for each of ``Place``.
    private let frame: String
    private let commands: [Help.Command]
    /// Told of once, in the order they first stand.
    private let commonOptions: [Help.Argument]

    /// What the frame leaves open.
    private enum Place: String, CaseIterable {
        case summary = "@SUMMARY@"
        case description = "@DESCRIPTION@"
        case options = "@OPTIONS@"
        case commands = "@COMMANDS@"
        case statuses = "@STATUSES@"
    }

    init(help: Help, frame: String) {
        root = help.command
        self.frame = frame
        commands = help.command.shownDescendants
        commonOptions = Self.common(to: [help.command] + commands)
    }

    /// - Throws: ``ManualError`` when the frame lacks a place, or the help what belongs there.
    func text() throws -> String {
        let lines = frame.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for place in Place.allCases where !lines.contains(place.rawValue) {
            throw ManualError("the frame of the page has no line \(place.rawValue)")
        }
        return try lines.flatMap { line in try Place(rawValue: line).map(filling) ?? [line] }.joined(separator: "\n")
    }

    private func filling(_ place: Place) throws -> [String] {
        switch place {
        case .summary: [".Nd " + summary]
        case .description: Mdoc.paragraphs(descriptionParagraphs.joined(separator: "\n\n"))
        case .options: list(commonOptions)
        case .commands: commands.flatMap(section)
        case .statuses: try statuses().flatMap { [".It " + Mdoc.argument($0.number)] + Mdoc.paragraphs($0.meaning) }
        }
    }

    /// What the program does, as a line of whatis(1): no capital, no full stop.
    private var summary: String {
        let abstract = root.abstract ?? ""
        let sentence = abstract.prefix(1).lowercased() + abstract.dropFirst()
        return Mdoc.argument(sentence.hasSuffix(".") ? String(sentence.dropLast()) : sentence).trimming("\"")
    }

    // MARK: What the help says at its top

    private var paragraphs: [String] { (root.discussion ?? "").split(separator: "\n\n").map(String.init) }

    private var descriptionParagraphs: [String] { paragraphs.filter { !$0.hasPrefix(Self.statusMark) } }

    /// `Exit status: 0 done; 1 refused.` taken apart.
    private func statuses() throws -> [(number: String, meaning: String)] {
        guard let paragraph = paragraphs.first(where: { $0.hasPrefix(Self.statusMark) }) else {
            throw ManualError("the help has no paragraph that begins with \"\(Self.statusMark)\"")
        }
        return try paragraph.dropFirst(Self.statusMark.count).trimming(".").split(separator: "; ").map { item in
            let parts = item.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, Int(parts[0]) != nil else {
                throw ManualError("\"\(item)\" in the help's exit statuses is no number with its meaning")
            }
            return (String(parts[0]), parts[1].prefix(1).uppercased() + parts[1].dropFirst() + ".")
        }
    }

    // MARK: Commands

    private func section(of command: Help.Command) -> [String] {
        let own = command.shownArguments.filter { !commonOptions.contains($0) && !($0.abstract ?? "").isEmpty }
        var lines = [".Ss " + command.words.map(Mdoc.argument).joined(separator: " ")]
        if !command.isOnlyAGroup { lines += synopsis(of: command) + [".Pp"] }
        lines += Mdoc.paragraphs(command.abstract ?? "")
        if let discussion = command.discussion { lines += [".Pp"] + Mdoc.paragraphs(discussion) }
        return lines + list(own)
    }

    /// Without what every command takes.
    private func synopsis(of command: Help.Command) -> [String] {
        let arguments = command.shownArguments.filter { !root.shownArguments.contains($0) }
        let ordered = arguments.filter { $0.kind != .positional } + arguments.filter { $0.kind == .positional }
        return [".Nm", ".Cm " + command.words.map(Mdoc.argument).joined(separator: " ")] + ordered.map(\.synopsis)
    }

    private func list(_ arguments: [Help.Argument]) -> [String] {
        guard !arguments.isEmpty else { return [] }
        return [".Bl -tag -width Ds"] + arguments.flatMap { [".It " + $0.heading] + $0.explanation } + [".El"]
    }

    private static func common(to commands: [Help.Command]) -> [Help.Argument] {
        let options = commands.flatMap(\.shownArguments).filter { $0.kind != .positional }
        let counts = Dictionary(options.map { ($0, 1) }, uniquingKeysWith: +)
        var seen: Set<Help.Argument> = []
        return options.filter { counts[$0, default: 0] >= few && seen.insert($0).inserted }
    }
}

// MARK: - Arguments

extension Help.Argument {
    /// A line of its own in a synopsis.
    fileprivate var synopsis: String {
        let whole = (preferredName.map { [$0.macro] } ?? []) + value
        return (isOptional ? ".Op " : ".") + whole.joined(separator: " ")
    }

    /// All its names, and what follows them.
    fileprivate var heading: String {
        let names = (names ?? []).map(\.macro).joined(separator: " , ")
        return ([names] + value).filter { !$0.isEmpty }.joined(separator: " ")
    }

    fileprivate var explanation: [String] {
        let values = (allValues ?? []).filter { !(abstract ?? "").contains($0) }
        let sentences = [
            abstract, discussion,
            values.isEmpty ? nil : "One of \(values.joined(separator: ", ")).",
            defaultValue.map { "Default: \($0)." },
        ]
        return Mdoc.paragraphs(sentences.compactMap(\.self).joined(separator: " "))
    }

    private var value: [String] {
        guard kind != .flag else { return [] }
        return ["Ar " + Mdoc.argument(valueName ?? "value")] + (isRepeating ? ["..."] : [])
    }
}

extension Help.Argument.Name {
    fileprivate var macro: String {
        switch kind {
        case .long: "Fl \\-" + Mdoc.argument(name)
        case .short, .longWithSingleDash: "Fl " + Mdoc.argument(name)
        }
    }
}

extension StringProtocol {
    /// Without one such text at its end and one at its beginning.
    fileprivate func trimming(_ text: String) -> String {
        let rest = hasPrefix(text) ? dropFirst(text.count) : self[...]
        return String(rest.hasSuffix(text) ? rest.dropLast(text.count) : rest)
    }
}
