import Foundation

/// A terminal with a person before it: bash in one window of a tmux, on a socket of its own, who types and looks at the screen.
/// Verbs are to be awaited one after another.
package struct TerminalScreen: Sendable {
    /// What has no letter of its own.
    package enum Key: String, Sendable {
        case enter = "Enter"
        case ctrlC = "C-c"
    }

    /// A command as it looks when the prompt is back.
    package struct Answer: Sendable, CustomStringConvertible {
        package let status: Int
        /// All that stands between the command and the next prompt, also what has left the window at its top. Lines are whole, however
        /// the window broke them.
        package let text: String

        package var description: String { "exited with \(status)\n\(text)" }
    }

    /// How many columns and rows a window has.
    package struct Size: Sendable {
        package var columns: Int
        package var rows: Int

        package init(columns: Int, rows: Int) {
            self.columns = columns
            self.rows = rows
        }
    }

    /// The number of the command that is asked for, and how the one before it exited.
    private struct Prompt {
        let number: Int
        let status: Int
    }

    private static let window = "person"

    private let socket: String

    /// Types text; it is no command before ``press(_:)``.
    package func type(_ text: String) async throws {
        try await tmux("send-keys", "-t", Self.window, "-l", "--", text)
    }

    package func press(_ key: Key) async throws {
        try await tmux("send-keys", "-t", Self.window, key.rawValue)
    }

    /// What the window shows, line by line as it stands there.
    package var screen: String {
        get async throws { Self.trimmed(try await tmux("capture-pane", "-p", "-t", Self.window)) }
    }

    /// The same with the sequences that make its colours.
    package var screenWithStyles: String {
        get async throws { Self.trimmed(try await tmux("capture-pane", "-p", "-e", "-t", Self.window)) }
    }

    /// Whether the cursor is there to be seen.
    package var showsCursor: Bool {
        get async throws { try await tmux("display-message", "-p", "-t", Self.window, "#{cursor_flag}").hasPrefix("1") }
    }

    /// What the window calls itself.
    package var title: String {
        get async throws { Self.trimmed(try await tmux("display-message", "-p", "-t", Self.window, "#{pane_title}")) }
    }

    /// Makes the window larger or smaller.
    package func resize(to size: Size) async throws {
        try await tmux("resize-window", "-t", Self.window, "-x", "\(size.columns)", "-y", "\(size.rows)")
    }

    /// Everything that was ever shown, each line whole, however the window broke it.
    package var transcript: String {
        get async throws { Self.trimmed(try await history.joined(separator: "\n")) }
    }

    /// Waits until the window shows a text, and gives all that it shows then.
    @discardableResult
    package func waitFor(_ text: String) async throws -> String {
        try await waitFor(#""\#(text)""#) { $0.contains(text) }
    }

    /// Waits until what the window shows is as wanted, and gives it.
    /// - Parameter what: the end of the sentence "gave up waiting for the screen to show …".
    @discardableResult
    package func waitFor(
        _ what: String, within limit: Duration = .seconds(60), _ isShown: (String) -> Bool
    ) async throws -> String {
        var last = ""
        do {
            return try await eventualValue("the screen to show \(what)", within: limit) {
                last = try await screen
                return isShown(last) ? last : nil
            }
        } catch let error as TimeLimitExceeded {
            throw NotShown(error: error, screen: last)
        }
    }

    /// Types a command, presses Enter, and waits until it has ended.
    package func run(_ command: String) async throws -> Answer {
        let number = try await begin(command)
        return try await answer(number)
    }

    /// Types a command at the prompt and presses Enter. Gives its number, for ``answer(_:)``.
    package func begin(_ command: String) async throws -> Int {
        let prompt = try await eventualValue("a prompt") { Self.prompt(in: try await screen) }
        try await type(command)
        try await press(.enter)
        return prompt.number
    }

    /// Waits until the prompt is back behind a command.
    package func answer(_ number: Int) async throws -> Answer {
        var last = ""
        do {
            let prompt = try await eventualValue("the end of command \(number)") {
                last = try await screen
                return Self.prompt(in: last).flatMap { $0.number > number ? $0 : nil }
            }
            let lines = try await history
            let begin = lines.lastIndex { Self.isCommand(number, $0) } ?? 0
            let text = lines[(begin + 1)...].prefix { !Self.isCommand(prompt.number, $0) }
            return Answer(status: prompt.status, text: text.joined(separator: "\n"))
        } catch let error as TimeLimitExceeded {
            throw NotShown(error: error, screen: last)
        }
    }

    /// Empties the window, as a person does who wants to see what comes.
    package func clear() async throws {
        _ = try await run("clear")
    }

    /// Every line there was, whole.
    private var history: [String] {
        get async throws {
            let text = try await tmux("capture-pane", "-p", "-J", "-S", "-", "-t", Self.window)
            return text.split(separator: "\n", omittingEmptySubsequences: false).map { Self.withoutSpaces($0) }
        }
    }

    /// The prompt, where the last line is one: `NUMBER:STATUS>`, perhaps behind the ^C that the terminal wrote.
    private static func prompt(in screen: String) -> Prompt? {
        guard let line = screen.split(separator: "\n").last, let match = line.wholeMatch(of: /(?:.*\^C)?(\d+):(\d+)> ?/) else { return nil }
        return Int(match.output.1).flatMap { number in Int(match.output.2).map { Prompt(number: number, status: $0) } }
    }

    /// Whether a line is the prompt of this command, with or without it.
    private static func isCommand(_ number: Int, _ line: String) -> Bool {
        line.prefixMatch(of: /(?:.*\^C)?(\d+):\d+>/).flatMap { Int($0.output.1) } == number
    }

    private static func trimmed(_ text: String) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines.joined(separator: "\n")
    }

    private static func withoutSpaces(_ line: Substring) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return String(line)
    }

    @discardableResult
    private func tmux(_ arguments: String...) async throws -> String {
        try await Self.tmux(socket, arguments)
    }

    @discardableResult
    private static func tmux(_ socket: String, _ arguments: [String]) async throws -> String {
        try await Shell.check(["tmux", "-S", socket, "-f", "/dev/null"] + arguments).output
    }

    // Beginning and end.

    /// Opens a terminal for `body` and closes it in every case, with all that runs in it.
    /// - Parameter environment: laid over ``Shell/environment``; `bittern` is found on its `PATH`.
    package static func open<Value>(
        size: Size = Size(columns: 100, rows: 30),
        environment: [String: String] = [:],
        _ body: (TerminalScreen) async throws -> Value
    ) async throws -> Value {
        try await withTemporaryDirectory { directory in
            let (socket, log) = (directory.path("tmux.sock"), directory.path("tmux.log"))
            // Not as a daemon: it ends when the tests do, however that comes.
            let server = try await RunningProcess.start(
                ["tmux", "-S", socket, "-f", "/dev/null", "-D"], environment: ["HOME": directory.path], output: log, error: log)
            return try await withCleanup {
                try await eventually("tmux") {
                    if let status = server.exitStatus {
                        throw ServerDidNotStart(name: "tmux, which \(status),", log: try directory.read("tmux.log"))
                    }
                    return FileManager.default.fileExists(atPath: socket)
                }
                let variables = try Self.environment(in: directory).merging(environment) { _, given in given }
                try await openWindow(socket, size, variables)
                let screen = TerminalScreen(socket: socket)
                try await screen.waitFor("a prompt") { prompt(in: $0) != nil }
                return try await body(screen)
            } cleanup: {
                try await server.end()
                for number in try ProcessTable.processes(withEnvironmentContaining: directory.path) { kill(number, SIGKILL) }
                try await eventually("the end of what ran in the terminal") {
                    try ProcessTable.processes(withEnvironmentContaining: directory.path).isEmpty
                }
            }
        }
    }

    private static func openWindow(_ socket: String, _ size: Size, _ environment: [String: String]) async throws {
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        try await tmux(
            socket,
            ["set-option", "-g", "status", "off", ";", "set-option", "-g", "history-limit", "20000", ";"]
                + ["new-session", "-d", "-s", window, "-x", "\(size.columns)", "-y", "\(size.rows)"]
                + ["env", "-i"] + variables + ["bash", "--norc", "--noprofile"])
    }

    /// Nothing of the user's own, and a prompt that tells how each command exited.
    private static func environment(in directory: TemporaryDirectory) throws -> [String: String] {
        try directory.makeDirectory("bin")
        try FileManager.default.createSymbolicLink(atPath: directory.path("bin/bittern"), withDestinationPath: try BitternBinary.path())
        let own = [
            "HOME": directory.path, "INPUTRC": "/dev/null", "HISTFILE": "", "PS1": ##"\#:$?> "##, "TERM": "tmux-256color", "TZ": "UTC",
            "PATH": directory.path("bin") + ":" + (Shell.environment["PATH"] ?? ""),
        ]
        return Shell.environment.merging(own) { _, given in given }
    }
}

/// The screen never showed what was waited for.
package struct NotShown: Error, CustomStringConvertible {
    let error: TimeLimitExceeded
    /// What it showed at last.
    package let screen: String

    package var description: String { "\(error); the screen showed:\n\(screen)" }
}
