import Testing

/// What is said about keys and values that are wrong, and where.
struct ConfigurationProblemsTests {
    @Test(
        "keys and their values in the main file",
        arguments: [
            ("workers: 1\nworkers: 2", "2:1: error: `workers` is given twice (first in line 1)"),
            ("<<: {workers: 1}", "1:1: error: unknown key `<<`"),
            ("control: {sokcet: x}", "1:11: error: unknown key `sokcet` (did you mean `socket`?)"),
            ("control: {path: x}", "1:11: error: unknown key `path` (known here: socket)"),
            ("name:", "1:1: error: `name` has no value (write a name, or leave the key out)"),
            ("name: [a]", "1:7: error: `name` must be a name, not a list"),
            ("hooks: [a]", "1:8: error: `hooks` must be a mapping, not a list"),
            ("hooks: on", "1:8: error: `hooks` must be a mapping, not text"),
            (
                "hooks: off\ncatch_up: off",
                "2:1: warning: `catch_up` is off like `hooks`, so no push is ever heard of (give it a time, such as 1m)"
            ),
            ("catch_up: 5s", "1:11: error: `catch_up` must be at least 10s, or off"),
            ("hooks: {listen: 8470}", "1:17: error: `listen` must be host:port, [IPv6 address]:port or unix:/path, not `8470`"),
            ("hooks: {listen: '::1:8470'}", "1:17: error: `listen` must be host:port, [IPv6 address]:port or unix:/path, not `::1:8470`"),
            ("hooks: {listen: 'a:65536'}", "1:17: error: `listen` must be host:port, [IPv6 address]:port or unix:/path, not `a:65536`"),
            ("hooks: {listen: ['a:1', 'a:1']}", "1:25: error: `listen` names the same address twice"),
            ("hooks: {listen: []}", "1:17: error: `listen` must be an address or a list of them, not an empty list"),
            ("hooks: {listen: 'unix:'}", "1:17: error: `listen` must name a socket, such as /run/bittern/bittern.sock"),
            ("hooks: {tls: {certificate: a}}", "1:9: error: `key` is missing (a PEM file)"),
            ("hooks: {body_limit: 1023}", "1:21: error: `body_limit` must be a size such as 512K, 64M or 2G, not `1023`"),
            ("hooks: {body_limit: 65M}", "1:21: error: `body_limit` must be from 1K to 64M, not `65M`"),
            (
                "hooks: {trusted_proxies: [10.0.0.0/8]}",
                "1:27: error: `trusted_proxies` must be single IP addresses, without ranges or names, not `10.0.0.0/8`"
            ),
            (
                "hooks: {listen: 'unix:/s'}\ncontrol: {socket: /s}",
                "2:1: error: `hooks` and `control` name the same socket, `/s` (give each its own)"
            ),
            ("public_url: ftp://a", "1:13: error: `public_url` must be an address that begins with https:// or http://, not `ftp://a`"),
            ("public_url: https://me:pw@a", "1:13: error: `public_url` must not hold a user or password"),
            ("public_url: https://a?b", "1:13: error: `public_url` must be an address without `?` and `#`, not `https://a?b`"),
            ("name: \"a\\eb\"", "1:7: error: `name` must be a name without control characters, not `a\\x1bb`"),
            (
                "control: {socket: /\(String(repeating: "x", count: 107))}",
                "1:19: error: `socket` must be a path of at most 107 bytes, not 108"
            ),
            ("hooks: {listen: }", "1:9: error: `listen` has no value (write an address or a list of them, or leave the key out)"),
            ("workers: 00", "1:10: error: `workers` must be a whole number from 0 to 1000, not `00`"),
            ("workers: -1", "1:10: error: `workers` must be a whole number from 0 to 1000, not `-1`"),
            ("runner_roots: [/srv]", "1:1: warning: `runner_roots` has no effect with `runner: child`"),
            ("runner: docker", "1:9: error: `runner` must be one of child, systemd, not `docker`"),
            ("env: {BITTERN_APP: x}", "1:7: error: `BITTERN_APP` begins with BITTERN_, which is bittern's own (use another name)"),
            ("env: {1A: x}", "1:7: error: `1A` is no name of an environment variable (letters, digits and `_`, no digit first)"),
            ("env: {A: }", "1:7: error: `A` has no value (write text (\"\" for an empty one), or leave the key out)"),
            ("env: {A: [b]}", "1:10: error: `A` must be text (\"\" for an empty one), not a list"),
            ("env: {A: \"\\0\"}", "1:10: error: `A` holds a NUL character (leave it out)"),
            ("state_directory: /", "1:18: error: `state_directory` must be a directory of its own, not `/`"),
            (
                "apps_directory: elsewhere",
                "1:17: error: the apps directory elsewhere cannot be read: No such file or directory (create it, or set `apps_directory`)"
            ),
            ("apps_directory: {a: b}", "1:17: error: `apps_directory` must be a directory, not a mapping"),
            ("accounts: {}", "1:11: error: `accounts` is empty (add an account with kind and hook_secret)"),
            ("defaults: {root: /x}", "1:12: error: unknown key `root`"),
            ("defaults: {timeout: soon}", "1:21: error: `timeout` must be a time such as 90s, 15m, 2h or 7d, not `soon`"),
            ("retention: {jobs: 0d}", "1:19: error: `jobs` must be longer than `0d`"),
            (
                "status_url: 'https://a/{commit}'",
                "1:13: error: `status_url` must be an address with no places but {app} and {job}, not `https://a/{commit}`"
            ),
        ])
    func mainFileProblem(text: String, expected: String) throws {
        #expect(try problems(inMain: text).contains("bittern.yaml:" + expected))
    }

