import Testing

@testable import Domain

/// What is made of what was observed on a host, both ways.
@Suite struct DiagnosisTests {
    private let now = Timestamp(milliseconds: 1_795_000_000_000)

    @Test("a clock nobody keeps right is doubtful, one that was never set is a problem")
    func clock() {
        #expect(Diagnosis.clock(now: now, isSynchronised: true).level == .ok)
        #expect(Diagnosis.clock(now: now, isSynchronised: false).level == .warning)
        #expect(Diagnosis.clock(now: now, isSynchronised: nil).level == .warning)
        let unset = Diagnosis.clock(now: Timestamp(milliseconds: 0), isSynchronised: true)
        #expect(unset.level == .problem && unset.sentence.contains("1970-01-01"))
    }

    @Test("a live release must be on the disk, and current lead to it")
    func live() throws {
        let release = Release(
            app: "shop", id: 7, commit: try #require(CommitID(String(repeating: "a", count: 40))), path: "/srv/shop/releases/7-aaaaaaa",
            state: .live, createdAt: now)
        #expect(Diagnosis.live(release, isThere: true, link: "releases/7-aaaaaaa").level == .ok)
        for (isThere, link) in [(false, "releases/7-aaaaaaa"), (true, "releases/6-bbbbbbb"), (true, nil)] {
            let finding = Diagnosis.live(release, isThere: isThere, link: link)
            #expect(finding.level == .problem && finding.remedy?.contains(" shop ") == true, "\(finding)")
        }
    }

    @Test(
        "a disk is full below min_free, and nearly so below twice that",
        arguments: [
            (999, 0, 0, Finding.Level.problem), (1000, 0, 0, .warning), (1999, 0, 0, .warning), (2000, 0, 0, .ok),
            (2000, 9, 1000, .problem), (2000, 10, 1000, .warning), (2000, 49, 1000, .warning), (2000, 50, 1000, .ok),
            (999, 900, 1000, .problem),
        ])
    func disk(megabytes: Int, files: Int, allFiles: Int, level: Finding.Level) {
        let space = Diagnosis.Space(bytes: megabytes << 20, files: files, allFiles: allFiles)
        let finding = Diagnosis.disk(at: "/srv", space, least: 1000 << 20)
        #expect(finding.level == level, "\(finding)")
        #expect((finding.remedy == nil) == (level == .ok))
    }

    @Test("a disk nobody can ask about is doubtful, and without min_free every disk is large enough")
    func unknownDisk() {
        #expect(Diagnosis.disk(at: "/srv", nil, least: 0).level == .warning)
        #expect(Diagnosis.disk(at: "/srv", Diagnosis.Space(bytes: 0, files: 0, allFiles: 0), least: 0).level == .ok)
    }

    @Test(
        "git must be of a version that takes its credentials from the environment",
        arguments: [
            (nil, Finding.Level.problem), ("", .problem), ("git version 2.30.9\n", .problem), ("git version 2.31.0\n", .warning),
            ("git version 2.38.5\n", .warning), ("git version 2.39.5\n", .ok), ("git version 2.47.1.windows.1", .ok),
            ("git version 3.0\n", .ok),
        ] as [(String?, Finding.Level)])
    func git(answer: String?, level: Finding.Level) {
        #expect(Diagnosis.git(answer).level == level)
    }

    @Test("git's version is shown as a number")
    func gitVersion() {
        #expect(Diagnosis.git("git version 2.39.5 (Debian)\n").sentence == "2.39.5")
    }

    @Test(
        "ssh must sign as forges accept it",
        arguments: [
            (nil, Finding.Level.problem), ("nonsense", .problem), ("OpenSSH_6.6.1p1 Ubuntu-2ubuntu2", .warning), ("OpenSSH_7.2p2", .ok),
            ("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.22 25 Aug 2026\n", .ok), ("OpenSSH_10.0p2", .ok),
        ] as [(String?, Finding.Level)])
    func ssh(answer: String?, level: Finding.Level) {
        #expect(Diagnosis.ssh(answer).level == level)
    }

