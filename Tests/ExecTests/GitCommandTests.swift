import Domain
import Exec
import RealParts
import Testing

/// git's commands as values: nothing is started here.
@Suite struct GitCommandTests {
    private let password = "s3cret-password"

    /// Every command there is, for one account and address.
    private func commands(_ git: GitCommand) throws -> [Command] {
        let ref = try #require(RefName(.branch, "main"))
        return [
            git.initialise(mirror: "/m.git"), git.fetch(ref, into: "refs/bittern/ref/1", mirror: "/m.git"),
            git.resolve(["0a"], mirror: "/m.git"), git.checkout("0a", tree: "/tree", index: "/index", mirror: "/m.git", umask: 0o027),
            git.remoteRefs([ref.full]),
        ]
    }

    private func git(
        _ cloneURL: String, _ account: Account = Site.account(), environment: [String: String] = [:], key: String? = nil
    ) -> GitCommand {
        GitCommand(account: account, cloneURL: cloneURL, environment: environment, sshKey: key)
    }

    private var forge: Account {
        Site.account(
            url: "https://git.example.com:8443/bitbucket", ca: "/etc/ca.pem", rest: .appPassword(Secret(password), username: "ci"))
    }

    /// The configuration a command gives git by its environment.
    private func settings(_ command: Command) throws -> [String: String] {
        let count = try #require(command.environment["GIT_CONFIG_COUNT"].flatMap { Int($0) })
        var settings: [String: String] = [:]
        for number in 0..<count {
            let key = try #require(command.environment["GIT_CONFIG_KEY_\(number)"])
            settings[key] = command.environment["GIT_CONFIG_VALUE_\(number)"]
        }
        return settings
    }

    @Test("no credential stands in an argument, in any form")
    func arguments() throws {
        let basic = Base64.encode(Array("ci:\(password)".utf8))
        for command in try commands(git("https://git.example.com:8443/scm/acme/shop.git", forge)) {
            let line = ([command.executable] + command.arguments).joined(separator: " ")
            #expect(!line.contains(password))
            #expect(!line.contains(basic))
            #expect(!line.contains("Authorization"))
        }
    }

    @Test("the address stands in fetch and question alone, behind the end of the options, with full ref names")
    func address() throws {
        let url = "https://git.example.com:8443/scm/acme/shop.git"
        let commands = try commands(git(url, forge))
        #expect(commands.map { $0.arguments.contains { $0.contains("git.example.com") } } == [false, true, false, false, true])
        #expect(commands[4].arguments.suffix(3) == ["--end-of-options", url, "refs/heads/main"])
        let fetch = commands[1].arguments
        #expect(fetch.suffix(3) == ["--end-of-options", url, "+refs/heads/main:refs/bittern/ref/1"])
        #expect(fetch.first == "--git-dir=/m.git")
    }

    @Test("the environment is fixed: nobody's configuration, no prompt, no language")
    func environment() throws {
        for command in try commands(git("https://git.example.com/a/b.git")) {
            let wanted = [
                "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false",
                "SSH_ASKPASS": "/bin/false",
            ]
            #expect(command.environment.filter { wanted.keys.contains($0.key) } == wanted)
        }
    }

    @Test("no hook, watcher, helper, housekeeping or redirect is allowed")
    func settings() throws {
        for command in try commands(git("https://git.example.com/a/b.git")) {
            let settings = try settings(command)
            #expect(settings["core.hooksPath"] == "/dev/null")
            #expect(settings["core.fsmonitor"] == "false")
            #expect(settings["credential.helper"] == "")
            #expect(settings["gc.auto"] == "0")
            #expect(settings["maintenance.auto"] == "false")
            #expect(settings["http.followRedirects"] == "false")
        }
    }