    @Test(
        "what stands in an account",
        arguments: [
            (
                "kind: bitbucket-cloud",
                "2:3: error: `hook_secret` is missing (without one anybody could deploy: credential:NAME, file:PATH or env:NAME)"
            ),
            ("hook_secret: env:HOOK", "2:3: error: `kind` is missing (bitbucket-cloud or bitbucket-datacenter)"),
            ("kind: github", "3:5: error: `kind: github` is not supported yet"),
            (
                "kind: bitbucket-clod",
                "3:11: error: `kind` must be one of bitbucket-cloud, bitbucket-datacenter, github, gitlab, gitea, not `bitbucket-clod` (did you mean `bitbucket-cloud`?)"
            ),
            (
                "hook_secret: 0123456789abcdef",
                "3:18: error: `hook_secret` must name where the secret is and never be the secret itself (credential:NAME, file:PATH or env:NAME)"
            ),
            ("hook_secret: env:NOPE", "3:18: error: `hook_secret`: $NOPE is not set (set it, or use credential: or file:)"),
            ("hook_secret: env:SHORT", "3:18: warning: `hook_secret` has 3 bytes and can be guessed (use at least 16)"),
            (
                "hook_secret: credential:x",
                "3:18: error: credential:x cannot be read, because $CREDENTIALS_DIRECTORY is not set (start with systemd and LoadCredential=, or use file: or env:)"
            ),
            ("hook_secret: [env:HOOK, env:HOOK]", "3:18: error: `hook_secret` names the same secret twice (the old one and the new one)"),
            ("hook_secret: [env:HOOK, env:OLD_HOOK, env:TOKEN]", "3:18: error: `hook_secret` must be a secret or a list of two, not of 3"),
            ("kind: bitbucket-cloud\nurl: https://a", "4:5: error: `url` belongs to kind bitbucket-datacenter (leave it out)"),
            (
                "kind: bitbucket-datacenter",
                "2:3: error: `url` is missing (the server's base address, such as https://git.example.com/bitbucket)"
            ),
            (
                "kind: bitbucket-datacenter\nworkspace: acme",
                "4:5: error: `workspace` belongs to kind bitbucket-cloud (name the repository with its project: PROJECT/slug)"
            ),
            (
                "url: http://git.example.com",
                "3:10: error: `url` must be https://, because http:// can be read on the way (it is for localhost, 127.0.0.1 and [::1] only)"
            ),
            ("url: https://me@git.example.com", "3:10: error: `url` must not hold a user or password"),
            ("ssh_url: ssh://git:pw@git.example.com", "3:14: error: `ssh_url` must not hold a password (ssh uses the key)"),
            (
                "ssh_url: ssh://git@git.example.com/path",
                "3:14: error: `ssh_url` must be an address such as ssh://git@git.example.com:7999, not `ssh://git@git.example.com/path`"
            ),
            ("proxy: proxy:3128", "3:12: error: `proxy` must be an address such as http://proxy:3128, or none, not `proxy:3128`"),
            ("proxy: http://u:p@proxy:3128", "3:12: error: `proxy` must not hold a user or password"),
            ("workspace: a/b", "3:16: error: `workspace` must be a workspace's id, as in https://bitbucket.org/WORKSPACE/, not `a/b`"),
            ("auth: {}", "3:5: error: `auth` holds no credential (one of api_token, access_token, oauth, ssh_key)"),
            ("auth: {api_token: env:TOKEN}", "3:5: error: `email` is missing (that of the token's user)"),
            ("auth: {api_token: env:TOKEN, email: me}", "3:41: error: `email` must be an e-mail address, not `me`"),
            (
                "auth: {email: a@b, access_token: env:TOKEN}",
                "3:12: error: `email` has no effect without `api_token` (add it, or leave this out)"
            ),
            ("auth: {known_hosts: f}", "3:12: error: `known_hosts` has no effect without `ssh_key` (add it, or leave this out)"),
            (
                "auth: {access_token: env:TOKEN, app_password: env:TOKEN, username: u}",
                "3:37: error: `app_password` contradicts `access_token` (one of api_token, access_token, oauth, app_password, and ssh_key beside it)"
            ),
            (
                "auth: {app_password: env:TOKEN, username: u}",
                "3:12: warning: Bitbucket Cloud switched app passwords off in July 2026 (use api_token with email, or access_token)"
            ),
            ("auth: {oauth: {key: k}}", "3:12: error: `secret` is missing (the consumer's secret)"),
            ("auth: {access_token: env:SHORT}", "3:26: warning: `access_token` has 3 bytes, too few to be masked in logs (use at least 6)"),
            (
                "kind: bitbucket-datacenter\nauth: {api_token: env:TOKEN}",
                "4:12: error: `api_token` belongs to kind bitbucket-cloud (use access_token with an HTTP access token)"
            ),
        ])
    func accountProblem(text: String, expected: String) throws {
        #expect(try problems(inAccount: text).contains("bittern.yaml:" + expected))
    }

