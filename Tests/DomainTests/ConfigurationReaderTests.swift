import Testing

@testable import Domain

/// The reader by itself, given trees instead of text.
struct ConfigurationReaderTests {
    @Test("a key given twice is a problem that names both lines")
    func twice() {
        let reading = read([("accounts", 1, accounts), ("workers", 4, text("2")), ("workers", 9, text("2"))])
        #expect(reading.configuration == nil)
        #expect(reading.problems.contains(error(9, "`workers` is given twice (first in line 4)")))
    }

    @Test("a warning does not stop the configuration, an error does")
    func warnings() {
        #expect(read([("accounts", 1, accounts)]).configuration != nil)
        #expect(read([("accounts", 1, accounts)]).problems.map(\.severity) == [.warning])
        #expect(read([("accounts", 1, accounts), ("x", 2, text(""))]).configuration == nil)
    }

    @Test("what was found before joins the result, in order")
    func alreadyFound() {
        let before = error(7, "broken")
        let reading = read([("accounts", 1, accounts), ("x", 9, text(""))], alreadyFound: [before])
        #expect(reading.configuration == nil)
        #expect(reading.problems.first == before && reading.problems.count == 2)
    }

    @Test(
        "the apps directory is known before anything else is read",
        arguments: [
            (nil, "/etc/bittern/apps.d"), ("apps", "/etc/bittern/apps"), ("../x/", "/etc/x"), ("/srv/apps", "/srv/apps"),
        ] as [(String?, String)])
    func appsDirectory(written: String?, expected: String) {
        let entries = written.map { [("apps_directory", 3, text($0))] } ?? []
        #expect(reader(entries).appsDirectory?.path == expected)
    }

    @Test("an apps directory that is no path is none")
    func noAppsDirectory() {
        #expect(reader([("apps_directory", 1, mapping([]))]).appsDirectory == nil)
        #expect(reader([("apps_directory", 1, text(""))]).appsDirectory == nil)
    }

    @Test("every entry of what is not supported yet is a key of its place", arguments: ConfigurationPlace.allCases)
    func tableIsKnown(place: ConfigurationPlace) {
        for entry in NotSupportedYet.entries[place] ?? [] {
            let key = entry.split(separator: ":").first.map(String.init) ?? ""
            #expect(place.keys.contains(key), "\(entry)")
        }
        #expect(Set(place.keys).count == place.keys.count)
    }

    @Test(
        "no key is taken without being looked at: a value of no right type is a problem",
        arguments: [
            ConfigurationPlace.main, .hooks, .control, .tls, .retention, .account, .auth, .oauth, .app, .defaults, .step, .health, .limits,
            .notify,
        ])
    func everyKeyIsRead(place: ConfigurationPlace) {
        for key in place.keys {
            let nonsense = ConfigurationTree(.mapping([entry("?", 77, text("?"))]), at: position(77))
            let problems = problems(with: entry(key, 77, nonsense), in: place)
            let isRead = problems.contains { $0.position.line == 77 && !$0.message.hasSuffix("is not supported yet") }
            #expect(isRead, "\(place).\(key)")
        }
    }

    @Test("every entry of what is not supported yet is refused, also with a value that is right")
    func everyLaterKeyIsRefused() {
        for (place, entries) in NotSupportedYet.entries {
            for later in entries {
                let parts = later.split(separator: ": ")
                let entry = entry(String(parts[0]), 77, text(parts.count > 1 ? String(parts[1]) : "x"))
                let expected = error(77, "`\(later)` is not supported yet")
                #expect(problems(with: entry, in: place).contains(expected), "\(place).\(later)")
            }
        }
    }

    @Test("paths are looked at where the app would lie")
    func surroundingsAreAsked() {
        let app = mapping([
            entry("account", 1, text("acme")), entry("repository", 2, text("a/b")), entry("branch", 3, text("main")),
            entry("root", 4, text("/srv/a")),
        ])
        for (path, kind, isWrong) in [
            ("/srv/a/current", .directory, true), ("/srv/a/current", .file, true), ("/srv/a/current", .symbolicLink, false),
            ("/srv/a", .file, true), ("/srv/a", .directory, false),
        ] as [(String, ConfigurationSurroundings.FileKind, Bool)] {
            let reading = read([("accounts", 1, accounts)], apps: [app], fileKinds: [path: kind])
            #expect((reading.configuration == nil) == isWrong, "\(path) \(kind)")
        }
    }