    @Test(
        "the state directory is the daemon's alone",
        arguments: [
            (nil, Finding.Level.warning), (0o700, .ok), (0o750, .ok), (0o755, .warning), (0o770, .problem), (0o702, .problem),
        ] as [(UInt32?, Finding.Level)])
    func stateDirectory(mode: UInt32?, level: Finding.Level) {
        #expect(Diagnosis.stateDirectory("/var/lib/bittern", mode.map(facts)).level == level)
    }

    @Test("the ledger is read by nobody else", arguments: [(0o600, Finding.Level.ok), (0o640, .problem), (0o604, .problem)])
    func ledgerFile(mode: Int, level: Finding.Level) throws {
        let finding = try #require(Diagnosis.ledgerFile("/l/bittern.db", facts(UInt32(mode))))
        #expect(finding.level == level)
        #expect(finding.level == .ok || finding.remedy == "chmod 0600 /l/bittern.db")
        #expect(Diagnosis.ledgerFile("/l/bittern.db", nil) == nil)
    }

    @Test("who may change the configuration decides what is run")
    func configurationFiles() {
        let fine = [("/etc/bittern", facts(0o755)), ("/etc/bittern/bittern.yaml", facts(0o640)), ("/gone", nil), ("/tmp", facts(0o1757))]
        #expect(Diagnosis.configurationFiles(fine).map(\.level) == [.ok])
        #expect(Diagnosis.configurationFiles([("/gone", nil)]).isEmpty)
        let found = Diagnosis.configurationFiles(fine + [("/etc/a", facts(0o666)), ("/etc/b", facts(0o664))])
        #expect(found.map(\.level) == [.problem, .warning])
        #expect(found.map(\.remedy) == ["chmod o-w /etc/a", "chmod g-w /etc/b, unless that is meant"])
    }

    @Test("everybody may not give orders")
    func controlSocket() {
        #expect(Diagnosis.controlSocket("/run/c.sock", facts(0o660))?.level == .ok)
        #expect(Diagnosis.controlSocket("/run/c.sock", facts(0o666))?.level == .problem)
        #expect(Diagnosis.controlSocket("/run/c.sock", nil) == nil)
    }

    @Test("a root must be the daemon's to write, and nobody else's")
    func root() {
        func level(_ mode: UInt32?, _ isWritable: Bool?) -> Finding.Level {
            Diagnosis.root("/srv/shop", of: "shop", mode.map(facts), isWritable: isWritable).level
        }
        #expect(level(0o755, true) == .ok)
        #expect(level(0o755, false) == .problem)
        #expect(level(0o755, nil) == .warning)
        #expect(level(0o777, true) == .problem)
        #expect(level(0o1777, true) == .ok)
        #expect(level(nil, nil) == .problem)
    }