    @Test(
        "the transport of the address is the only one allowed",
        arguments: [
            ("https://git.example.com/a/b.git", "https"), ("http://git.example.com/a/b.git", "http"),
            ("ssh://git@host:7999/a/b.git", "ssh"),
            ("file:///srv/git/b.git", "file"), ("/srv/git/b.git", "file"),
        ])
    func transport(url: String, transport: String) throws {
        for command in try commands(git(url)) { #expect(command.environment["GIT_ALLOW_PROTOCOL"] == transport) }
    }

    @Test("the credential is bound to the account's own server, whatever address is cloned")
    func boundHeader() throws {
        let header = "Authorization: Basic \(Base64.encode(Array("ci:\(password)".utf8)))"
        for url in ["https://git.example.com:8443/scm/a/b.git", "https://elsewhere.example.net/a/b.git"] {
            let settings = try settings(try commands(git(url, forge))[1])
            #expect(settings["http.https://git.example.com:8443/.extraHeader"] == header)
            #expect(settings["http.https://git.example.com:8443/.sslCAInfo"] == "/etc/ca.pem")
            #expect(settings.filter { $0.value.contains("Authorization") }.count == 1)
            #expect(settings["http.extraHeader"] == nil)
        }
    }

    @Test(
        "each kind of credential has its own header",
        arguments: [
            (
                Account.Kind.bitbucketCloud, RESTCredential.apiToken(Secret("token-1"), email: "a@b.c"),
                "Basic x-bitbucket-api-token-auth:token-1"
            ),
            (.bitbucketCloud, .accessToken(Secret("token-2")), "Basic x-token-auth:token-2"),
            (.bitbucketDataCenter, .accessToken(Secret("token-3")), "Bearer token-3"),
        ])
    func headers(kind: Account.Kind, credential: RESTCredential, expected: String) throws {
        var account = forge
        account.kind = kind
        account.rest = credential
        let server = kind == .bitbucketCloud ? "https://bitbucket.org/" : "https://git.example.com:8443/"
        let header = try settings(try commands(git("https://x/a/b.git", account))[1])["http.\(server).extraHeader"]
        let words = expected.split(separator: " ").map(String.init)
        let value = words[0] == "Basic" ? Base64.encode(Array(words[1].utf8)) : words[1]
        #expect(header == "Authorization: \(words[0]) \(value)")
    }

    @Test("a proxy is the account's, and `none` is none", arguments: [("http://proxy:3128", "http://proxy:3128"), ("none", "")])
    func proxy(configured: String, setting: String) throws {
        var account = forge
        account.proxy = configured
        let settings = try settings(try commands(git("https://x/a/b.git", account))[1])
        #expect(settings["http.https://git.example.com:8443/.proxy"] == setting)
    }

    @Test("an account without credentials gives none")
    func noCredential() throws {
        let settings = try settings(try commands(git("https://x/a/b.git", Site.account(url: "https://x")))[1])
        #expect(settings.keys.filter { $0.hasPrefix("http.https:") } == [])
    }

    @Test("the configuration's own variables reach git, but those by which git and ssh are steered")
    func ownVariables() throws {
        let own = [
            "HTTPS_PROXY": "http://proxy:3128", "GIT_SSH_COMMAND": "evil", "GIT_CONFIG_COUNT": "0", "GIT_ALLOW_PROTOCOL": "ext",
            "GIT_DIR": "/elsewhere", "SSH_AUTH_SOCK": "/agent", "PATH": "/evil", "HOME": "/home/evil", "LC_ALL": "de_DE",
        ]
        for command in try commands(git("https://x/a/b.git", environment: own)) {
            #expect(command.environment["HTTPS_PROXY"] == "http://proxy:3128")
            #expect(command.environment["GIT_ALLOW_PROTOCOL"] == "https")
            #expect(command.environment["GIT_CONFIG_COUNT"] != "0")
            #expect(command.environment["HOME"] == "/nonexistent")
            for name in ["GIT_SSH_COMMAND", "GIT_DIR", "SSH_AUTH_SOCK"] { #expect(command.environment[name] == nil) }
            #expect(!command.environment.values.contains { $0.contains("evil") })
        }
    }

    @Test("ssh has the deploy key and the known hosts, asks nothing and trusts no new host")
    func ssh() throws {
        let account = Site.account(ssh: SSHCredential(key: .path("/k"), knownHosts: "/etc/known hosts"))
        let command = try commands(git("ssh://git@host:7999/a/b.git", account, key: "/etc/it's a key"))[1]
        let ssh = try #require(command.environment["GIT_SSH_COMMAND"])
        for word in ["'-F' '/dev/null'", "'-oBatchMode=yes'", "'-oStrictHostKeyChecking=yes'", "'-oIdentitiesOnly=yes'"] {
            #expect(ssh.contains(word))
        }
        #expect(ssh.contains("'-oUserKnownHostsFile=\"/etc/known hosts\"'"))
        #expect(ssh.contains("'-oGlobalKnownHostsFile=/dev/null'"))
        #expect(ssh.hasSuffix("'-i' '/etc/it'\\''s a key'"))
        #expect(command.environment["GIT_SSH_VARIANT"] == "ssh")
    }

    @Test("no other transport is given a command for ssh")
    func noSSH() throws {
        let account = Site.account(ssh: SSHCredential(key: .path("/k"), knownHosts: nil))
        let command = try commands(git("https://x/a/b.git", account, key: "/k"))[1]
        #expect(command.environment["GIT_SSH_COMMAND"] == nil)
    }

    @Test("a checkout has its own index, its tree and the app's umask")
    func checkout() throws {
        let command = try commands(git("/srv/git/b.git"))[3]
        #expect(command.executable == "/bin/sh")
        #expect(command.arguments.prefix(3) == ["-c", "umask 027; exec \"$0\" \"$@\"", "/usr/bin/git"])
        #expect(command.arguments.contains("--work-tree=/tree"))
        #expect(command.environment["GIT_INDEX_FILE"] == "/index")
        #expect(command.directory == "/tree")
    }
}
