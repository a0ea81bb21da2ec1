import Foundation
import RealParts
import Testing

/// What the commands print, word for word: the files of Golden/. `BITTERN_WRITE_GOLDEN=1` writes them anew.
@Suite(.fewAtOnce) struct GoldenTests {
    @Test("--help of every command")
    func help() async throws {
        let tree = try JSONValue(parsing: try await bittern(["--experimental-dump-help"]))
        var text = ""
        for command in [[]] + commands(below: tree["command"]) {
            let arguments = command + ["--help"]
            text += "$ bittern \(arguments.joined(separator: " "))\n\(try await bittern(arguments))\n"
        }
        try await Golden(name: "help").check(text)
    }

    @Test("tables and JSON of a small site, with what differs from run to run as placeholders")
    func tables() async throws {
        let apps = ["blog": "branch: stage\n", "docs": "repository: acme/docs\ntags: [\"v*\"]\nhook_secret: credential:own\n"]
        try await withSite(
            app: "build: [{name: check, run: \"test ! -e bad\"}]\n", apps: apps,
            account: ", auth: {api_token: credential:token, email: ci@acme.example}", config: "public_url: https://deploy.example.com\n",
            credentials: ["own": "a-hook-of-its-own-0123456789", "token": "a-token-nobody-may-see"]
        ) { site in
            let good = try await site.push(["a": "1"])
            _ = try await site.runToEnd(good.job)
            let bad = try await site.push(["bad": "1"])
            _ = try await site.runToEnd(bad.job)
            _ = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", new: good.commit))
            let places = Placeholders(site, commits: [good.commit, bad.commit])
            let hold = try await site.daemon.run("hold", "blog", "--reason", "the fair")
            try await Golden(name: "hold").check("$ bittern hold blog --reason 'the fair'\n\(places.put(in: hold.output))")
            let stage = try await site.push(["a": "2"], on: "stage")
            _ = try await site.refused()

            let all = Placeholders(site, commits: [good.commit, bad.commit, stage.commit])
            let cases = [
                ("status", ["status"]), ("apps", ["apps"]), ("accounts", ["accounts"]), ("jobs", ["jobs"]), ("show", ["show", "1"]),
                ("show-failed", ["show", "2"]), ("releases", ["releases", "shop"]), ("deliveries", ["deliveries"]),
                ("delivery", ["delivery", "4"]), ("explain", ["explain", "4"]),
            ]
            for (name, arguments) in cases {
                let socket = ["--socket", site.daemon.setup.controlSocket]
                let command = "$ bittern \(arguments.joined(separator: " "))"
                let text = all.put(in: try await bittern(arguments + socket))
                let json = all.put(in: try JSONValue(parsing: try await bittern(arguments + ["--json"] + socket)).lines)
                try await Golden(name: name).check("\(command)\n\(text)\n\(command) --json\n\(json)\n")
            }
        }
    }

    private func bittern(_ arguments: [String]) async throws -> String {
        try await Shell.check([try BitternBinary.path()] + arguments, environment: ["COLUMNS": "80", "TZ": "UTC"]).output
    }

    /// All that are shown, those of `simulate` behind it.
    private func commands(below command: JSONValue) -> [[String]] {
        command["subcommands"].array.filter { $0["shouldDisplay"] == true && $0["commandName"] != "help" }.flatMap {
            command -> [[String]] in
            let name = command["commandName"].string ?? ""
            return [[name]] + commands(below: command).map { [name] + $0 }
        }
    }
}

/// A file of Golden/.
private struct Golden {
    let name: String

    private var file: URL { URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(name).txt") }

    /// Compares, or writes, and shows what differs.
    func check(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        if ProcessInfo.processInfo.environment["BITTERN_WRITE_GOLDEN"] == "1" {
            return try Data(text.utf8).write(to: file)
        }
        let difference = try await Shell.run(
            ["diff", "--unified", "--new-file", "--label", name, "--label", "now", file.path, "-"], input: text)
        guard difference.status != 0 else { return }
        Issue.record("BITTERN_WRITE_GOLDEN=1 writes it anew:\n\(difference)", sourceLocation: sourceLocation)
    }
}

/// What differs from run to run, and what stands for it: as wide as it, where a table's next column would move.
private struct Placeholders {
    private let directory: String
    private let port: String
    private let commits: [String]

    init(_ site: Site, commits: [String]) {
        directory = site.daemon.setup.directory
        port = ":\(site.daemon.setup.port)"
        self.commits = commits
    }

    func put(in text: String) -> String {
        var text = text.replacing(directory, with: "DIR").replacing(port, with: ":PORT")
        for (number, commit) in commits.enumerated() {
            let name = "COMMIT\(number + 1)"
            text = text.replacing(commit, with: name).replacing(commit.prefix(7), with: name)
        }
        text = text.replacing(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/, with: "UUID")
            .replacing(/\b([0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{12})\b/, with: "HASH")
            .replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/, with: "TIME")
            .replacing(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/, with: "YYYY-MM-DD HH:MM:SS UTC")
            .replacing(/\b\d+ ms|\b\d+\.\d s/, with: "DURATION")
            .replacing(/"usual_ms": \d+/, with: "\"usual_ms\": NUMBER")
            .replacing(/content-length: \d+/, with: "content-length: NUMBER")
            .replacing(/bittern \d+\.\d+\.\d+/, with: "bittern VERSION")
            .replacing(/"version": "[^"]*"/, with: "\"version\": \"VERSION\"")
            .replacing("by \(user)", with: "by USER").replacing("\"by\": \"\(user)\"", with: "\"by\": \"USER\"")
        // An age is 9 s or 10 s, so that columns beside it have no width of their own.
        guard text.contains(/\b\d+ (s|min)\b/) else { return text }
        return text.replacing(/\b\d+ (s|min)\b/, with: "0 s").replacing(/(?<before>\S) {2,}/) { "\($0.output.before)  " }
    }
}

extension JSONValue {
    /// A line for each member, in the order of their names.
    fileprivate var lines: String { lines(indentation: "") }

    private func lines(indentation: String) -> String {
        let inner = indentation + "  "
        switch self {
        case .array(let elements) where !elements.isEmpty:
            return "[\n" + elements.map { inner + $0.lines(indentation: inner) }.joined(separator: ",\n") + "\n\(indentation)]"
        case .object(let members) where !members.isEmpty:
            let all = members.sorted { $0.key < $1.key }.map { "\(inner)\"\($0.key)\": \($0.value.lines(indentation: inner))" }
            return "{\n" + all.joined(separator: ",\n") + "\n\(indentation)}"
        default:
            return (try? bytes).map { String(decoding: $0, as: UTF8.self) } ?? ""  // a scalar always has its bytes
        }
    }
}