    @Test("where steps are units the root must be the app's user's, who must be there, and the runner must answer")
    func unitRoot() {
        let refused = Diagnosis.root("/srv/shop", of: "shop", user: "shop", facts(0o755), isWritable: false)
        #expect(
            refused.level == .problem && refused.sentence == "user shop may not write in /srv/shop"
                && refused.remedy == "chown shop /srv/shop")
        #expect(
            Diagnosis.root("/srv/shop", of: "shop", user: "shop", facts(0o755), isWritable: true).sentence
                == "/srv/shop can be written by shop")
        let unknown = Diagnosis.root("/srv/shop", of: "shop", user: "shop", facts(0o775), isWritable: nil)
        #expect(unknown.level == .warning && unknown.remedy?.contains("ls -ld /srv/shop") == true)
        #expect(Diagnosis.missingUser("shop", of: "shop").remedy == "useradd --system --shell /usr/sbin/nologin shop")
        #expect(Diagnosis.runner(nil).level == .ok)
        #expect(Diagnosis.runner("nobody there").level == .problem)
    }

    @Test("whether a user may write somewhere is known of the owner and of everybody")
    func mayBeWritten() {
        let facts = FileFacts(mode: 0o755, owner: 7, group: 7)
        #expect(facts.mayBeWritten(by: 7) == true)
        #expect(facts.mayBeWritten(by: 8) == nil)
        #expect(facts.mayBeWritten(by: 0) == true)
        #expect(FileFacts(mode: 0o555, owner: 7, group: 7).mayBeWritten(by: 7) == false)
        #expect(FileFacts(mode: 0o777, owner: 7, group: 7).mayBeWritten(by: 8) == true)
    }

    @Test("a repository that refuses is a problem, whose phrase ends in what to do")
    func repository() throws {
        let main = try branch("main")
        let shop = Diagnosis.Repository(cloneURL: "https://git.example.com/shop.git", apps: ["blog", "shop"], branches: [main])
        let fine = Diagnosis.repository(shop, .heads([main: try commit("a")]))
        #expect(fine == Finding(.ok, "repository of blog, shop", "https://git.example.com/shop.git answers, main is at aaaaaaa"))
        let without = Diagnosis.repository(shop, .heads([:]))
        #expect(without.level == .warning && without.sentence.hasSuffix("has no branch main"))
        let refused = Diagnosis.repository(shop, .refused("git.example.com refused the credentials of account acme; check its auth"))
        #expect(refused.level == .problem && refused.remedy == "check its auth")
        #expect(refused.sentence == "git.example.com refused the credentials of account acme")
        let unclear = Diagnosis.repository(shop, .refused("git failed: it said nothing"))
        #expect(unclear.level == .problem && unclear.remedy != nil)
        #expect(Diagnosis.repository(shop, .notAsked).level == .warning)
    }

    @Test("a server is looked for in known_hosts by the name ssh uses")
    func knownHosts() throws {
        let plain = try #require(Diagnosis.SSHHost(cloneURL: "ssh://git@bitbucket.org/acme/shop.git"))
        let other = try #require(Diagnosis.SSHHost(cloneURL: "ssh://git@git.example.com:7999/acme/shop.git"))
        #expect([plain.name, other.name] == ["bitbucket.org", "[git.example.com]:7999"])
        for address in ["https://bitbucket.org/acme/shop.git", "file:///srv/git/shop.git", "/srv/git/shop.git"] {
            #expect(Diagnosis.SSHHost(cloneURL: address) == nil)
        }
        #expect(Diagnosis.knownHosts(plain, file: "/k", .known).level == .ok)
        let unknown = Diagnosis.knownHosts(other, file: "/k", .unknown)
        #expect(unknown.level == .problem && unknown.remedy?.hasPrefix("ssh-keyscan -p 7999 git.example.com >> /k") == true)
        #expect(Diagnosis.knownHosts(plain, file: "/k", .noFile).remedy?.hasPrefix("ssh-keyscan bitbucket.org >> /k") == true)
    }

    @Test("the hooks listener must say that all is well")
    func hooks() {
        #expect(Diagnosis.hooks("127.0.0.1:8470", .status(200)).level == .ok)
        for answer in [Diagnosis.ListenerAnswer.status(503), .status(404), .none("connection refused")] {
            #expect(Diagnosis.hooks("127.0.0.1:8470", answer).level == .problem)
        }
        #expect(Diagnosis.publicURL("https://deploy.example.com").level == .ok)
        #expect(Diagnosis.publicURL(nil).level == .warning)
    }

    @Test("a daemon without a service manager is no problem, but worth a word")
    func serviceManager() {
        func levels(_ isNotified: Bool, _ hasJournal: Bool, _ watchdog: Duration?) -> [Finding.Level] {
            Diagnosis.serviceManager(isNotified: isNotified, hasJournal: hasJournal, watchdog: watchdog).map(\.level)
        }
        #expect(levels(true, true, .seconds(30)) == [.ok])
        #expect(levels(true, true, nil) == [.warning])
        #expect(levels(true, false, .seconds(30)) == [.warning, .ok])
        #expect(levels(false, true, .seconds(30)) == [.warning, .ok])
        #expect(levels(false, false, nil) == [.warning])
    }

    @Test("a ledger is whole, or damaged in SQLite's words")
    func database() {
        let whole = Diagnosis.database("/l/bittern.db", trouble: [], bytes: 12 << 20, unused: 300 << 10)
        #expect(whole == Finding(.ok, "database", "/l/bittern.db is whole; 12 MB, of which 300 KB wait to be used again"))
        let damaged = Diagnosis.database("/l/bittern.db", trouble: ["Tree 4 page 9: never used"], bytes: 1, unused: 0)
        #expect(damaged.level == .problem && damaged.sentence.contains("page 9") && damaged.remedy != nil)
        let unreadable = Diagnosis.unreadableDatabase("the ledger /l/bittern.db is damaged (malformed); restore a backup")
        #expect(unreadable == Finding(.problem, "database", "the ledger /l/bittern.db is damaged (malformed)", remedy: "restore a backup"))
    }

    @Test("what the files say now is held against what the daemon runs with")
    func configuration() throws {
        let configuration = sample()
        var other = configuration
        other.workers = 7
        let reading = ConfigurationReading(configuration: configuration, problems: [])
        #expect(Diagnosis.configuration(file: "b.yaml", reading, loaded: configuration).map(\.level) == [.ok])
        #expect(Diagnosis.configuration(file: "b.yaml", reading, loaded: nil).map(\.level) == [.ok])
        let changed = Diagnosis.configuration(file: "b.yaml", reading, loaded: other)
        #expect(changed.map(\.level) == [.ok, .warning] && changed.last?.remedy?.hasPrefix("bittern reload") == true)
        let unchecked = ConfigurationReading(configuration: configuration, problems: [], notChecked: ["hook"])
        let doubtful = Diagnosis.configuration(file: "b.yaml", unchecked, loaded: nil)
        #expect(doubtful.map(\.level) == [.ok, .warning] && doubtful.last?.sentence == "not checked: credential hook")
    }

    @Test("every problem of the files is one here, and very many are counted")
    func configurationProblems() {
        let position = SourcePosition(file: "b.yaml", line: 3, column: 1)
        let wrong = ConfigurationReading(configuration: nil, problems: [ConfigurationProblem(at: position, "unknown key (remove it)")])
        let alone = Diagnosis.configuration(file: "b.yaml", wrong, loaded: nil)
        #expect(alone.map(\.level) == [.problem])
        #expect(alone.first?.sentence == "b.yaml:3:1: error: unknown key (remove it)")
        let running = Diagnosis.configuration(file: "b.yaml", wrong, loaded: sample())
        #expect(running.map(\.level) == [.problem, .warning] && running.last?.sentence.contains("goes on") == true)
        let many = (1...25).map { ConfigurationProblem(at: SourcePosition(file: "b.yaml", line: $0, column: 1), "wrong") }
        let counted = Diagnosis.configuration(file: "b.yaml", ConfigurationReading(configuration: nil, problems: many), loaded: nil)
        #expect(counted.count == 21 && counted.last?.sentence == "5 more of the same kind")
        let doubt = ConfigurationProblem(.warning, at: position, "the hook secret is short")
        let warned = Diagnosis.configuration(file: "b.yaml", ConfigurationReading(configuration: sample(), problems: [doubt]), loaded: nil)
        #expect(warned.map(\.level) == [.ok, .warning])
    }

    @Test("no text of a finding moves a terminal's cursor")
    func harmless() {
        let finding = Finding(.problem, "root of \u{1B}[2J", "a\u{202E}b", remedy: "rm \u{7}")
        #expect([finding.subject, finding.sentence, finding.remedy] == ["root of \\x1b[2J", "a\\u202eb", "rm \\x07"])
    }

    private func facts(_ mode: UInt32) -> FileFacts { FileFacts(mode: mode, owner: 7, group: 7) }

    private func sample() -> Configuration {
        Configuration(
            name: "web1", hooks: .init(listen: [.tcp(host: "127.0.0.1", port: 8470)], tls: nil, bodyLimit: 1 << 20, trustedProxies: []),
            controlSocket: "/run/bittern/control.sock", publicURL: nil, stateDirectory: "/var/lib/bittern", workers: 2, environment: [:],
            accounts: [:], apps: [])
    }
}
