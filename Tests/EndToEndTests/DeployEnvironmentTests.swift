import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct DeployEnvironmentTests {
    /// Writes down the environment the shell of a step was started with. Shells add `PWD` and such of their own accord.
    private static func dump(_ name: String) -> String { "tr \"\\0\" \"\\n\" < /proc/$$/environ > @DIR@/\(name)" }

    private let app = """
        env: {APP_ENV: production, SHARED: app}
        secrets: {DATABASE_URL: credential:db, NPM_TOKEN: file:@DIR@/npm}
        build:
          - '\(dump("plain"))'
          - {run: '\(dump("listed"))', secrets: [NPM_TOKEN], env: {CI: "1", SHARED: step}}
        pre_deploy: ['\(dump("before"))']
        deploy: ['\(dump("after"))']

        """

    private let own = [
        "BITTERN_APP", "BITTERN_JOB", "BITTERN_COMMIT", "BITTERN_REF", "BITTERN_BRANCH", "BITTERN_TAG", "BITTERN_REF_SLUG",
        "BITTERN_PREVIOUS_COMMIT", "BITTERN_RELEASE", "BITTERN_ROOT", "BITTERN_CAUSE", "HOME", "PATH", "LANG", "APP_ENV", "SHARED",
        "GLOBAL",
    ]

    private func withDumps(_ body: (Site, Push) async throws -> Void) async throws {
        let canaries = ["BITTERN_CANARY": "canary-1", "CANARY": "canary-2", "DATABASE_URL": "canary-3"]
        try await withSite(
            app: app,
            config: "env: {GLOBAL: all, SHARED: main}\n",
            secrets: ["npm": "npm-token\n"],
            credentials: ["db": "postgres://db"],
            environment: canaries
        ) { site in
            let push = try await site.push(["a": "1"])
            let job = try await site.runToEnd(try push.job)
            try #require(job.state == "succeeded", "\(job)")
            try await body(site, push)
        }
    }

    @Test("every step gets Bittern's variables and its env, a build step only the secrets it lists, and no step anything of the daemon's")
    func names() async throws {
        try await withDumps { site, _ in
            let secrets = ["DATABASE_URL", "NPM_TOKEN"]
            let (plain, listed) = (try variables("plain", site), try variables("listed", site))
            let (before, after) = (try variables("before", site), try variables("after", site))
            #expect(plain.keys.sorted() == own.sorted())
            #expect(listed.keys.sorted() == (own + ["NPM_TOKEN", "CI"]).sorted())
            #expect(before.keys.sorted() == (own + secrets).sorted())
            #expect(after.keys.sorted() == (own + secrets).sorted())
            #expect(listed["NPM_TOKEN"] == "npm-token" && after["DATABASE_URL"] == "postgres://db")
        }
    }

    @Test("the variables say what CONTRACT says they do, and the nearer env wins")
    func values() async throws {
        try await withDumps { site, push in
            let found = try variables("plain", site)
            let job = try push.job
            let wanted = [
                "BITTERN_APP": "shop", "BITTERN_JOB": "\(job)", "BITTERN_COMMIT": push.commit, "BITTERN_REF": "refs/heads/main",
                "BITTERN_BRANCH": "main", "BITTERN_TAG": "", "BITTERN_REF_SLUG": "main", "BITTERN_PREVIOUS_COMMIT": "",
                "BITTERN_RELEASE": "\(site.root())/releases/\(job)-\(push.commit.prefix(7))", "BITTERN_ROOT": site.root(),
                "BITTERN_CAUSE": "push", "HOME": site.daemon.setup.stateDirectory + "/home/shop", "LANG": "C.UTF-8",
                "APP_ENV": "production", "GLOBAL": "all", "SHARED": "app",
            ]
            for (name, value) in wanted { #expect(found[name] == value, "\(name)") }
            #expect(found["PATH"]?.split(separator: ":").contains("/usr/bin") == true)
            #expect(try variables("listed", site)["SHARED"] == "step")
        }
    }

    @Test("a step begins in the new release, with its HOME kept from job to job")
    func place() async throws {
        try await withSite(app: "build: [\"pwd -P > place; date +%N >> $HOME/runs; cp $HOME/runs runs\"]\n") { site in
            let first = try await site.push(["a": "1"])
            _ = try await site.runToEnd(try first.job)
            let release = URL(filePath: site.root() + "/current").resolvingSymlinksInPath().path
            #expect(try site.live("place") == release + "\n")
            let runs = try site.live("runs")
            _ = try await site.deploy(["a": "2"])
            #expect(try site.live("runs").hasPrefix(runs) && site.live("runs") != runs)
        }
    }

    @Test("secrets are masked in the log, plain, in base64 and URL-encoded, also those the step was not given, and stand in no file")
    func masks() async throws {
        let secret = "s3cr/t+pa ss"
        let encoded = "s3cr%2Ft%2Bpa%20ss"
        let base64 = Data(secret.utf8).base64EncodedString()
        let build = "build: ['cat $BITTERN_ROOT/../../said; printf \"s3cr/t\"; sleep 0.2; echo \"+pa ss.\"; echo over']\n"
        let app = "secrets: {TOKEN: credential:token}\n" + build + "deploy: ['echo \"<$TOKEN>\" >&2; exit 3']\n"
        try await withSite(app: app, credentials: ["token": secret]) { site in
            try site.daemon.setup.write(secret: "said", "1 \(secret)\n2 \(encoded)\n3 \(base64)\n4 \(hookSecret)\n")
            let push = try await site.push(["a": "1"])
            let job = try await site.runToEnd(try push.job)
            #expect(job.state == "failed")
            let build = try await site.daemon.output(of: try push.job, step: "build-1")
            #expect(build == "1 ***\n2 ***\n3 ***\n4 ***\n***.\nover\n")
            #expect(try await site.daemon.output(of: try push.job, step: "deploy-1") == "<***>\n")
            for text in [secret, encoded, base64, hookSecret] {
                let places = [site.daemon.setup.stateDirectory, site.root(), site.daemon.setup.path("serve.err")]
                let found = try await Shell.run(["grep", "-rlF", "--", text] + places)
                #expect(found.status == 1, "\(text): \(found)")
            }
        }
    }

    @Test("a ref's name reaches steps as data, never as a command")
    func injection() async throws {
        let branch = "$(touch${IFS}pwned)`id`;'\"&|x"
        try await withSite(app: "branches: [\"**\"]\nbuild: ['printf %s \"$BITTERN_BRANCH\" > name']\n") { site in
            let job = try await site.deploy(["a": "1"], on: branch)
            #expect(job.state == "succeeded", "\(job)")
            #expect(try site.live("name") == branch)
            let found = try await Shell.run(["find", site.daemon.setup.directory, "-name", "pwned"])
            #expect(found.output.isEmpty)
        }
    }

    private func variables(_ name: String, _ site: Site) throws -> [String: String] {
        try site.read(name).split(separator: "\n").reduce(into: [:]) { found, line in
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if !["PWD", "OLDPWD", "SHLVL", "_"].contains(parts[0]) { found[parts[0]] = parts.count == 2 ? parts[1] : nil }
        }
    }
}
