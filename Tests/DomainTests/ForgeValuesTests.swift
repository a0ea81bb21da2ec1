import Domain
import Testing

/// What is decided about forges without asking one.
@Suite struct ForgeValuesTests {
    // Statuses.

    private func report(_ state: Job.State, isVerdict: Bool = false, reason: String? = nil) throws -> JobReport {
        JobReport(
            id: 1, job: 42, app: "shop", account: "acme", repository: try #require(RepositoryName("acme/shop")),
            commit: try #require(CommitID(bytes: [UInt8](repeating: 1, count: 20))), ref: nil, state: state, isVerdict: isVerdict,
            reason: reason, at: Timestamp(milliseconds: 1), key: "k", name: "shop on web1", attempts: 0)
    }

    @Test(
        "what a job became is one of four states",
        arguments: [
            (Job.State.running, false, BuildStatus.State.inProgress), (.succeeded, true, .successful), (.failed, true, .failed),
            (.cancelled, true, .stopped), (.superseded, false, .stopped), (.superseded, true, .successful), (.skipped, true, .successful),
        ])
    func states(state: Job.State, isVerdict: Bool, expected: BuildStatus.State) throws {
        #expect(BuildStatus(try report(state, isVerdict: isVerdict, reason: "r"), link: nil).state == expected)
    }

    @Test("the description is the reason, harmless and not too long")
    func description() throws {
        #expect(BuildStatus(try report(.running), link: nil).description == "job 42 is running")
        #expect(BuildStatus(try report(.failed, reason: "a\u{1B}b"), link: nil).description == "a\\x1bb")
        #expect(BuildStatus(try report(.skipped, reason: "no file matches"), link: nil).description == "skipped: no file matches")
        let long = BuildStatus(try report(.failed, reason: String(repeating: "ä", count: 400)), link: nil)
        #expect(long.description.utf8.count <= 255 && long.description.hasSuffix("…"))
    }

    @Test("two servers, and two apps, have two keys of at most 40 characters; the same one has the same each time")
    func keys() {
        let servers = ["web1", "web2", "a-server-with-a-very-long-name.example.com", "a-server-with-a-very-long-name.example.org"]
        let keys = servers.flatMap { server in ["shop", "blog"].map { ReportingApp(app: $0, account: "acme", server: server).key } }
        #expect(Set(keys).count == keys.count && keys.allSatisfy { (1...40).contains($0.utf8.count) })
        #expect(keys[0] == "bittern:shop@web1")
        #expect(ReportingApp(app: "shop", account: "acme", server: servers[2]).key == keys[4])
        #expect(ReportingApp(app: "shop", account: "b", server: "web\u{1B}1").name == "shop on web\\x1b1")
    }