    @Test("a secret from surroundings that answer with nothing is a problem")
    func emptySecret() {
        let reading = read([("accounts", 1, accounts)], hook: .value(Secret(""), path: nil))
        #expect(reading.problems.first?.message == "`hook_secret` names a secret that is empty (write a value into its source)")
    }
}

// MARK: - The words of these tests

private func position(_ line: Int) -> SourcePosition { SourcePosition(file: "bittern.yaml", line: line, column: 1) }
private func error(_ line: Int, _ message: String) -> ConfigurationProblem { ConfigurationProblem(at: position(line), message) }
private func text(_ text: String) -> ConfigurationTree { ConfigurationTree(.scalar(text, written: true), at: position(1)) }
private func mapping(_ entries: [ConfigurationTree.Entry]) -> ConfigurationTree { ConfigurationTree(.mapping(entries), at: position(1)) }
private func list(_ items: ConfigurationTree...) -> ConfigurationTree { ConfigurationTree(.sequence(items), at: position(1)) }

private func entry(_ key: String, _ line: Int, _ value: ConfigurationTree) -> ConfigurationTree.Entry {
    ConfigurationTree.Entry(key: key, keyPosition: position(line), value: value)
}

private let accounts = mapping([
    entry("acme", 1, mapping([entry("kind", 1, text("bitbucket-cloud")), entry("hook_secret", 1, text("env:HOOK"))]))
])

private func reader(
    _ entries: [(String, Int, ConfigurationTree)], fileKinds: [String: ConfigurationSurroundings.FileKind] = [:],
    hook: ConfigurationSurroundings.SecretAnswer = .value(Secret("0123456789abcdef"), path: nil)
) -> ConfigurationReader {
    let surroundings = ConfigurationSurroundings(
        secret: { _ in hook }, fileKind: { fileKinds[$0] }, hostName: "web1", stateDirectory: nil
    )
    let tree = mapping(entries.map { entry($0.0, $0.1, $0.2) })
    return ConfigurationReader(main: ConfigurationFile(tree: tree, directory: "/etc/bittern"), surroundings: surroundings)
}

private func read(
    _ entries: [(String, Int, ConfigurationTree)], apps: [ConfigurationTree] = [],
    fileKinds: [String: ConfigurationSurroundings.FileKind] = [:],
    hook: ConfigurationSurroundings.SecretAnswer = .value(Secret("0123456789abcdef"), path: nil),
    alreadyFound: [ConfigurationProblem] = []
) -> ConfigurationReading {
    // The trees of these tests all say they are of bittern.yaml, so an app is called that.
    reader(entries, fileKinds: fileKinds, hook: hook).read(
        apps: apps.map { ConfigurationFile(tree: $0, directory: "/etc/bittern/apps.d") }, alreadyFound: alreadyFound
    )
}

/// The problems of a configuration that holds one entry in one place.
private func problems(with new: ConfigurationTree.Entry, in place: ConfigurationPlace) -> [ConfigurationProblem] {
    func main(_ key: String, _ value: ConfigurationTree) -> [ConfigurationProblem] { read([(key, 1, value)]).problems }
    func account(_ value: ConfigurationTree) -> [ConfigurationProblem] { main("accounts", mapping([entry("acme", 1, value)])) }
    func app(_ key: String, _ value: ConfigurationTree) -> [ConfigurationProblem] {
        read([("accounts", 1, accounts)], apps: [mapping([entry(key, 1, value)])]).problems
    }
    let value = mapping([new])
    switch place {
    case .main: return read([(new.key, new.keyPosition.line, new.value)]).problems
    case .hooks, .control, .retention, .defaults: return main(place.rawValue, value)
    case .tls: return main("hooks", mapping([entry("tls", 1, value)]))
    case .account: return account(value)
    case .auth: return account(mapping([entry("auth", 1, value)]))
    case .oauth: return account(mapping([entry("auth", 1, mapping([entry("oauth", 1, value)]))]))
    case .app: return read([("accounts", 1, accounts)], apps: [value]).problems
    case .step: return app("deploy", list(value)) + app("build", list(value))
    case .notify: return app("notify", list(value))
    case .health, .limits: return app(place.rawValue, value)
    }
}
