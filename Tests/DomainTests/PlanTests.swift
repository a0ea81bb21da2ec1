import Testing

@testable import Domain

struct PlanTests {
    private static let secrets = ["DB": Secret("database password"), "NPM": Secret("npm token")]

    @Test("the steps come in order: fetch, checkout, build, pre_deploy, activate, deploy")
    func order() throws {
        let plan = try plan(
            app(
                build: [step("install"), step("bundle", timeout: .seconds(5))], preDeploy: [step("migrate")],
                deploy: [step("warm"), step("tell")],
                timeout: .seconds(77)))
        #expect(plan.steps.map(\.name) == ["fetch", "checkout", "install", "bundle", "migrate", "activate", "warm", "tell"])
        #expect(plan.steps.map(\.stage) == [.fetch, .checkout, .build, .build, .preDeploy, .activate, .deploy, .deploy])
        #expect(plan.steps.map(\.timeout) == [nil, nil, nil, .seconds(5), nil, nil, nil, nil])
        #expect(plan.timeout == .seconds(77))
        #expect(plan.steps[0].work == .fetch && plan.steps[1].work == .checkout && plan.steps[5].work == .activate)
    }

    @Test("an app without commands is fetched, checked out and activated")
    func noCommands() throws {
        #expect(try plan(app()).steps.map(\.name) == ["fetch", "checkout", "activate"])
    }

    @Test("the built-in steps have names no configured step may take")
    func reserved() throws {
        for name in ["fetch", "checkout", "activate", "restart", "reload", "health", "switch-back", "rollback-warm"] {
            #expect(Plan.isReserved(name))
        }
        var shop = try app(deploy: [step("warm")])
        (shop.releases.restart, shop.releases.reload) = (["a.service"], ["b.service"])
        shop.releases.health = Health(.tcp(host: "localhost", port: 80))
        let old = ReleaseTarget(release: 41, commit: try commit("b"), path: "/srv/shop/releases/41-bbbbbbb", ref: try branch("main"))
        let plan = Plan(app: shop, job: try job(ref: branch("main")), environment: [:], previous: nil, home: "/home", goBack: old)
        #expect(plan.allSteps.filter { !Plan.isReserved($0.name) }.map(\.name) == ["warm"])
    }

    @Test("after the deploy steps come restart, reload and health; what goes back does the same in the release before")
    func back() throws {
        var shop = try app(deploy: [step("warm"), CommandStep(name: "once", run: "x", isInRollbacks: false)])
        (shop.releases.restart, shop.releases.reload) = (["a.service"], ["b.service"])
        shop.releases.health = Health(.tcp(host: "localhost", port: 80))
        let old = ReleaseTarget(release: 41, commit: try commit("b"), path: "/srv/shop/releases/41-bbbbbbb", ref: try branch("main"))
        let plan = Plan(app: shop, job: try job(ref: branch("main")), environment: [:], previous: nil, home: "/home", goBack: old)
        #expect(plan.steps.map(\.name) == ["fetch", "checkout", "activate", "warm", "once", "restart", "reload", "health"])
        #expect(plan.revert.map(\.name) == ["switch-back", "rollback-warm", "rollback-restart", "rollback-reload", "rollback-health"])
        #expect(plan.revert.allSatisfy { $0.release == old } && plan.onFailure == .goBack(old))
        let environment = try #require(plan.revert[1].command).environment
        #expect(environment["BITTERN_CAUSE"] == "rollback" && environment["BITTERN_COMMIT"] == String(repeating: "b", count: 40))
        #expect(environment["BITTERN_RELEASE"] == old.path && environment["BITTERN_PREVIOUS_COMMIT"] == String(repeating: "a", count: 40))
        shop.releases.rollsBack = false
        let kept = Plan(app: shop, job: try job(ref: branch("main")), environment: [:], previous: nil, home: "/home", goBack: old)
        #expect(kept.revert.isEmpty && kept.onFailure == .keep)
    }

    @Test("a rollback only puts its release live, and does what comes after")
    func rollback() throws {
        let shop = try app(build: [step("bundle")], preDeploy: [step("migrate")], deploy: [step("warm")])
        let old = ReleaseTarget(release: 41, commit: try commit("b"), path: "/srv/shop/releases/41-bbbbbbb", ref: try branch("main"))
        let plan = Plan(
            app: shop, job: try job(ref: branch("main"), cause: .rollback), environment: [:], previous: try commit("a"), home: "/home",
            target: old)
        #expect(plan.steps.map(\.name) == ["activate", "warm"])
        #expect(plan.release == old && plan.isRollback && plan.onFailure == .stuck)
    }

    @Test("every step works in the configured directory of the release")
    func directory() throws {
        var shop = try app(build: [step("bundle")])
        shop.releases.directory = "services/shop"
        #expect(try command(of: shop, ref: branch("main")).directory == "/srv/shop/releases/42-aaaaaaa/services/shop")
    }

    @Test("a command is the script as it was written: nothing is pasted into it")
    func script() throws {
        let run = "echo \"$BITTERN_BRANCH\" && ./x '{app}' %s"
        #expect(try command(of: app(build: [CommandStep(name: "x", run: run)])).script == run)
    }