    @Test("places in status_url are filled in; others are none")
    func links() {
        #expect(StatusLink("https://x/{app}/{job}?{app}")?.filled(app: "shop", job: 7) == "https://x/shop/7?shop")
        #expect(StatusLink("https://x")?.filled(app: "shop", job: 7) == "https://x")
        for bad in ["https://x/{jobs}", "https://x/{", "https://x/}", "{app"] { #expect(StatusLink(bad) == nil) }
    }

    // When to try again.

    @Test("a request is sent again after 429 and 5xx only, and not for ever")
    func requestRetry() {
        for status in [200, 301, 400, 401, 403, 404, 410] {
            var retry = ForgeRetry()
            #expect(retry.delay(afterStatus: status, isRepeatable: true, wanted: nil, chance: 0.5) == nil, "\(status)")
        }
        var retry = ForgeRetry()
        #expect(retry.delay(afterStatus: 503, isRepeatable: true, wanted: nil, chance: 0.5) == .seconds(1))
        #expect(retry.delay(afterStatus: 429, isRepeatable: true, wanted: nil, chance: 0) == .seconds(1))
        #expect(retry.delay(afterStatus: 503, isRepeatable: true, wanted: nil, chance: 0) == nil)
        // What may have been done must not be done twice.
        var once = ForgeRetry()
        #expect(once.delay(afterStatus: 500, isRepeatable: false, wanted: nil, chance: 0) == nil)
        #expect(once.delay(afterStatus: 429, isRepeatable: false, wanted: .seconds(7), chance: 0) == .seconds(7))
        var patient = ForgeRetry()
        #expect(patient.delay(afterStatus: 429, isRepeatable: true, wanted: .seconds(3600), chance: 0) == nil)
    }

    @Test("a forge that is down has all its reports wait, longer and longer, for a week; a refusal only the one, for a day")
    func reportRetry() {
        func decide(_ trouble: ReportRetry.Trouble, _ attempts: Int, _ age: Duration) -> ReportRetry.Decision {
            ReportRetry.decide(trouble, attempts: attempts, age: age, chance: 0.5)
        }
        #expect(decide(.forge, 1, .zero) == .pause(.seconds(2)))
        #expect(decide(.forge, 3, .zero) == .pause(.seconds(8)))
        #expect(decide(.forge, 60, .seconds(6 * 86_400)) == .pause(.seconds(300)))
        #expect(decide(.forge, 60, .seconds(7 * 86_400)) == .giveUp)
        #expect(decide(.refusal, 1, .zero) == .later(.seconds(30)))
        #expect(decide(.refusal, 60, .seconds(3600)) == .later(.seconds(3600)))
        #expect(decide(.refusal, 2, .seconds(86_400)) == .giveUp)
        #expect(decide(.answer, 1, .zero) == .later(.seconds(2)) && decide(.answer, 60, .zero) == .later(.seconds(300)))
        #expect(decide(.answer, 1, .seconds(7 * 86_400)) == .giveUp)
        #expect(decide(.malformed, 1, .zero) == .giveUp)
        // Not all at the same moment.
        #expect(ReportRetry.decide(.forge, attempts: 1, age: .zero, chance: 0) == .pause(.seconds(1)))
        #expect(ReportRetry.decide(.forge, attempts: 1, age: .zero, chance: 1) == .pause(.seconds(3)))
    }

    @Test("a repository that does not answer is asked less often, and so is one of a forge under pressure")
    func pace() {
        func looks(_ pace: CatchUpPace, _ count: Int, isUnderPressure: Bool = false) -> Int {
            var pace = pace
            return (0..<count).count { _ in pace.isDue(isUnderPressure: isUnderPressure) }
        }
        var pace = CatchUpPace()
        #expect(looks(pace, 10) == 10 && !pace.hasFailed)
        #expect(looks(pace, 10, isUnderPressure: true) == 2)
        let failures = (0..<8).map { _ in pace.failed() }
        #expect(failures.map(\.isNews) == [true] + Array(repeating: false, count: 7))
        // At the start of a host its network may still be missing.
        #expect(failures.map(\.again) == [.seconds(10), .seconds(20), .seconds(40), .seconds(80), nil, nil, nil, nil])
        #expect(looks(pace, 26) == 2 && pace.hasFailed)
        for _ in 0..<100 { _ = pace.failed() }
        #expect(looks(pace, 26) == 2)
    }

    // Proxies.

    @Test(
        "the account's proxy counts before the environment's, and its word for none as well",
        arguments: [
            (nil, [:], nil), ("http://p:1", ["https_proxy": "http://q:2"], "p:1"), ("none", ["https_proxy": "http://q:2"], nil),
            (nil, ["https_proxy": "http://q:2"], "q:2"), (nil, ["HTTPS_PROXY": "q:2"], "q:2"), (nil, ["all_proxy": "http://q:2"], "q:2"),
            (nil, ["http_proxy": "http://q:2"], nil), (nil, ["https_proxy": "http://q:2", "no_proxy": "x.org, example.com"], nil),
            (nil, ["https_proxy": "http://q:2", "no_proxy": ".example.com"], nil),
            (nil, ["https_proxy": "http://q:2", "no_proxy": "ample.com"], "q:2"),
            (nil, ["https_proxy": "http://q:2", "no_proxy": "*"], nil),
            (nil, ["https_proxy": "https://q:2"], nil), (nil, ["https_proxy": ""], nil),
        ] as [(String?, [String: String], String?)])
    func proxy(configured: String?, environment: [String: String], expected: String?) {
        let proxy = ForwardProxy.chosen(for: "https://api.example.com/2.0/", configured: configured, environments: [environment])
        #expect(proxy.map { "\($0.host):\($0.port)" } == expected)
    }

    @Test("a proxy's user and password are decoded, and kept from sight")
    func proxyUser() throws {
        let environment = ["https_proxy": "http://us%40er:p%3Ass@proxy:3128"]
        let proxy = try #require(ForwardProxy.chosen(for: "https://a", configured: nil, environments: [[:], environment]))
        #expect(proxy.authorization == Account.basic("us@er", Secret("p:ss")))
        #expect(!"\(proxy)".contains("p:ss"))
    }

    // Tokens.

    @Test("a sealed token opens for its account and with its secret, and for nobody else")
    func sealing() throws {
        let nonce = [UInt8](repeating: 7, count: SealedToken.nonceSize)
        let secret = Secret("consumer-secret")
        let text = try #require(SealedToken.seal(Secret("refresh-token"), for: "acme", with: secret, nonce: nonce))
        #expect(!text.contains("refresh") && text.hasSuffix("\n"))
        #expect(SealedToken.open(text, for: "acme", with: secret) == Secret("refresh-token"))
        #expect(SealedToken.open(text, for: "acm", with: secret) == nil)
        #expect(SealedToken.open(text, for: "acme", with: Secret("consumer-secreT")) == nil)
        var spoilt = Array(text.utf8)
        spoilt[spoilt.count - 3] ^= 1
        #expect(SealedToken.open(String(decoding: spoilt, as: UTF8.self), for: "acme", with: secret) == nil)
        for bad in ["", "\n", "bittern-token-1 \n", "bittern-token-1 00\n", String(text.dropLast())] {
            #expect(SealedToken.open(bad, for: "acme", with: secret) == nil)
        }
        #expect(SealedToken.seal(Secret("x"), for: "acme", with: secret, nonce: [1]) == nil)
    }

    @Test("the challenge is that of RFC 7636, appendix B")
    func proofKey() throws {
        let random: [UInt8] = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191, 240, 91, 88, 5, 88,
            83, 132, 141, 121,
        ]
        let key = ProofKey(random: random)
        #expect(key.verifier == Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))
        #expect(key.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    }

    // Catch-up.

    @Test("every combination of what is known about a head comes to one decision")
    func catchUpRules() {
        for bits in 0..<64 {
            func bit(_ number: Int) -> Bool { bits >> number & 1 == 1 }
            let rules = CatchUpRules(
                isNew: bit(0), deploysOnAdd: bit(1), isAccounted: bit(2), wasMissedByApp: bit(3), hasJob: bit(4),
                lastVerdictWasForHead: bit(5))
            let isNews = bit(0) ? bit(1) : (!bit(2) || bit(3))
            #expect(rules.queuesJob == (isNews && !bit(4) && !bit(5)))
        }
    }

    @Test("of several heads the branch an app names first is queued last, and alone deployed on adding")
    func headOrder() throws {
        var app = App(
            name: "shop", account: "acme", repository: try #require(RepositoryName("acme/shop")), cloneURL: "file:///x",
            branches: ["release/*", "main", "!release/old"].compactMap { Glob($0) }, root: "/srv/shop")
        app.deploysOnAdd = true
        let id = try #require(CommitID(bytes: [UInt8](repeating: 1, count: 20)))
        let refs = ["main", "release/1", "release/2"].compactMap { RefName(.branch, $0) }
        let heads = FoundHead.all(
            Dictionary(refs.map { ($0, (commit: id, object: id)) }) { first, _ in first }, of: [app],
            [WatchedApp(app, repository: app.repository)])
        #expect(heads.map(\.ref.shortName) == ["release/1", "release/2", "main"])
        #expect(heads.map { $0.apps.map(\.deploysOnAdd) } == [[false], [false], [true]])
        let others = [try #require(RefName(.branch, "release/old")), try #require(RefName(.tag, "main"))]
        #expect(app.deploys(refs[0]) && !others.contains { app.deploys($0) })
    }

    @Test("an app deploys other refs when its account, repository or patterns are others, and only then")
    func watchedRules() throws {
        let name = try #require(RepositoryName("acme/shop"))
        let app = App(
            name: "shop", account: "acme", repository: name, cloneURL: "file:///x", branches: ["main"].compactMap { Glob($0) },
            root: "/srv/shop")
        let rules = WatchedApp(app, repository: name).rules
        var same = app
        same.root = "/srv/other"
        same.timeout = .seconds(1)
        #expect(WatchedApp(same, repository: try #require(RepositoryName("Acme/Shop"))).rules == rules)
        var others = [app, app, app]
        others[0].branches = ["next"].compactMap { Glob($0) }
        others[1].tags = ["v*"].compactMap { Glob($0) }
        others[2].account = "b"
        for other in others { #expect(WatchedApp(other, repository: name).rules != rules) }
        #expect(WatchedApp(app, repository: try #require(RepositoryName("acme/store"))).rules != rules)
    }

    // Names.

    @Test("a repository is known by its id, whatever it is called")
    func names() throws {
        let (shop, store, other) = (
            try #require(RepositoryName("acme/shop")), try #require(RepositoryName("acme/store")), try #require(RepositoryName("acme/x"))
        )
        var names = RepositoryNames()
        #expect(names.news(id: "1", name: shop) == RepositoryNaming(id: "1", name: shop))
        #expect(names.news(id: nil, name: shop) == nil)
        names.add(id: "1", name: shop)
        #expect(names.news(id: "1", name: shop) == nil)
        #expect(names.news(id: "1", name: store) == RepositoryNaming(id: "1", name: store, formerName: shop))
        names.add(id: "1", name: store)
        #expect(names.currentName(of: shop) == store && names.currentName(of: other) == other)
        #expect(names.isSame(store, id: "1", as: shop) && names.isSame(store, id: nil, as: shop))
        #expect(!names.isSame(other, id: "2", as: shop) && !names.isSame(other, id: nil, as: shop))
        // Somebody makes a new repository under the old name.
        names.add(id: "2", name: shop)
        #expect(names.currentName(of: shop) == shop && names.currentName(of: store) == store)
        #expect(!names.isSame(store, id: "1", as: shop))
    }

    // Hooks.

    @Test("a hook is ours by its address, and only what is missing of it is named")
    func hooks() {
        let wanted = WantedHook(url: "https://Deploy.example.com/hooks/acme", name: "n", events: ["a", "b"])
        func hook(_ url: String, events: Set<String> = ["a", "b", "c"], isActive: Bool = true, hasSecret: Bool? = true) -> ForgeHook {
            ForgeHook(id: "1", url: url, name: "", events: events, isActive: isActive, hasSecret: hasSecret)
        }
        for ours in ["https://deploy.example.com/hooks/acme", "https://deploy.example.com:443/hooks/acme/"] {
            #expect(wanted.isOurs(hook(ours)))
        }
        for other in [
            "https://deploy.example.com/hooks/acme/shop", "http://deploy.example.com/hooks/acme",
            "https://deploy.example.com:8443/hooks/acme",
            "https://deploy.example.com/hooks/ACME", "https://x.example.com/hooks/acme", "nonsense",
        ] { #expect(!wanted.isOurs(hook(other)), "\(other)") }
        #expect(wanted.differences(from: hook(wanted.url)) == [])
        #expect(wanted.differences(from: hook(wanted.url, hasSecret: nil)) == [])
        #expect(
            wanted.differences(from: hook(wanted.url, events: ["b"], isActive: false, hasSecret: false))
                == ["it did not send a", "it was switched off", "it had no secret"])
    }
}
