import Testing

@testable import Domain

/// What the privileged runner does for whoever speaks to it as the daemon, which may have been taken over.
struct RunnerAdmissionTests {
    private func shop(_ change: (inout App) -> Void = { _ in }) throws -> App {
        var shop = try app(
            secrets: ["DB": Secret("database password")],
            build: [CommandStep(name: "bundle", run: "npm run build")], deploy: [CommandStep(name: "warm", run: "./warm")])
        shop.unit.user = "shop"
        shop.releases.restart = ["shop.service"]
        change(&shop)
        return shop
    }

    private func admission(_ apps: App..., roots: [String] = ["/srv"], rest: RESTCredential? = nil) -> RunnerAdmission {
        var configuration = Configuration(
            name: "web1", hooks: .init(listen: [], tls: nil, bodyLimit: 1, trustedProxies: []), controlSocket: "/c", publicURL: nil,
            stateDirectory: "/var/lib/bittern", workers: 1, environment: ["STAGE": "live"],
            accounts: ["acme": Account(name: "acme", kind: .bitbucketCloud, hookSecrets: [], rest: rest)], apps: apps)
        configuration.runnerRoots = roots
        return RunnerAdmission(configuration, homes: "/home")
    }

    private func request(_ app: App, _ stage: PlannedStep.Stage, _ position: Int, _ change: (inout StepRequest) -> Void = { _ in }) throws
        -> StepRequest
    {
        var request = StepRequest(
            app: app.name, job: 42, cause: .push, ref: try branch("main"), commit: try commit("a"), work: .step(stage, position: position),
            startedAt: Timestamp(milliseconds: 1), configurationHash: app.configurationHash)
        change(&request)
        return request
    }

    private func refusal(_ admission: RunnerAdmission, _ request: StepRequest) -> String {
        do {
            return "admitted: \(try admission.admit(request))"
        } catch {
            return error.sentence
        }
    }

    @Test("a step that is asked for by its place is the one the configuration has there, with its environment and no other")
    func admitted() throws {
        let shop = try shop()
        let admitted = try admission(shop).admit(try request(shop, .build, 2))
        let command = try #require(admitted.step.command)
        #expect(admitted.step.name == "bundle" && command.script == "npm run build")
        #expect(command.directory == "/srv/shop/releases/42-aaaaaaa" && admitted.ownDirectory == command.directory)
        #expect(command.environment["STAGE"] == "live" && command.environment["HOME"] == "/home/shop")
        #expect(command.environment["BITTERN_COMMIT"] == (try commit("a").hex))
        #expect(command.secrets.isEmpty)
        #expect(try admission(shop).admit(try request(shop, .deploy, 4)).step.command?.secrets["DB"]?.text == "database password")
        #expect(try admission(shop).admit(try request(shop, .restart, 5)).step.work == .units(["shop.service"], reload: false))
    }

    @Test("an access token counts for the fetch of an account with an OAuth consumer, and for nothing else")
    func accessToken() throws {
        let shop = try shop()
        func rest(_ configured: RESTCredential?, _ stage: PlannedStep.Stage, _ position: Int) throws -> RESTCredential? {
            let request = try request(shop, stage, position) { $0.accessToken = Secret("given") }
            return try admission(shop, rest: configured).admit(request).account.rest
        }
        let consumer = RESTCredential.oauth(key: "k", secret: Secret("s"))
        #expect(try rest(consumer, .fetch, 0) == .accessToken(Secret("given")))
        #expect(try rest(consumer, .build, 2) == consumer)
        #expect(try rest(.accessToken(Secret("own")), .fetch, 0) == .accessToken(Secret("own")))
        #expect(try rest(nil, .fetch, 0) == nil)
    }

    @Test("a release that a rollback goes to lies where its number and commit say, wherever somebody would have it")
    func rollback() throws {
        let shop = try shop()
        let old = StepRequest.Release(release: 41, commit: try commit("b"), ref: nil)
        let request = try request(shop, .activate, 0) { ($0.cause, $0.target) = (.rollback, old) }
        #expect(try admission(shop).admit(request).step.release.path == "/srv/shop/releases/41-bbbbbbb")
        // A ref that is not the app's names nothing to its commands.
        let made = StepRequest.Release(release: 41, commit: try commit("b"), ref: try branch("evil"))
        let evil = try branch("evil")
        let named = try self.request(shop, .deploy, 1) { ($0.cause, $0.target, $0.ref) = (.rollback, made, evil) }
        #expect(try admission(shop).admit(named).step.command?.environment["BITTERN_REF"] == "")
        let back = try self.request(shop, .switchBack, 6) { $0.goBack = old }
        #expect(try admission(shop).admit(back).step.release.path == "/srv/shop/releases/41-bbbbbbb")
    }