    @Test("a command has its whole environment, always all of it, and nothing else")
    func environment() throws {
        let plan = Plan(
            app: try app(deploy: [step("warm")]), job: try job(ref: branch("feature/Issue-1"), cause: .catchUp), environment: [:],
            previous: try commit("b"), home: "/var/lib/bittern/home/shop")
        let deploy = try #require(plan.steps.last?.command)
        #expect(
            deploy.environment == [
                "BITTERN_APP": "shop", "BITTERN_JOB": "42", "BITTERN_COMMIT": String(repeating: "a", count: 40),
                "BITTERN_REF": "refs/heads/feature/Issue-1", "BITTERN_BRANCH": "feature/Issue-1", "BITTERN_TAG": "",
                "BITTERN_REF_SLUG": "feature-issue-1", "BITTERN_PREVIOUS_COMMIT": String(repeating: "b", count: 40),
                "BITTERN_RELEASE": "/srv/shop/releases/42-aaaaaaa", "BITTERN_ROOT": "/srv/shop", "BITTERN_CAUSE": "catch-up",
                "HOME": "/var/lib/bittern/home/shop", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG": "C.UTF-8",
            ])
    }

    @Test("what there is none of is set and empty")
    func emptyVariables() throws {
        let shop = try app(build: [step("x")])
        let tagged = try command(of: shop, ref: tag("v1.0")).environment
        #expect(tagged["BITTERN_TAG"] == "v1.0" && tagged["BITTERN_BRANCH"]?.isEmpty == true && tagged["BITTERN_REF"] == "refs/tags/v1.0")
        #expect(tagged["BITTERN_PREVIOUS_COMMIT"]?.isEmpty == true)
        let bare = try command(of: shop, ref: nil).environment
        for name in ["BITTERN_REF", "BITTERN_BRANCH", "BITTERN_TAG", "BITTERN_REF_SLUG", "BITTERN_PREVIOUS_COMMIT"] {
            #expect(bare[name]?.isEmpty == true, "\(name)")
        }
    }

    @Test("the nearer environment wins: step, app, configuration, the system's")
    func nearerWins() throws {
        let shop = try app(
            environment: ["A": "app", "B": "app", "LANG": "app"], build: [step("x", environment: ["A": "step"])], deploy: [step("y")])
        let plan = try plan(shop, environment: ["A": "all", "B": "all", "C": "all", "LANG": "all", "HOME": "/all"])
        let build = try #require(plan.steps.first { $0.stage == .build }?.command).environment
        #expect([build["A"], build["B"], build["C"], build["LANG"], build["HOME"]] == ["step", "app", "all", "app", "/all"])
        #expect(try #require(plan.steps.last?.command).environment["A"] == "app")
    }

    @Test("a build step has the secrets it lists and no other; pre_deploy and deploy steps have all")
    func secrets() throws {
        let shop = try app(
            secrets: Self.secrets, build: [step("none"), step("one", secrets: ["NPM"]), step("unknown", secrets: ["X"])],
            preDeploy: [step("migrate")],
            deploy: [step("warm", secrets: ["NPM"])])
        let given = try plan(shop).steps.compactMap { step in step.command.map { (step.name, Set($0.secrets.keys)) } }
        #expect(
            Dictionary(uniqueKeysWithValues: given) == [
                "none": [], "one": ["NPM"], "unknown": [], "migrate": ["DB", "NPM"], "warm": ["DB", "NPM"],
            ])
    }

    @Test("no secret stands in what is shown of a command")
    func secretsApart() throws {
        let command = try command(of: app(secrets: Self.secrets, build: [step("x", secrets: ["DB", "NPM"])]))
        #expect(command.secrets["DB"] == Secret("database password"))
        #expect(command.environment["DB"] == nil && command.environment["NPM"] == nil)
        #expect(!"\(command)".contains("database password"))
    }

    @Test("a release directory is named for its job and commit")
    func releaseDirectory() throws {
        #expect(Plan.releaseDirectory(root: "/srv/shop", job: 7, commit: try commit("c")) == "/srv/shop/releases/7-ccccccc")
        #expect(try plan(app()).release.path == "/srv/shop/releases/42-aaaaaaa")
    }

    private func plan(_ app: App, environment: [String: String] = [:]) throws -> Plan {
        Plan(app: app, job: try job(ref: branch("main")), environment: environment, previous: nil, home: "/home")
    }

    /// The app's first command.
    private func command(of app: App, ref: RefName?) throws -> StepCommand {
        let plan = Plan(app: app, job: try job(ref: ref), environment: [:], previous: nil, home: "/home")
        return try #require(plan.steps.compactMap(\.command).first)
    }

    private func command(of app: App) throws -> StepCommand { try command(of: app, ref: branch("main")) }
}

private func step(_ name: String, timeout: Duration? = nil, environment: [String: String] = [:], secrets: [String] = []) -> CommandStep {
    CommandStep(name: name, run: "./\(name)", timeout: timeout, environment: environment, secrets: secrets)
}

extension PlannedStep {
    var command: StepCommand? { if case .command(let command) = work { command } else { nil } }
}
