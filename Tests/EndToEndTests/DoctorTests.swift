import Foundation
import RealParts
import Testing

/// What the daemon, or the command in its stead, finds wrong on the host.
@Suite(.fewAtOnce) struct DoctorTests {
    private static let config = "min_free: 1M\npublic_url: https://deploy.example.com\n"

    @Test("on a healthy host everything is looked at and nothing is a problem")
    func healthy() async throws {
        try await withSite(config: Self.config) { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            let findings = try await doctor(site)
            #expect(findings.status == 0 && findings.error.isEmpty, "\(findings)")
            #expect(findings.of("problem").isEmpty)
            // Nobody runs this daemon but the test, and the host's clock is the host's.
            #expect(Set(findings.of("warning").map(\.subject)).isSubset(of: ["clock", "systemd"]), "\(findings.of("warning"))")
            let subjects = Set(findings.all.map(\.subject))
            let wanted: Set = [
                "daemon", "configuration", "permissions", "root of shop", "live release of shop", "clock", "disk", "git",
                "repository of shop", "hooks", "systemd",
                "database",
            ]
            #expect(subjects == wanted)
            #expect(findings.all.contains { $0.subject == "repository of shop" && $0.sentence.contains(", main is at ") })
        }
    }

    @Test("people read a line each, with what to do below, and how many of each there are")
    func text() async throws {
        try await withSite(config: "min_free: 1M\n") { site in
            _ = try await site.origin.commit(files: ["a": "1"])
            let result = try await site.daemon.run("doctor")
            #expect(result.status == 0, "\(result)")
            let lines = result.output.split(separator: "\n").map(String.init)
            #expect(
                lines.contains { $0.hasPrefix("ok       git             2.") || $0.hasPrefix("ok       git             3.") }, "\(lines)")
            let unset = try #require(lines.firstIndex { $0.hasPrefix("warning  hooks           public_url is not set") }, "\(lines)")
            #expect(lines[unset + 1].hasPrefix("         → set public_url to "))
            #expect(lines.last?.hasSuffix(" 0 problems") == true)
            #expect(!result.output.contains("\u{1B}"))
        }
    }

    @Test("a repository that is away is a problem with what to do, once for all apps that use it")
    func repositoryAway() async throws {
        try await withSite(apps: ["blog": ""], config: Self.config) { site in
            try FileManager.default.removeItem(atPath: site.origin.bare)
            let findings = try await doctor(site)
            #expect(findings.status == 1)
            #expect(findings.error == "bittern: 1 problem; see what to do above\n")
            let problems = findings.of("problem")
            #expect(problems.map(\.subject) == ["repository of blog, shop"])
            #expect(problems.first?.sentence.contains("there is no such repository") == true && problems.first?.remedy != nil)
        }
    }

    @Test("files with an error are a problem while the daemon runs on, and files that say something else a warning")
    func configuration() async throws {
        try await withSite(config: Self.config) { site in
            _ = try await site.origin.commit(files: ["a": "1"])
            try site.daemon.setup.write(app: "shop", "account: acme\nbranhc: main\n")
            let wrong = try await doctor(site)
            #expect(wrong.status == 1)
            let problem = try #require(wrong.of("problem").first { $0.subject == "configuration" }, "\(wrong)")
            #expect(problem.sentence.contains("/apps.d/shop.yaml:") && problem.sentence.contains("branch"), "\(problem)")
            #expect(problem.remedy?.contains("bittern check \(site.daemon.setup.configurationFile)") == true)
            #expect(try await site.daemon.run("status").status == 0)
            try site.daemon.setup.write(app: "shop", Site.completed("keep_releases: 3\n", "shop"))
            let other = try await doctor(site)
            #expect(other.status == 0, "\(other)")
            #expect(other.of("warning").contains { $0.subject == "configuration" && $0.remedy?.contains("bittern reload") == true })
        }
    }

    @Test("without a daemon that is the first problem, and the rest is still looked at")
    func noDaemon() async throws {
        try await withSite(config: Self.config) { site in
            _ = try await site.origin.commit(files: ["a": "1"])
            try await site.daemon.terminate()
            let findings = try await doctor(site, "--config", site.daemon.setup.configurationFile)
            #expect(findings.status == 1)
            #expect(findings.of("problem").map(\.subject) == ["daemon"], "\(findings)")
            #expect(findings.all.first?.sentence.contains("the daemon does not run") == true)
            #expect(findings.all.first?.remedy?.contains("systemctl start bittern") == true)
            #expect(findings.of("warning").contains { $0.sentence == "not checked: credential hook" })
            let fine = Set(findings.of("ok").map(\.subject))
            #expect(fine.isSuperset(of: ["configuration", "permissions", "disk", "git", "repository of shop"]), "\(fine)")
        }
    }

    @Test("without a daemon and without a configuration there is still something to say")
    func nothing() async throws {
        let result = try await Shell.run([
            try BitternBinary.path(), "doctor", "--socket", "/nonexistent/control.sock", "--config", "/nonexistent/bittern.yaml",
        ])
        #expect(result.status == 1)
        #expect(result.output.contains("problem  daemon") && result.output.contains("problem  configuration"), "\(result)")
        #expect(result.output.contains("ok       git"))
    }

    @Test("a finding in JSON has all its fields, null where there is nothing to do")
    func json() async throws {
        try await withSite(config: Self.config) { site in
            _ = try await site.origin.commit(files: ["a": "1"])
            let findings = try await site.daemon.json("doctor").array
            #expect(!findings.isEmpty)
            for finding in findings {
                guard case .object(let members) = finding else { return #expect(finding == .object([:])) }
                #expect(Set(members.keys) == ["subject", "level", "sentence", "remedy"])
                #expect(members["level"] != "ok" || members["remedy"] == .null)
                #expect(members["level"] == "ok" || members["remedy"]?.string != nil, "\(finding)")
            }
        }
    }

    @Test("each listener is asked as it listens: over TCP and over a socket file")
    func listeners() async throws {
        let hooks = "hooks: {listen: [\"127.0.0.1:@PORT@\", \"unix:@DIR@/hooks.sock\"]}\n"
        try await withSite(config: Self.config + hooks) { site in
            let answers = try await doctor(site).of("ok").filter { $0.subject == "hooks" && $0.sentence.hasSuffix(" answers") }
            #expect(answers.count == 2, "\(answers)")
        }
    }

    @Test("a listener with a certificate of its own is asked over TLS")
    func listenerWithTLS() async throws {
        try await withTemporaryDirectory { directory in
            let certificates = try await Certificates(in: directory.path("tls"))
            let tls = "tls: {certificate: \(certificates.certificate), key: \(certificates.key)}"
            try await withSite(config: Self.config + "hooks: {listen: \"127.0.0.1:@PORT@\", \(tls)}\n") { site in
                let answers = try await doctor(site).all.filter { $0.subject == "hooks" }
                #expect(answers.map(\.level) == ["ok", "ok"], "\(answers)")
            }
        }
    }

    @Test("files that everybody may change, and a ledger that others may read, are problems")
    func permissions() async throws {
        try await withSite(config: Self.config) { site in
            _ = try await site.origin.commit(files: ["a": "1"])
            let setup = site.daemon.setup
            chmod(setup.configurationFile, 0o666)
            chmod(setup.stateDirectory + "/bittern.db", 0o644)
            let problems = try await doctor(site).of("problem")
            #expect(problems.map(\.subject) == ["permissions", "permissions"])
            let remedies = Set(problems.compactMap(\.remedy))
            #expect(remedies == ["chmod o-w \(setup.configurationFile)", "chmod 0600 \(setup.stateDirectory)/bittern.db"])
        }
    }

    @Test("a server that ssh would not know is a problem before any job fails of it")
    func knownHosts() async throws {
        try await withTemporaryDirectory { directory in
            try directory.makeDirectory("repositories")
            try await withGitSSHHost(repositories: directory.path("repositories")) { host in
                let empty = try directory.write("", to: "known_hosts")
                for (file, level) in [(host.knownHosts, "ok"), (empty, "problem")] {
                    let auth = ", auth: {ssh_key: \"file:\(host.privateKey)\", known_hosts: \(file)}"
                    let app = "clone_url: \(host.url(for: "acme/shop"))\n"
                    try await withSite(app: app, account: auth, config: Self.config) { site in
                        let findings = try await doctor(site).all
                        #expect(findings.filter { $0.subject == "known_hosts" }.map(\.level) == [level], "\(findings)")
                        #expect(findings.filter { $0.subject == "ssh" }.map(\.level) == ["ok"], "\(findings)")
                    }
                }
            }
        }
    }

    @Test("a damaged ledger is a problem in SQLite's words")
    func damagedLedger() async throws {
        try await withSite(config: Self.config) { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            // So that everything is in the file itself.
            try await site.daemon.restart()
            let file = try FileHandle(forUpdating: URL(filePath: site.daemon.setup.stateDirectory + "/bittern.db"))
            let size = try file.seekToEnd()
            // The schema, which is read at start, stays as it is.
            try file.seek(toOffset: size / 2)
            try file.write(contentsOf: Data(repeating: 0xFF, count: Int(size - size / 2)))
            try file.close()
            let findings = try await doctor(site)
            #expect(findings.status == 1)
            let problem = try #require(findings.of("problem").first { $0.subject == "database" }, "\(findings)")
            #expect(problem.sentence.contains("bittern.db is damaged") && problem.remedy?.contains("backup") == true)
            try await site.daemon.kill9()
        }
    }

    private func doctor(_ site: Site, _ options: String...) async throws -> Findings {
        let arguments = ["doctor", "--json", "--socket", site.daemon.setup.controlSocket] + options
        return try Findings(await Shell.run([try BitternBinary.path()] + arguments, within: .seconds(60)))
    }
}

/// What `doctor --json` said.
private struct Findings: CustomStringConvertible {
    struct One {
        let subject: String
        let level: String
        let sentence: String
        let remedy: String?
    }

    let status: RealParts.ExitStatus
    let error: String
    let all: [One]

    init(_ result: ShellResult) throws {
        status = result.status
        error = result.error
        all = try JSONValue(parsing: result.output).array.map { finding in
            One(
                subject: finding["subject"].string ?? "", level: finding["level"].string ?? "", sentence: finding["sentence"].string ?? "",
                remedy: finding["remedy"].string)
        }
    }

    func of(_ level: String) -> [One] { all.filter { $0.level == level } }

    var description: String { "\(status) \(error)" + all.map { "\n\($0.level) \($0.subject): \($0.sentence)" }.joined() }
}