    @Test("what is not configured is refused, with a sentence that says what to do where there is something to do")
    func refused() throws {
        let shop = try shop()
        let admission = admission(shop)
        #expect(refusal(admission, try request(shop) { $0.app = "other" }) == "there is no app other in the runner's configuration")
        let edited = try request(self.shop { $0.umask = 0o077 }, .build, 2)
        #expect(refusal(admission, edited) == "the configuration of shop is not what the daemon has read; systemctl reload bittern")
        // But for the way back, which is no command and is found wherever the plan has it.
        let old = StepRequest.Release(release: 41, commit: try commit("b"), ref: nil)
        let back = try request(self.shop { $0.umask = 0o077 }, .switchBack, 99) { $0.goBack = old }
        #expect(try admission.admit(back).step.release.path == "/srv/shop/releases/41-bbbbbbb")
        for (stage, position) in [(PlannedStep.Stage.deploy, 2), (.build, 3), (.build, 99), (.switchBack, 6)] {
            let refused = refusal(admission, try request(shop, stage, position))
            #expect(refused == "shop has no step \(position) that is a \(stage.rawValue)")
        }
        let sentence = "a rollback names the release it goes to, and nothing else does"
        #expect(refusal(admission, try request(shop) { $0.cause = .rollback }) == sentence)
        let target = StepRequest.Release(release: 1, commit: try commit("b"), ref: nil)
        #expect(refusal(admission, try request(shop) { $0.target = target }) == sentence)
    }

    @Test("a ref that no branch or tag of the app lets in is refused, for whatever cause but a rollback")
    func refs() throws {
        let shop = try shop()
        for cause in [Job.Cause.push, .manual, .retry, .catchUp] {
            for ref in [try branch("evil"), RefName(.tag, "main"), nil] {
                let refused = refusal(admission(shop), try request(shop) { ($0.cause, $0.ref) = (cause, ref) })
                #expect(refused == "shop is not configured for \(ref?.full ?? "a job without a ref")")
            }
        }
    }

    @Test("a chore works on the release of its job, or on one that lies where its number and commit say")
    func chores() throws {
        let shop = try shop { $0.releases.notices = [NoticeSetting(run: "./tell", events: [.failed])] }
        let old = StepRequest.Release(release: 41, commit: try commit("b"), ref: nil)
        func admitted(_ errand: StepRequest.Errand) throws -> AdmittedStep {
            try admission(shop).admit(try request(shop) { $0.work = .chore(errand) })
        }
        let kept = try admitted(.keepCaches(wentLive: true))
        #expect(kept.chore == .keepCaches(wentLive: true) && kept.step.release.path == "/srv/shop/releases/42-aaaaaaa")
        guard case .remove(let release) = try admitted(.remove(old)).chore else { return #expect(Bool(false), "no removal") }
        #expect(release.path == "/srv/shop/releases/41-bbbbbbb")
        let notice = try admitted(.notify(position: 0, .failed, .failed, reason: "because", live: old))
        #expect(notice.job.reason == "because" && notice.job.state == .failed && notice.step.name == "notice-1")
        for (position, event) in [(0, NoticeSetting.Event.recovered), (1, .failed), (99, .failed)] {
            let request = try request(shop) { $0.work = .chore(.notify(position: position, event, .failed, reason: "", live: nil)) }
            #expect(refusal(admission(shop), request) == "shop has no notice \(position + 1) for \(event.rawValue)")
        }
    }

    @Test("no app is touched whose root lies below none of the roots, or that names no user, or root without allow_root")
    func places() throws {
        let shop = try shop()
        let request = try request(shop)
        for roots in [["/opt"], ["/srv/shop"], ["/srv/sho"], ["/srv/shop/x"], []] {
            let refused = refusal(admission(shop, roots: roots), request)
            #expect(refused.hasPrefix("the root of shop, /srv/shop, lies below none of runner_roots"), "\(roots): \(refused)")
        }
        for roots in [["/"], ["/opt", "/srv"]] { #expect(refusal(admission(shop, roots: roots), request).hasPrefix("admitted")) }
        let nobody = try self.shop { $0.unit.user = nil }
        #expect(refusal(admission(nobody), try self.request(nobody)) == "shop has no `user` that its steps could run as")
        let root = try self.shop { $0.unit.user = "root" }
        #expect(refusal(admission(root), try self.request(root)) == "the user of shop is root, and `allow_root` is not set")
        let allowed = try self.shop { ($0.unit.user, $0.unit.allowsRoot) = ("root", true) }
        #expect(refusal(admission(allowed), try self.request(allowed)).hasPrefix("admitted"))
    }

    private func request(_ app: App, _ change: (inout StepRequest) -> Void = { _ in }) throws -> StepRequest {
        try request(app, .build, 2, change)
    }
}
