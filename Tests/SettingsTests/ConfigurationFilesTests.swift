import Domain
import Foundation
import Glibc
import Settings
import Testing

/// What is said about files that are not as they should be, and about the secrets they name.
struct ConfigurationFilesTests {
    // MARK: - The files

    @Test("a main file that is not there is a problem that says so")
    func missing() throws {
        let folder = try ConfigurationFolder()
        let reading = folder.load()
        #expect(reading.configuration == nil)
        #expect(folder.lines(reading) == ["bittern.yaml:1:1: error: the file does not exist (create it, or correct its name)"])
    }

    @Test("a directory or a pipe in a file's place is a problem, and nobody waits for it", .timeLimit(.minutes(1)))
    func notFiles() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", mainFile())
        try folder.directory("apps.d/a.yaml")
        #expect(mkfifo(folder.path + "/apps.d/b.yaml", 0o600) == 0)
        #expect(
            folder.lines(folder.load(secrets)) == [
                "apps.d/a.yaml:1:1: error: the file is a directory (name a file)",
                "apps.d/b.yaml:1:1: error: the file is no regular file (name one that is)",
            ]
        )
    }

    @Test("a file that may not be read is a problem", .enabled(if: geteuid() != 0, "root may read everything"))
    func notAllowed() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", mainFile(), mode: 0)
        #expect(
            folder.lines(folder.load()) == ["bittern.yaml:1:1: error: the file may not be read by this user (change its owner or mode)"])
    }

    @Test("a file over 1 MB is a problem")
    func tooLarge() throws {
        let comment = "#" + String(repeating: "x", count: 1 << 20)
        #expect(try read(main: comment).lines == ["bittern.yaml:1:1: error: the file is larger than 1024 KB (is it the right one?)"])
    }

    @Test("a missing apps directory is a problem at the key that names it, or at the file's beginning")
    func noAppsDirectory() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", "# the first line\n" + mainFile())
        #expect(rmdir(folder.path + "/apps.d") == 0)
        #expect(
            folder.lines(folder.load(secrets))
                == [
                    "bittern.yaml:3:1: error: the apps directory apps.d cannot be read: No such file or directory (create it, or set `apps_directory`)"
                ]
        )
    }

    @Test("every *.yaml is an app; other names and dot files are passed over; a *.yml is a problem")
    func names() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", mainFile())
        try folder.write("apps.d/shop.yaml", appFile())
        try folder.write("apps.d/blog.yaml", appFile("root: /srv/blog"))
        try folder.write("apps.d/.shop.yaml", "nonsense")
        try folder.write("apps.d/shop.yaml~", "nonsense")
        try folder.write("apps.d/README", "nonsense")
        #expect(folder.load(secrets).configuration?.apps.map(\.name) == ["blog", "shop"])
        try folder.write("apps.d/more.yml", "")
        let reading = folder.load(secrets)
        #expect(reading.configuration == nil)
        #expect(
            folder.lines(reading) == ["apps.d/more.yml:1:1: error: the name ends in .yml and would be passed over (rename it to .yaml)"])
    }

    @Test("relative paths are relative to the file that holds them")
    func relativePaths() throws {
        let folder = try ConfigurationFolder()
        try folder.write(
            "bittern.yaml", mainFile("hooks: {tls: {certificate: tls/a.crt, key: ../a.key}, listen: 'unix:b.sock'}\nstate_directory: state")
        )
        try folder.write("apps.d/shop.yaml", appFile("root: shop\nclone_url: ../git/shop.git"))
        let configuration = try #require(folder.load(secrets).configuration)
        #expect(configuration.hooks.tls == .init(certificate: folder.path + "/tls/a.crt", key: "/tmp/a.key"))
        #expect(configuration.hooks.listen == [.unix(path: folder.path + "/b.sock")])
        #expect(configuration.stateDirectory == folder.path + "/state")
        #expect(configuration.apps.first?.root == folder.path + "/apps.d/shop")
        #expect(configuration.apps.first?.cloneURL == folder.path + "/git/shop.git")
    }

    @Test("the main file may be named relative to the working directory, and problems name files in the same way")
    func relativeMainFile() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", mainFile("state_directory: state"))
        try folder.write("apps.d/shop.yaml", appFile("foo: 1"))
        let here = FileManager.default.currentDirectoryPath
        let up = String(repeating: "../", count: here.split(separator: "/").count).dropLast()
        let path = up + folder.path + "/bittern.yaml"
        let broken = loadConfiguration(at: String(path), environment: secrets, hostName: "web1")
        #expect(broken.problems.map(\.line) == ["\(up)\(folder.path)/apps.d/shop.yaml:1:1: error: unknown key `foo`"])
        try folder.write("apps.d/shop.yaml", appFile())
        let whole = loadConfiguration(at: String(path), environment: secrets, hostName: "web1")
        #expect(whole.configuration?.stateDirectory == folder.path + "/state")
    }

    @Test("$STATE_DIRECTORY, the first of several, is the default of state_directory")
    func stateDirectory() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", mainFile())
        let environment = secrets.merging(["STATE_DIRECTORY": "/var/lib/private/b:/var/lib/c"]) { $1 }
        #expect(folder.load(environment).configuration?.stateDirectory == "/var/lib/private/b")
    }

    @Test("a directory where the link to the live release belongs is a problem; a link is none")
    func current() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", mainFile())
        try folder.write("apps.d/shop.yaml", appFile("root: ../shop"))
        try folder.directory("shop")
        try folder.directory("shop/current")
        #expect(
            folder.lines(folder.load(secrets)) == [
                "apps.d/shop.yaml:1:7: error: `shop/current` is a directory, where the link to the live release belongs "
                    + "(move it away, or choose another root)"
            ]
        )
        #expect(rmdir(folder.path + "/shop/current") == 0)
        #expect(symlink("releases/1", folder.path + "/shop/current") == 0)
        #expect(folder.lines(folder.load(secrets)) == [])
    }

    // MARK: - YAML

    @Test(
        "text that is not YAML is one problem where it stops being YAML",
        arguments: [
            (
                "a: b: c",
                "1:5: error: this is not YAML: mapping values are not allowed in this context (put quotes around a value that holds `: `, and look at the indentation)"
            ),
            (
                "a:\n\tb: 2",
                "2:1: error: this is not YAML: while scanning for the next token, found character that cannot start any token (indent with spaces, not tabs; put quotes around a value that begins with @ or `)"
            ),
            (
                "a: [*]",
                "1:6: error: this is not YAML: while scanning an alias, did not find expected alphabetic or numeric character (put quotes around a value that begins with `*` or `&`)"
            ),
            ("a: *b", "1:4: error: this is not YAML: found undefined alias (put quotes around a value that begins with `*`)"),
            ("a: &b [*b]", "1:8: error: this is not YAML: found undefined alias (put quotes around a value that begins with `*`)"),
            (
                "a: [main, !b]",
                "1:13: error: this is not YAML: while scanning a tag, did not find expected whitespace or line break (put quotes around a value that begins with `!`)"
            ),
            ("a: !b", "1:4: error: `!b` is read as a YAML tag, which means nothing here (put quotes around a value that begins with `!`)"),
            (
                "é: 1\nb: \"\u{7}\"",
                "2:5: error: this is not YAML: control characters are not allowed (take it out, or write it as \\x… in double quotes)"
            ),
            ("? [a]\n: b", "1:3: error: a key must be text (put quotes around a value that begins with `[` or `{`)"),
            ("a: 1\n---\nb: 2", "3:1: error: a second document begins here (one file holds one; take out `---`)"),
        ])
    func notYAML(text: String, expected: String) throws {
        #expect(try read(main: text).lines == ["bittern.yaml:" + expected])
    }

    @Test("a byte that is not UTF-8 is a problem where it stands; a byte order mark is none")
    func notUTF8() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", Array("# ä\nname: ".utf8) + [0xFF])
        #expect(folder.lines(folder.load()) == ["bittern.yaml:2:7: error: this byte is not UTF-8 (save the file as UTF-8)"])
        try folder.write("bittern.yaml", [0xEF, 0xBB, 0xBF] + Array(mainFile("name: ä").utf8))
        #expect(folder.load(secrets).configuration?.name == "ä")
    }

    @Test("a broken app file does not hide what is wrong with the others")
    func brokenBesideOthers() throws {
        let lines = try read(apps: ["a": "a: b: c", "b": appFile("foo: 1")]).lines
        #expect(lines.count == 2 && lines[1] == "apps.d/b.yaml:1:1: error: unknown key `foo`")
    }

    @Test("aliases repeat what they stand for, and a key that is given twice through them is still one")
    func aliases() throws {
        let text = "build: &steps [make]\npre_deploy: *steps"
        #expect(try app(text)?.preDeploy.map(\.run) == ["make"])
    }

    @Test("aliases that repeat without end are refused in no time", .timeLimit(.minutes(1)))
    func aliasBomb() throws {
        var text = "a0: &a0 [x, x]\n"
        for level in 1..<60 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        let lines = try read(main: text).lines
        #expect(lines.count == 1)
        #expect(lines.first?.contains("holds more than 10000 keys and values") == true)
    }

    @Test(
        "nesting over 100 levels is a problem, and no nesting is too deep to say so", .timeLimit(.minutes(1)),
        arguments: [
            ("[", 101), ("[a: ", 60), ("{\"a\": ", 499), ("[", 200_000), ("[? ", 200_000), ("\"]\", [", 100_000), ("# ]\n[", 100_000),
            ("[\u{85}", 100_000),
        ])
    func nesting(opening: String, count: Int) throws {
        let closing = String(repeating: opening.hasPrefix("{") ? "}" : "]", count: count)
        let lines = try read(main: "[" + String(repeating: opening, count: count) + closing + "]").lines
        #expect(lines.count == 1)
        #expect(lines.first?.contains("nests") == true)
    }

    @Test("blocks may not nest deep either", .timeLimit(.minutes(1)), arguments: ["\n", "\r", "\u{85}", "\u{2028}"])
    func blocks(lineBreak: String) throws {
        let deep = (0..<400).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: lineBreak)
        #expect(try read(main: deep).lines.first?.contains("nests deeper than 100 levels") == true)
        let deeper = (0..<1_400).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: lineBreak)
        #expect(try read(main: deeper).lines.first?.contains("nests too deep") == true)
        #expect(try read(main: String(repeating: "- ", count: 100_000) + "a").lines.first?.contains("nests too deep") == true)
    }

    @Test("many brackets that are closed again are no nesting")
    func brackets() throws {
        let rows = (0..<1_500).map { "  A\($0): x  # [" }.joined(separator: "\n")
        #expect(try problems(inMain: "env:\n" + rows).first?.contains("opens too many brackets") == true)
        let lists = (0..<1_500).map { "  - {run: x\($0)}" }.joined(separator: "\n")
        #expect(try app("build:\n" + lists)?.build.count == 1_500)
    }

    // MARK: - Secrets

    @Test(
        "a secret comes from a credential, a file or the environment, without its last newline",
        arguments: [
            ("value", "value"), ("value\n", "value"), ("value\r\n", "value"), ("value\n\n", "value\n"), ("value ", "value "),
            ("\nvalue", "\nvalue"),
        ])
    func sources(written: String, expected: String) throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", mainFile())
        try folder.directory("credentials")
        try folder.write("credentials/one", written, mode: 0o444)
        try folder.write("credentials/cred_two", written)
        try folder.write("secret", written)
        try folder.write("apps.d/shop.yaml", appFile("secrets: {A: credential:one, B: credential:two, C: 'file:../secret', D: env:VALUE}"))
        let environment = secrets.merging(["CREDENTIALS_DIRECTORY": folder.path + "/credentials", "VALUE": written]) { $1 }
        let reading = folder.load(environment)
        let secret = Secret(expected)
        #expect(reading.configuration?.apps.first?.secrets == ["A": secret, "B": secret, "C": secret, "D": secret])
    }

    @Test(
        "what is wrong with a secret's source",
        arguments: [
            ("file:../missing", "PATH/missing does not exist (create it, or correct its name)"),
            ("file:../open", "everybody may read PATH/open (chmod 0600, or 0640 with the daemon's group)"),
            ("file:../empty", "PATH/empty is empty (write the secret into it)"),
            ("file:../newline", "PATH/newline is empty (write the secret into it)"),
            ("file:../large", "PATH/large is larger than 64 KB (is it the right one?)"),
            ("file:../credentials", "PATH/credentials is a directory (name a file)"),
            ("credential:none", "there is no credential none in PATH/credentials (add it to LoadCredential= of the unit, then restart)"),
            ("env:NONE", "$NONE is not set (set it, or use credential: or file:)"),
            ("env:EMPTY", "$EMPTY is empty (write the secret into it)"),
        ])
    func badSources(source: String, expected: String) throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", mainFile())
        try folder.directory("credentials")
        try folder.write("open", "secret", mode: 0o604)
        try folder.write("empty", "")
        try folder.write("newline", "\n")
        try folder.write("large", String(repeating: "x", count: (64 << 10) + 1))
        try folder.write("apps.d/shop.yaml", appFile("secrets: {A: '\(source)'}"))
        let environment = secrets.merging(["CREDENTIALS_DIRECTORY": folder.path + "/credentials", "EMPTY": ""]) { $1 }
        let messages = folder.load(environment).problems.map(\.message)
        #expect(messages == ["`A`: " + expected.replacingOccurrences(of: "PATH", with: folder.path)])
    }

    @Test("a group may read a secret only when it is the daemon's")
    func groups() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", mainFile())
        try folder.write("apps.d/shop.yaml", appFile("secrets: {A: 'file:../secret'}"))
        try folder.write("secret", "secret-token", mode: 0o640)
        #expect(folder.lines(folder.load(secrets)) == [])
        let lines = folder.lines(folder.load(secrets, group: getegid() + 1))
        #expect(lines.count == 1 && lines[0].contains("group \(getegid()) may read secret, and the daemon's is \(getegid() + 1)"))
    }

    @Test("a key for ssh is used where it lies, unless it lies in the environment")
    func sshKeys() throws {
        func key(_ source: String) throws -> SSHCredential.Key? {
            let folder = try ConfigurationFolder()
            try folder.directory("credentials")
            try folder.write("credentials/key", "a key\n")
            try folder.write(
                "bittern.yaml", "accounts: {acme: {kind: bitbucket-cloud, hook_secret: env:HOOK, auth: {ssh_key: '\(source)'}}}")
            let environment = secrets.merging(["CREDENTIALS_DIRECTORY": folder.path + "/credentials"]) { $1 }
            switch folder.load(environment).configuration?.accounts["acme"]?.ssh?.key {
            case .path(let path): return .path(String(path.dropFirst(folder.path.count)))
            case let other: return other
            }
        }
        #expect(try key("credential:key") == .path("/credentials/key"))
        #expect(try key("file:credentials/key") == .path("/credentials/key"))
        #expect(try key("env:TOKEN") == .contents(Secret("secret-token")))
    }

    @Test("without $CREDENTIALS_DIRECTORY a credential is listed for those who only check, and refused for those who serve")
    func notChecked() throws {
        let folder = try ConfigurationFolder()
        try folder.write("bittern.yaml", "accounts: {acme: {kind: bitbucket-cloud, hook_secret: credential:hook}}")
        try folder.write("apps.d/shop.yaml", appFile("secrets: {A: credential:db, B: credential:db}"))
        let checking = folder.load([:], .listed)
        #expect(checking.problems == [])
        #expect(checking.notChecked == ["db", "hook"])
        #expect(checking.configuration?.apps.count == 1)
        let serving = folder.load([:])
        #expect(serving.configuration == nil)
        #expect(serving.notChecked == [])
        #expect(serving.problems.count == 3)
    }
}
