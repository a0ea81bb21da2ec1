import Foundation
import RealParts
import Testing

/// The pages and completions that are made of the same help as `--help`.
@Suite(.fewAtOnce) struct ManualTests {
    /// Warnings too: errors alone are places where text is lost.
    private static let lint = ["mandoc", "-T", "lint", "-W", "warning"]

    @Test("the pages are well formed", arguments: ["bittern.1", "bittern.yaml.5", "bittern-app.5"])
    func wellFormed(page: String) async throws {
        try await withPages { pages in
            let result = try await Shell.run(Self.lint + [pages.path(page)])
            #expect(result.status == 0 && result.output.isEmpty, "\(result)")
            let text = try pages.read(page)
            #expect(text.contains(".Dd January 1, 1970\n"))
            let version = try await bittern("--version").trimmingCharacters(in: .newlines)
            #expect(text.contains(".Os Bittern \(version)\n"))
            #expect(text.matches(of: /@[A-Z]+@/).isEmpty, "a place was not filled")
        }
    }

    @Test("bittern(1) has a section for every command that --help lists, and for what is below it")
    func commands() async throws {
        let listed = try commandsListed(in: try await bittern("--help"))
        try #require(listed.contains("serve") && listed.contains("cache"))
        try await withPages { pages in
            let sections = try sections(of: pages.read("bittern.1"))
            for command in listed { #expect(sections.contains(command), "\(command)") }
            #expect(sections.contains("cache clear"))
        }
    }

    @Test("bittern(1) does not tell of what --help hides")
    func hidden() async throws {
        let help = try JSONValue(parsing: try await bittern("--experimental-dump-help"))
        try await withPages { pages in
            let text = try pages.read("bittern.1")
            let sections = sections(of: text)
            for command in help["command"]["subcommands"].array {
                let name = try #require(command["commandName"].string)
                #expect(sections.contains(name) == (command["shouldDisplay"] == true), "\(name)")
            }
            #expect(!text.contains("experimental"))
        }
    }

    @Test("bittern(1) has the exit statuses of --help, each with its meaning")
    func statuses() async throws {
        let help = try await bittern("--help").split(whereSeparator: \.isWhitespace).joined(separator: " ")
        try await withPages { pages in
            let text = try pages.read("bittern.1")
            let section = try #require(text.components(separatedBy: ".Sh EXIT STATUS\n").last?.components(separatedBy: "\n.Sh ").first)
            let lines = section.components(separatedBy: "\n")
            let numbers = lines.filter { $0.hasPrefix(".It ") }.map { $0.dropFirst(4) }
            #expect(numbers == ["0", "1", "2", "3", "4", "5"])
            for (item, meaning) in zip(lines, lines.dropFirst()) where item.hasPrefix(".It ") {
                let said = "\(item.dropFirst(4)) \(meaning.prefix(1).lowercased())\(meaning.dropFirst().dropLast())"
                #expect(help.contains(said), "\(said)")
            }
        }
    }

    @Test("whatever stands in the help comes out of the page as it stands there")
    func escaping() async throws {
        let abstract = #"Op \fB ".Pp" it's --all -x ~/a^b `c` “é”"#
        let discussion = #".So it says\n\nfirst. 'Second\n\nExit status: 0 done; 1 a\\b"#
        let argument = #"""
            {"kind": "option", "names": [{"kind": "long", "name": "so-much"}], "preferredName": {"kind": "long", "name": "so-much"},
             "valueName": "Fl x", "abstract": "Ar .", "isOptional": true, "isRepeating": false, "shouldDisplay": true}
            """#
        let quoted = abstract.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        let help = """
            {"serializationVersion": 0, "command": {"commandName": "bittern", "abstract": "Does.", "discussion": "\(discussion)",
             "shouldDisplay": true, "subcommands": [{"commandName": "No", "superCommands": ["bittern"], "abstract": "\(quoted)",
             "shouldDisplay": true, "arguments": [\(argument)]}]}}
            """
        try await withTemporaryDirectory { directory in
            let page = try directory.write(try await manual(help).output, to: "page.1")
            #expect(try await Shell.run(["mandoc", "-T", "lint", "-W", "error", page]).output.isEmpty)
            let shown = try await Shell.check(["mandoc", "-T", "utf8", "-O", "width=200", page]).output.replacing(/.\u{8}/, with: "")
            for text in [
                abstract, ".So it says", "'Second", "[--so-much Fl x]", "Ar .", "1 A\\b.", "bittern No",
            ] {
                #expect(shown.replacing(#/ +/#, with: " ").contains(text), "\(text) in \(shown)")
            }
        }
    }

    @Test(
        "manual says in a sentence why there is no page",
        arguments: [
            "", "{}", #"{"serializationVersion": 1, "command": {"commandName": "bittern", "shouldDisplay": true}}"#,
            #"{"serializationVersion": 0, "command": {"commandName": "bittern", "shouldDisplay": true}}"#,
        ])
    func noPage(help: String) async throws {
        let result = try await manual(help)
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(result.error.hasPrefix("manual: ") && result.error.split(separator: "\n").count == 1, "\(result)")
    }

    @Test("each shell takes the completions made for it", arguments: ["bash", "zsh", "fish"])
    func completionsParse(shell: String) async throws {
        try await withTemporaryDirectory { directory in
            let script = try directory.write(try await bittern("--generate-completion-script", shell), to: "completions")
            let result = try await Shell.run([shell, "-n", script])
            #expect(result.status == 0 && result.error.isEmpty, "\(result)")
        }
    }

    @Test("bash completes a command that was begun")
    func completionInBash() async throws {
        // What readline sets before it calls the function that was registered (bash(1), Programmable Completion).
        let typed = "COMP_WORDS=(bittern sta) COMP_CWORD=1 COMP_LINE='bittern sta' COMP_POINT=11"
        let call = #"$(complete -p bittern | sed 's/.*-F \([^ ]*\).*/\1/') bittern sta bittern; echo "${COMPREPLY[*]}""#
        #expect(try await completed(in: ["bash", "--norc", "-c"], by: "source ./bash; \(typed); \(call)") == "status")
    }

    @Test("fish completes a command that was begun")
    func completionInFish() async throws {
        let words = try await completed(in: ["fish", "--no-config", "-c"], by: "source ./fish; complete --do-complete 'bittern sta'")
        #expect(words.split(separator: "\t").first == "status", "\(words)")
    }

    // MARK: -

    private var repository: String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    }

    /// Built along with these tests, and so beside bittern.
    private func manualBinary() throws -> String {
        URL(filePath: try BitternBinary.path()).deletingLastPathComponent().appending(path: "manual").path
    }

    /// All pages, as `make man` makes them.
    private func withPages(_ body: (TemporaryDirectory) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let arguments = ["sh", repository + "/packaging/make-man.sh", try BitternBinary.path(), try manualBinary(), directory.path]
            try await Shell.check(arguments, environment: ["SOURCE_DATE_EPOCH": "0"])
            try await body(directory)
        }
    }

    private func manual(_ help: String) async throws -> ShellResult {
        try await Shell.run([try manualBinary(), repository + "/packaging/man/bittern.1"], input: help)
    }

    private func bittern(_ arguments: String...) async throws -> String {
        try await Shell.check([try BitternBinary.path()] + arguments).output
    }

    /// What a shell that knows `bittern` and its completions, in ./NAME-OF-THE-SHELL, prints.
    private func completed(in shell: [String], by script: String) async throws -> String {
        let name = try #require(shell.first)
        return try await withTemporaryDirectory { directory in
            let binary = try BitternBinary.path()
            try directory.write(try await bittern("--generate-completion-script", name), to: name)
            let path = URL(filePath: binary).deletingLastPathComponent().path + ":/usr/bin:/bin"
            let result = try await Shell.check(
                shell + [script], in: directory.path, environment: ["PATH": path, "HOME": directory.path])
            return result.output.trimmingCharacters(in: .newlines)
        }
    }

    private func sections(of page: String) -> Set<String> {
        Set(page.split(separator: "\n").filter { $0.hasPrefix(".Ss ") }.map { String($0.dropFirst(4)).replacing("\\&", with: "") })
    }

    /// `  serve      Run the daemon.` below `SUBCOMMANDS:`.
    private func commandsListed(in help: String) throws -> [String] {
        let list = try #require(help.components(separatedBy: "SUBCOMMANDS:\n").last)
        return list.matches(of: /(?m)^  ([a-z-]+)(?:  |$)/).map { String($0.output.1) }
    }
}
