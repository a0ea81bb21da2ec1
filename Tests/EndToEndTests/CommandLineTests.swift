import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct CommandLineTests {
    @Test("check says what it read and exits with 0")
    func checkOK() async throws {
        try await withDoor { daemon in
            let result = try await daemon.run(
                "check", daemon.setup.configurationFile, environment: ["CREDENTIALS_DIRECTORY": daemon.setup.credentialsDirectory])
            #expect(result.status == 0)
            #expect(result.error.isEmpty)
            for word in ["acme", "dc", "shop"] { #expect(result.output.contains(word)) }
        }
    }

    @Test("check says which credentials it could not look at")
    func checkWithoutCredentials() async throws {
        try await withDoor { daemon in
            let result = try await daemon.run("check", daemon.setup.configurationFile)
            #expect(result.status == 0, "\(result)")
            #expect((result.output + result.error).split(separator: "\n").contains("not checked: credential hook"))
        }
    }

    @Test("check exits with 2 where something is wrong, and a newer problem does not disturb the running daemon")
    func checkProblems() async throws {
        try await withDoor { daemon in
            try daemon.setup.write(app: "shop", "account: acme\nbranhc: main\n")
            let result = try await daemon.run("check", daemon.setup.configurationFile)
            #expect(result.status == 2)
            #expect(result.error.contains("/apps.d/shop.yaml:2:1: error: ") && result.error.contains("branch"), "\(result)")
            #expect(try await daemon.run("status").status == 0)
        }
    }

    @Test("a command that is connected and gets no answer says so instead of being silent")
    func silentDaemon() async throws {
        try await withTemporaryDirectory { directory in
            let socket = directory.path + "/control.sock"
            let held = try HeldSocket(.unix(path: socket))
            let errors = directory.path + "/errors"
            let command = try await RunningProcess.start(
                [try BitternBinary.path(), "status", "--socket", socket], output: directory.path + "/output", error: errors)
            let sentence = "bittern: the daemon has not answered yet; systemctl status bittern says what it does\n"
            try await eventually("the sentence") { (try? String(contentsOfFile: errors, encoding: .utf8)) == sentence }
            #expect(command.exitStatus == nil)
            try await command.end()
            withExtendedLifetime(held) {}
        }
    }

    @Test("what no command understands exits with 2 and one line on standard error")
    func usage() async throws {
        let wrong = [
            ["nonsense"], ["status", "--nonsense"], ["show"], ["show", "x"], ["jobs", "--state", "lost"], ["jobs", "--limit", "0"],
            ["jobs", "--limit", "many"], ["log"], ["serve", "extra"],
        ]
        for arguments in wrong {
            let result = try await bittern(arguments)
            #expect(result.status == 2, "\(arguments): \(result)")
            #expect(!result.error.isEmpty && result.output.isEmpty, "\(arguments): \(result)")
        }
    }

    @Test("where no daemon answers the exit status is 4, and the sentence says how to start it")
    func noDaemon() async throws {
        for arguments in [["status"], ["apps"], ["jobs"], ["show", "1"], ["log", "1"], ["log", "1", "-f"], ["metrics"]] {
            let result = try await bittern(arguments + ["--socket", "/nonexistent/control.sock"])
            #expect(result.status == 4, "\(arguments)")
            #expect(result.error.split(separator: "\n").count == 1 && result.error.contains("systemctl start bittern"), "\(result)")
        }
        let result = try await Shell.run([try BitternBinary.path(), "status"], environment: ["BITTERN_SOCKET": "/nonexistent/other.sock"])
        #expect(result.status == 4 && result.error.contains("/nonexistent/other.sock"))
    }

    @Test("a job or app that is not there exits with 5")
    func notThere() async throws {
        try await withDoor { daemon in
            for arguments in [["show", "99"], ["log", "99"], ["log", "99", "-f"], ["jobs", "--app", "nobody"]] {
                let result = try await bittern(arguments + ["--socket", daemon.setup.controlSocket])
                #expect(result.status == 5, "\(arguments): \(result)")
                #expect(result.error.split(separator: "\n").count == 1, "\(result)")
            }
        }
    }

    @Test("--help lists the commands and what each exit status means")
    func help() async throws {
        let result = try await bittern(["--help"])
        #expect(result.status == 0)
        let text = result.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for command in ["serve", "check", "status", "apps", "jobs", "show", "log"] { #expect(text.contains(" \(command) "), "\(command)") }
        for status in ["0 done", "1 refused or failed", "2 usage", "3 the awaited job failed", "4 the daemon does not answer", "5 no such"]
        {
            #expect(text.contains(status), "\(status)")
        }
        #expect(try await bittern(["--version"]).status == 0)
    }

    @Test("the control socket may be used by its owner and group alone")
    func socketMode() async throws {
        try await withDoor { daemon in
            let attributes = try FileManager.default.attributesOfItem(atPath: daemon.setup.controlSocket)
            #expect(attributes[.posixPermissions] as? Int == 0o660)
            #expect(attributes[.type] as? FileAttributeType == .typeSocket)
        }
    }

    @Test("jobs lists the newest first, and only those asked for")
    func jobs() async throws {
        try await withSite(app: "build: [\"test ! -e bad\"]\n", apps: ["blog": "branch: blog\n"]) { site in
            let good = try await site.push(["a": "1"]).job
            _ = try await site.runToEnd(good)
            var bad: [Int] = []
            for text in ["1", "2"] {
                bad.append(try await site.push(["bad": text]).job)
                _ = try await site.runToEnd(bad[bad.count - 1])
            }
            let blog = try await site.push(["a": "2"], on: "blog").job
            _ = try await site.runToEnd(blog)
            #expect(try await ids(site) == [blog, bad[1], bad[0], good])
            #expect(try await ids(site, "--app", "shop", "--state", "failed") == [bad[1], bad[0]])
            #expect(try await ids(site, "--app", "shop", "--state", "failed", "--limit", "1") == [bad[1]])
            #expect(try await ids(site, "--app", "blog", "--state", "failed") == [])
            let table = try await site.daemon.run("jobs", "--app", "shop", "--state", "failed", "--limit", "1").output
            let lines = table.split(separator: "\n")
            #expect(lines.count == 2 && lines.last?.contains("build-1") == true && !table.contains("blog"), "\(table)")
        }
    }

    @Test("apps lists what is configured")
    func apps() async throws {
        try await withSite(apps: ["blog": "branches: [main, \"release/*\"]\n"]) { site in
            let apps = try await site.daemon.json("apps").array
            #expect(apps.compactMap { $0["app"].string } == ["blog", "shop"])
            let table = try await site.daemon.run("apps").output
            for text in ["shop", "blog", "acme/shop", "release/*", site.root(of: "blog")] { #expect(table.contains(text)) }
        }
    }

    @Test("a pipe that is closed early is no accident")
    func closedPipe() async throws {
        try await withDoor { daemon in
            let command = "'\(try BitternBinary.path())' status --json --socket '\(daemon.setup.controlSocket)' | true"
            let result = try await Shell.run(["sh", "-c", command])
            #expect(result.status == 0 && result.error.isEmpty, "\(result)")
        }
    }

    private func bittern(_ arguments: [String]) async throws -> ShellResult {
        try await Shell.run([try BitternBinary.path()] + arguments)
    }

    private func ids(_ site: Site, _ options: String...) async throws -> [Int] {
        let arguments = ["jobs", "--json", "--socket", site.daemon.setup.controlSocket] + options
        let result = try await Shell.run([try BitternBinary.path()] + arguments)
        try #require(result.status == 0, "\(result)")
        return try JSONValue(parsing: result.output).array.compactMap { $0["id"].int }
    }
}
