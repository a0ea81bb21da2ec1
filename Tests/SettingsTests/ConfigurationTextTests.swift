import Domain
import Testing

/// What the reader says to whole files, as people write them.
struct ConfigurationTextTests {
    @Test("a small configuration gets every default")
    func defaults() throws {
        let (reading, lines) = try read()
        let configuration = try #require(reading.configuration)
        #expect(lines == [])
        #expect(configuration.name == "web1")
        #expect(configuration.hooks.listen == [.tcp(host: "127.0.0.1", port: 8470)])
        #expect(configuration.hooks.tls == nil)
        #expect(configuration.hooks.bodyLimit == 2 << 20)
        #expect(configuration.hooks.trustedProxies == ["127.0.0.1", "::1"])
        #expect(configuration.controlSocket == "/run/bittern/control.sock")
        #expect(configuration.stateDirectory == "/var/lib/bittern")
        #expect(configuration.workers == 2)
        let app = try #require(configuration.apps.first)
        #expect(app.name == "shop")
        #expect(app.cloneURL == "https://bitbucket.org/acme/shop.git")
        #expect(app.timeout == .seconds(1_800) && app.noOutputTimeout == .seconds(600))
        #expect(app.logLimit == 64 << 20 && app.umask == 0o022)
    }

    @Test("every problem of every file is reported at once, by file, line and column")
    func allAtOnce() throws {
        let lines = try read(
            main: mainFile("workers: many\nhoks: {}"),
            apps: ["blog": appFile("brnch: main\nroot: /srv/blog"), "shop": appFile("timeout: 5 min\nroot: 7\nlfs: maybe")]
        ).lines
        #expect(
            lines == [
                "apps.d/blog.yaml:1:1: error: unknown key `brnch` (did you mean `branch`?)",
                "apps.d/shop.yaml:1:10: error: `timeout` must be a time such as 90s, 15m, 2h or 7d, not `5 min`",
                "apps.d/shop.yaml:3:6: error: `lfs` must be true or false, not `maybe`",
                "bittern.yaml:1:10: error: `workers` must be a whole number from 0 to 1000, not `many`",
                "bittern.yaml:2:1: error: unknown key `hoks` (did you mean `hooks`?)",
            ]
        )
    }

    @Test("scalars are the text that was written", arguments: ["on", "1.10", "null", "~", "0x10", "yes", "2026-01-01"])
    func asWritten(branch: String) throws {
        #expect(try app("branch: \(branch)")?.branches.first?.pattern == branch)
    }

    @Test("a file that is empty or no mapping is one problem")
    func notMappings() throws {
        #expect(try read(main: "").lines == ["bittern.yaml:1:1: error: the file is empty (`accounts` is missing)"])
        #expect(try read(main: "# nothing\n").lines == ["bittern.yaml:1:1: error: the file is empty (`accounts` is missing)"])
        #expect(
            try read(apps: ["shop": "- a\n"]).lines
                == ["apps.d/shop.yaml:1:1: error: the file is a list, not a mapping (an app needs account, repository, branch and root)"]
        )
    }

    @Test("what retention does not say stays at its default")
    func retention() throws {
        #expect(try read().reading.configuration?.retention == Retention())
        let some = try read(main: mainFile("retention: {jobs: 30d, logs: 12h}")).reading.configuration?.retention
        #expect(some == Retention(deliveries: .seconds(90 * 86_400), jobs: .seconds(30 * 86_400), logs: .seconds(12 * 3_600)))
    }

    @Test("no apps is a warning, and the configuration counts")
    func noApps() throws {
        let (reading, lines) = try read(apps: [:])
        #expect(lines == ["bittern.yaml:2:1: warning: no apps are configured (put APP.yaml into the apps directory)"])
        #expect(reading.configuration?.apps == [])
    }

    @Test("an app that lies in the root of another, or shares it or its name, is a problem")
    func apart() throws {
        let lines = try read(apps: [
            "a": appFile("root: /srv/a"), "b": appFile("root: /srv/a/"), "c": appFile("root: /srv/a/../a/b/c"),
            "d": appFile("app: a\nroot: /srv/ab"),
        ]).lines
        #expect(
            lines == [
                "apps.d/b.yaml:1:7: error: `root` is also that of apps.d/a.yaml, line 1 (each app needs its own)",
                "apps.d/c.yaml:1:7: error: `root` must lie apart from that of apps.d/a.yaml, line 1, `/srv/a`, not in it or around it",
                "apps.d/c.yaml:1:7: error: `root` must lie apart from that of apps.d/b.yaml, line 1, `/srv/a`, not in it or around it",
                "apps.d/d.yaml:1:6: error: two apps are called `a` (the other in apps.d/a.yaml; give one another name with `app`)",
            ]
        )
    }

    @Test("a file name that makes no name for an app needs `app`")
    func fileName() throws {
        let lines = try read(apps: ["My Shop": appFile()]).lines
        #expect(
            lines == [
                "apps.d/My Shop.yaml:2:1: error: the file's name makes no name for an app: `My Shop` "
                    + "(a to z, 0 to 9, `.`, `_` and `-`, a letter or digit first, at most 63; rename it, or write `app: NAME`)"
            ]
        )
        #expect(try read(apps: ["My Shop": appFile("app: shop")]).lines == [])
    }

    @Test(
        "the repository's address follows from the account",
        arguments: [
            ("kind: bitbucket-cloud", "acme/shop", "https://bitbucket.org/acme/shop.git"),
            ("kind: bitbucket-cloud, workspace: acme", "shop", "https://bitbucket.org/acme/shop.git"),
            ("kind: bitbucket-cloud, auth: {ssh_key: env:TOKEN}", "acme/shop", "ssh://git@bitbucket.org/acme/shop.git"),
            (
                "kind: bitbucket-datacenter, url: 'https://git.example.com/bitbucket/'", "SHOP/web",
                "https://git.example.com/bitbucket/scm/SHOP/web.git"
            ),
            ("kind: bitbucket-datacenter, url: 'http://[::1]:7990'", "~ann/web", "http://[::1]:7990/scm/~ann/web.git"),
            (
                "kind: bitbucket-datacenter, url: 'https://a', ssh_url: 'ssh://git@a:7999/', auth: {ssh_key: env:TOKEN}", "SHOP/web",
                "ssh://git@a:7999/SHOP/web.git"
            ),
        ])
    func cloneAddress(account: String, repository: String, expected: String) throws {
        #expect(try app("repository: \(repository)", account: "hook_secret: env:HOOK, \(account)")?.cloneURL == expected)
    }

    @Test("without ssh_url no address can be made for ssh")
    func sshAddressMissing() throws {
        let account = "kind: bitbucket-datacenter, hook_secret: env:HOOK, url: 'https://a', auth: {ssh_key: env:TOKEN}"
        let main = "accounts: {acme: {\(account)}}"
        #expect(try read(main: main).lines.contains { $0.contains("has ssh_key but no ssh_url") })
        #expect(try read(main: main, apps: ["shop": appFile("clone_url: ssh://git@a:7999/x/y.git")]).lines == [])
    }

    @Test(
        "clone_url may be an address or a path",
        arguments: [
            ("https://host:8443/a/b.git", "https://host:8443/a/b.git"), ("ssh://git@host/a.git", "ssh://git@host/a.git"),
            ("file:///srv/git/a.git", "file:///srv/git/a.git"), ("/srv/git/../git/a.git", "/srv/git/a.git"),
            ("http://localhost:3000/a", "http://localhost:3000/a"),
        ])
    func cloneAddressGiven(text: String, expected: String) throws {
        #expect(try app("clone_url: \(text)")?.cloneURL == expected)
    }

    @Test("credentials become what REST and git are shown")
    func credentials() throws {
        func account(_ auth: String) throws -> Account? {
            let text =
                "accounts: {acme: {kind: bitbucket-cloud, hook_secret: [env:HOOK, env:OLD_HOOK], proxy: none, ca: ca.pem, auth: {\(auth)}}}"
            return try read(main: text).reading.configuration?.accounts["acme"]
        }
        let token = Secret("secret-token")
        let both = try #require(try account("api_token: env:TOKEN, email: ci@acme.example, ssh_key: env:TOKEN, known_hosts: /etc/known"))
        #expect(both.rest == .apiToken(token, email: "ci@acme.example"))
        #expect(both.ssh == SSHCredential(key: .contents(token), knownHosts: "/etc/known"))
        #expect(both.hookSecrets == [Secret("0123456789abcdef"), Secret("fedcba9876543210")])
        #expect(both.proxy == "none")
        #expect(both.certificateAuthority?.hasSuffix("/ca.pem") == true)
        #expect(try account("access_token: env:TOKEN")?.rest == .accessToken(token))
        #expect(try account("app_password: env:TOKEN, username: ann")?.rest == .appPassword(token, username: "ann"))
    }

    @Test("steps get their names by place, and keep what was written")
    func steps() throws {
        let app = try #require(
            try app(
                """
                secrets: {TOKEN: env:TOKEN}
                build:
                  - npm ci
                  - {name: bundle, run: npm run build, timeout: 10m, secrets: [TOKEN], env: {CI: "1"}, network: on}
                  - run: |
                      one
                      two
                pre_deploy: [./bin/migrate]
                deploy: [./bin/warm-cache, {run: x}]
                """
            )
        )
        #expect(app.build.map(\.name) == ["build-1", "bundle", "build-3"])
        #expect(
            app.build[1]
                == CommandStep(name: "bundle", run: "npm run build", timeout: .seconds(600), environment: ["CI": "1"], secrets: ["TOKEN"]))
        #expect(app.build[2].run == "one\ntwo\n")
        #expect(app.preDeploy.map(\.name) == ["pre-deploy-1"])
        #expect(app.deploy.map(\.name) == ["deploy-1", "deploy-2"])
        #expect(app.secrets == ["TOKEN": Secret("secret-token")])
    }

    @Test("everything the manual describes is taken")
    func everything() throws {
        #expect(try read(main: everyMainKey, apps: ["shop": everyAppKey]).lines == [])
    }

    private var everyMainKey: String {
        """
        name: web1
        hooks: {listen: ["127.0.0.1:8470", "[::1]:8470", "unix:/run/b.sock"], tls: {certificate: a, key: b}, body_limit: 2M, trusted_proxies: [127.0.0.1, "::1"]}
        control: {socket: /run/bittern/control.sock}
        public_url: https://deploy.example.com/x/
        status_url: "https://logs.example.com/{app}/{job}"
        state_directory: /var/lib/bittern
        apps_directory: apps.d
        workers: 2
        runner: systemd
        runner_roots: [/srv]
        drain: 0s
        catch_up: off
        min_free: 1G
        retention: {deliveries: 90d, jobs: 365d, logs: 90d}
        env: {A: ""}
        defaults: {timeout: 5m, build: [{run: x, secrets: [FROM_THE_APP]}], restart: [a.service, b.service], catch_up: true}
        accounts:
          acme:
            kind: bitbucket-cloud
            workspace: acme
            ca: internal-ca.pem
            proxy: http://proxy:3128
            hook_secret: [env:HOOK, env:OLD_HOOK]
            auth: {oauth: {key: k, secret: env:TOKEN}, ssh_key: env:TOKEN, known_hosts: f}
          server:
            kind: bitbucket-datacenter
            url: https://git.example.com/bitbucket
            ssh_url: ssh://git@git.example.com:7999
            hook_secret: env:HOOK
        """
    }

    private var everyAppKey: String {
        """
        app: shop
        account: acme
        repository: acme/shop
        auth: {access_token: env:TOKEN}
        hook_secret: env:HOOK
        clone_url: https://bitbucket.org/acme/shop.git
        branches: [main, "release/*", "!release/old"]
        tags: []
        paths: ["services/shop/**", "!**.md"]
        skip_markers: ["[skip deploy]", "[deploy skip]"]
        root: /srv/shop
        directory: services/shop
        shared: [.env, storage/]
        cache: [node_modules/]
        user: shop
        allow_root: false
        umask: "022"
        external_links: refuse
        submodules: false
        lfs: false
        env: {APP_ENV: production}
        secrets: {DATABASE_URL: env:TOKEN}
        build: [npm ci, {name: bundle, run: x, timeout: 10m, secrets: [DATABASE_URL], env: {CI: "1"}, network: off}]
        pre_deploy: [./bin/migrate]
        deploy: [{run: ./bin/warm-cache, rollback: false}]
        restart: shop.service
        reload: [php8.2-fpm.service]
        health: {url: "http://127.0.0.1:3000/health?a", status: 200, headers: {Host: shop.example.com}, within: 30s, interval: 1s}
        on_failure: rollback
        notify: [{run: ./etc/tell-chat, on: [failed, recovered]}]
        keep_releases: 5
        timeout: 30m
        no_output_timeout: 10m
        log_limit: 64M
        limits: {memory: 2G, cpu: 200%, tasks: 512}
        lock: shop
        cancel_running: false
        max_attempts: 3
        catch_up: true
        deploy_on_add: false
        operators: [deployers]
        """
    }
}