    @Test(
        "what stands in an app",
        arguments: [
            (
                "app: Shop",
                "1:6: error: `app` must be a name (a to z, 0 to 9, `.`, `_` and `-`, a letter or digit first, at most 63), not `Shop`"
            ),
            ("account: acne", "1:10: error: unknown account `acne` (did you mean `acme`?)"),
            ("account: other", "1:10: error: unknown account `other` (there is `acme`)"),
            ("repository: shop", "1:13: error: `repository` must be workspace/slug, not `shop`, or the account needs a `workspace`"),
            ("repository: a/b/c", "1:13: error: `repository` must be workspace/slug, not `a/b/c`"),
            ("branch: main\nbranches: [main]", "1:1: error: `branch` contradicts `branches` (keep one of them)"),
            ("branch: [main]", "1:9: error: `branch` must be a pattern, not a list"),
            ("branch: '!main'", "1:9: error: `branch` only excludes (name a branch without `!`)"),
            ("branch: 'a[b'", "1:9: error: `branch` must be a pattern (a `[` needs its `]`), not `a[b`"),
            ("branches: main", "1:11: error: `branches` must be a list of patterns, not text"),
            ("branches: []", "1:11: error: `branches` must name at least one branch"),
            ("branches: ['!a']", "1:11: error: `branches` only excludes (add a pattern without `!`)"),
            ("tags: ['!a']", "1:7: error: `tags` only excludes (add a pattern without `!`)"),
            ("root: /", "1:7: error: `root` must be a directory of its own, not `/`"),
            (
                "root: /var/lib/bittern",
                "1:7: error: `root` must lie apart from the state directory `/var/lib/bittern`, not in it or around it"
            ),
            (
                "root: /var/lib/bittern/shop",
                "1:7: error: `root` must lie apart from the state directory `/var/lib/bittern`, not in it or around it"
            ),
            ("root: /var/lib/", "1:7: error: `root` must lie apart from the state directory `/var/lib/bittern`, not in it or around it"),
            (
                "clone_url: git@host:acme/shop.git",
                "1:12: error: `clone_url` must be written as an address (`ssh://git@host/acme/shop.git`)"
            ),
            ("clone_url: https://me:pw@host/x", "1:12: error: `clone_url` must not hold a password (put it into `auth` of the account)"),
            (
                "clone_url: https://me@host/x",
                "1:12: error: `clone_url` must not hold a user (put the credential into `auth` of the account)"
            ),
            ("clone_url: me:pw@host/x", "1:12: error: `clone_url` must be https://…, ssh://…, file:///… or a path"),
            ("clone_url: git://host/x", "1:12: error: `clone_url` must be https://…, ssh://…, file:///… or a path, not `git://host/x`"),
            (
                "clone_url: ssh://-oProxyCommand=x/y",
                "1:12: error: `clone_url` must be https://…, ssh://…, file:///… or a path, not `ssh://-oProxyCommand=x/y`"
            ),
            ("clone_url: file://host/x", "1:12: error: `clone_url` must be file:///PATH, not `file://host/x`"),
            (
                "clone_url: http://host/x",
                "1:12: error: `clone_url` must be https://, because http:// can be read on the way (it is for localhost, 127.0.0.1 and [::1] only)"
            ),
            ("umask: 888", "1:8: error: `umask` must be octal digits from 000 to 777, such as \"022\", not `888`"),
            ("umask: 1022", "1:8: error: `umask` must be octal digits from 000 to 777, such as \"022\", not `1022`"),
            ("timeout: 0s", "1:10: error: `timeout` must be longer than `0s`"),
            ("log_limit: 0K", "1:12: error: `log_limit` must be from 1K to 1048576G, not `0K`"),
            (
                "secrets: {TOKEN: hunter2}",
                "1:18: error: `TOKEN` must name where the secret is and never be the secret itself (credential:NAME, file:PATH or env:NAME)"
            ),
            ("secrets: {BITTERN_X: env:TOKEN}", "1:11: error: `BITTERN_X` begins with BITTERN_, which is bittern's own (use another name)"),
            ("secrets: {A: env:SHORT}", "1:14: warning: `A` has 3 bytes, too few to be masked in logs (use at least 6)"),
            ("secrets: {A: env:TOKEN}\nenv: {A: x}", "2:7: error: `A` is in `env` and in `secrets` (keep one of them)"),
            ("build: npm ci", "1:8: error: `build` must be a list of commands, not text"),
            ("build: ['  ']", "1:9: error: `build` holds an empty command (write one, or leave it out)"),
            ("build: [{name: a}]", "1:9: error: `run` is missing (a command)"),
            ("build: [{name: checkout, run: x}]", "1:16: error: `checkout` is the name of a built-in step (choose another)"),
            (
                "build: [{name: deploy-1, run: x}]\ndeploy: [y]",
                "2:10: error: two steps are called `deploy-1` (the first in line 1; give one another name)"
            ),
            (
                "build: [{run: x, secrets: [TOKEM]}]\nsecrets: {TOKEN: env:TOKEN}",
                "1:28: error: unknown secret `TOKEM` (did you mean `TOKEN`?)"
            ),
            ("build: [{run: x, secrets: [A]}]", "1:28: error: unknown secret `A` (add it to `secrets` of the app)"),
            ("build: [{run: x, secrets: [A, A]}]\nsecrets: {A: env:TOKEN}", "1:31: error: `A` is listed twice"),
            (
                "build: [{run: x, secrets: [A], env: {A: b}}]\nsecrets: {A: env:TOKEN}",
                "1:28: error: `A` is in `env` and in `secrets` of this step (keep one of them)"
            ),
            (
                "deploy: [{run: x, secrets: [A]}]\nsecrets: {A: env:TOKEN}",
                "1:19: error: `secrets` belongs to build steps (other steps have all secrets of the app; leave it out)"
            ),
            (
                "build: [{run: x, timeout: 31m}]",
                "1:27: error: `timeout` of a step is longer than that of the whole job (raise `timeout` of the app)"
            ),
            ("build: [{run: x, network: off}]", "1:18: error: `network` can be off only with `runner: systemd`"),
            ("build: [{run: x, rollback: false}]", "1:18: error: `rollback` belongs to deploy steps"),
            ("deploy: [{name: switch-back, run: x}]", "1:17: error: `switch-back` is the name of a built-in step (choose another)"),
            ("deploy: [{name: rollback-x, run: x}]", "1:17: error: `rollback-x` is the name of a built-in step (choose another)"),
            ("shared: [a/]\ncache: [a/b/]", "2:8: error: `a/b` and `a` of `shared` are in each other's way (keep one of them)"),
            (
                "shared: [REVISION]",
                "1:9: error: `REVISION` and `REVISION`, which Bittern writes itself are in each other's way (keep one of them)"
            ),
            ("health: {url: 'http://localhost/', headers: {'a b': c}}", "1:46: error: `a b` is not the name of a header"),
            ("health: {}", "1:1: error: `health` says nothing to ask (one of url, tcp, run)"),
            ("health: {run: x, tcp: 'a:1'}", "1:10: error: `run` contradicts `tcp` (one of url, tcp, run)"),
            ("health: {tcp: 3000}", "1:15: error: `tcp` must be host:port, not `3000`"),
            ("limits: {cpu: 2}", "1:15: error: `cpu` must be a share of one processor, such as 200%, not `2`"),
            ("user: root", "1:1: error: `user` is root (add `allow_root: true`, or choose another user)"),
            ("directory: ../x", "1:12: error: `directory` must be a relative path without `..`, not `../x`"),
            ("notify: [{run: x, on: [sometimes]}]", "1:24: error: `on` must be one of succeeded, failed, recovered, not `sometimes`"),
        ])
    func appProblem(text: String, expected: String) throws {
        #expect(try problems(inApp: text).contains("apps.d/shop.yaml:" + expected))
    }

    @Test(
        "no problem repeats a secret that somebody wrote down",
        arguments: [
            "secrets: {A: hunter2hunter2}", "secrets: {A: 'credential:hunter2/hunter2'}", "secrets: {A: [hunter2]}",
            "clone_url: https://me:hunter2@host/x", "clone_url: me:hunter2@host/x", "clone_url: https://hunter2@host/x",
            "clone_url: 'https://me:hunter2@host:port/x'", "hook_secret: hunter2", "auth: {access_token: hunter2}",
        ])
    func noSecretShown(text: String) throws {
        let lines = try problems(inApp: text)
        #expect(lines.contains { $0.contains("error") })
        #expect(!lines.contains { $0.contains("hunter2") })
    }

    @Test("what follows from an account that is not whole is not reported again")
    func noConsequences() throws {
        let lines = try read(main: "accounts: {acme: {kind: bitbucket-cloud}}", apps: ["shop": appFile("repository: shop")]).lines
        #expect(lines.count == 1)
        #expect(lines.first?.contains("`hook_secret` is missing") == true)
    }
}
