import Testing

@testable import Domain

struct MatchTests {
    @Test("apps of a repository hear of it under its new name and under the old one, also in the push that tells of it")
    func renamed() throws {
        let (old, new) = (try #require(RepositoryName("acme/shop")), try #require(RepositoryName("acme/store")))
        var (a, b) = (try app(), try app())
        (a.name, a.repository, b.name, b.repository) = ("a", old, "b", new)
        var names = RepositoryNames()
        names.add(id: "{1}", name: old)
        let ref = PushedRef.reading(.branch, name: "main", old: nil, new: String(repeating: "1", count: 40))
        func heard(_ name: String, _ id: String?) -> [String?] {
            let push = Push(repository: name, repositoryID: id, refs: [ref])
            return Matcher(apps: [a, b], names: names).changes(of: push).flatMap(\.matches).map(\.app)
        }
        #expect(heard("acme/store", "{1}") == ["a", "b"])
        #expect(heard("Acme/Shop", "{1}") == ["a"] && heard("acme/shop", nil) == ["a"])
        // Another repository that took the old name.
        #expect(heard("acme/shop", "{2}") == ["a"])
        names.add(id: "{1}", name: new)
        for name in ["acme/store", "ACME/STORE", "acme/shop"] { #expect(heard(name, "{1}") == ["a", "b"], "\(name)") }
        #expect(heard("acme/other", "{1}") == ["a", "b"] && heard("acme/other", "{3}") == [nil])
    }

    @Test("every app of the repository gets its own verdict, in the order of the configuration, and no other app does")
    func severalApps() throws {
        let apps = [
            try app("live"), try app("staging", branches: globs("develop")), try app("other", repository: "acme/other"),
            try app("all", branches: globs("**")),
        ]
        #expect(
            try verdicts(of: .change(pushed(branch("main"))), apps: apps) == [
                Match(app: "live", decision: .deploy), ignored("staging", "branch main does not match develop"),
                Match(app: "all", decision: .deploy),
            ])
    }

    @Test("every change of a push is looked at, in its order")
    func severalChanges() throws {
        let refs: [PushedRef] = [
            .change(try pushed(branch("develop"))), .change(try pushed(branch("main"))), .unusable(ref: "x", reason: "no ref"),
            .change(try pushed(tag("v1"))),
        ]
        let changes = Matcher(apps: [try app()]).changes(of: Push(repository: "acme/shop", repositoryID: nil, refs: refs))
        #expect(changes.map(\.ref) == refs)
        #expect(changes.map { change in change.matches.map { $0.decision == .deploy } } == [[false], [true], [false], [false]])
        #expect(changes.allSatisfy { $0.repository == RepositoryName("acme/shop") })
    }

    @Test("the repository is found whatever the case of its name")
    func repositoryCase() throws {
        let changes = try matched(.change(pushed(branch("main"))), apps: [app(repository: "Acme/Shop")], repository: "aCME/sHOP")
        #expect(changes.first?.matches == [Match(app: "shop", decision: .deploy)])
    }

    @Test(
        "a branch is deployed when a pattern lets it in and none takes it out",
        arguments: [
            ("main", true), ("feature/a", true), ("feature/a/b", false), ("release/1/2", true), ("release/old", false),
            ("release/old/x", true),
            ("Main", false), ("develop", false), ("main/x", false),
        ])
    func branches(name: String, isDeployed: Bool) throws {
        let shop = try app(branches: globs("main", "feature/*", "!release/old", "release/**"))
        let match = try #require(try verdicts(of: .change(pushed(branch(name))), apps: [shop]).first)
        let why = Match.Decision.ignore(reason: "branch \(name) does not match main, feature/*, !release/old, release/**")
        #expect(match.decision == (isDeployed ? .deploy : why))
    }

    @Test("a deleted branch or tag is ignored with that reason, also one that is not deployed anyway")
    func deleted() throws {
        let shop = try app(tags: globs("v*"))
        for (ref, reason) in [
            (try branch("main"), "branch main was deleted"), (try branch("x"), "branch x was deleted"),
            (try tag("v1"), "tag v1 was deleted"),
        ] {
            let change = Change(ref: ref, old: try commit("a"), new: nil)
            #expect(try verdicts(of: .change(change), apps: [shop]) == [ignored("shop", reason)])
        }
    }

    @Test("a tag is deployed only by an app that asks for tags like it, and never as a branch")
    func tags() throws {
        let change = PushedRef.change(try pushed(tag("v1.0")))
        #expect(try verdicts(of: change, apps: [app(branches: globs("**"))]) == [ignored("shop", "shop deploys no tags")])
        #expect(try verdicts(of: change, apps: [app(tags: globs("v*"))]) == [Match(app: "shop", decision: .deploy)])
        #expect(try verdicts(of: change, apps: [app(tags: globs("v2*", "!v1*"))]) == [ignored("shop", "tag v1.0 does not match v2*, !v1*")])
        #expect(
            try verdicts(of: .change(pushed(branch("v1.0"))), apps: [app(tags: globs("v*"))]) == [
                ignored("shop", "branch v1.0 does not match main")
            ])
    }

    @Test("a ref that is unusable is ignored by every app with the forge's reason")
    func unusable() throws {
        let ref = PushedRef.unusable(ref: "master", reason: "Mercurial repositories cannot be deployed")
        let apps = [try app("a"), try app("b")]
        #expect(try verdicts(of: ref, apps: apps) == apps.map { ignored($0.name, "Mercurial repositories cannot be deployed") })
    }

    @Test("a repository without an app gets one verdict per change that says so")
    func unknownRepository() throws {
        let changes = try matched(.change(pushed(branch("main"))), apps: [app()], repository: "acme/blog")
        #expect(changes.map(\.matches) == [[ignored(nil, "no app is configured for acme/blog")]])
        #expect(changes.first?.repository == RepositoryName("acme/blog"))
        #expect(try verdicts(of: .change(pushed(branch("main"))), apps: []) == [ignored(nil, "no app is configured for acme/shop")])
    }

    @Test("a repository with a bad name gets one verdict per change that says so, and shows it without harm")
    func badRepository() throws {
        let changes = try matched(.change(pushed(branch("main"))), apps: [app()], repository: "acme/../\u{1B}[2J")
        #expect(changes.map(\.matches) == [[ignored(nil, "the repository name \"acme/../\\x1b[2J\" is not one Bitbucket could have")]])
        #expect(changes.first?.repository == nil)
    }

    @Test("a push without changes has no verdicts")
    func noChanges() throws {
        #expect(Matcher(apps: [try app()]).changes(of: Push(repository: "acme/shop", repositoryID: nil, refs: [])).isEmpty)
    }

    @Test("a reason stays short, however long the patterns and names are")
    func shortReason() throws {
        let shop = try app(branches: (0..<100).map { try #require(Glob("release-\($0)")) })
        guard
            case .ignore(let reason) = try verdicts(of: .change(pushed(branch(String(repeating: "b", count: 1000)))), apps: [shop]).first?
                .decision
        else {
            Issue.record("it was deployed")
            return
        }
        #expect(reason.utf8.count < 1300)
        #expect(reason.hasSuffix("…"))
    }

    @Test("the list of rules explains the very verdict: its first rule that failed is the reason")
    func rulesExplain() throws {
        let apps = [try app(), try app("tags", tags: globs("v*")), try app("all", branches: globs("**", "!main"), tags: globs("**"))]
        let refs: [PushedRef] =
            try [branch("main"), branch("x"), tag("v1"), tag("w1")].flatMap { ref in
                [PushedRef.change(try pushed(ref)), .change(Change(ref: ref, old: try commit("b"), new: nil))]
            } + [.unusable(ref: "x", reason: "no ref")]
        for shop in apps {
            for ref in refs {
                let rules = Matcher.rules(for: ref, app: shop)
                let failed = rules.first { !$0.passed }
                let decision = failed.map { Match.Decision.ignore(reason: $0.reason ?? "") } ?? .deploy
                #expect(try verdicts(of: ref, apps: [shop]) == [Match(app: shop.name, decision: decision)])
                #expect(rules.allSatisfy { $0.passed == ($0.reason == nil) })
            }
        }
    }

    @Test("the list of rules shows what each rule looked at")
    func rulesShow() throws {
        let deleted = Matcher.rules(for: .change(Change(ref: try branch("x"), old: nil, new: nil)), app: try app())
        #expect(deleted.map(\.name) == ["ref is usable", "ref still exists", "branch is deployed"])
        #expect(deleted.map(\.seen) == ["refs/heads/x", "no commit", "x"])
        #expect(deleted.map(\.passed) == [true, false, false])
        let tagged = Matcher.rules(for: .change(try pushed(tag("v1"))), app: try app(tags: globs("v*")))
        #expect(tagged.map(\.name) == ["ref is usable", "ref still exists", "tag is deployed"])
        #expect(tagged.map(\.seen) == ["refs/tags/v1", String(repeating: "a", count: 40), "v1"])
        #expect(Matcher.rules(for: .unusable(ref: "\u{1B}", reason: "no"), app: try app()).map(\.seen) == ["\\x1b"])
    }
}

private func pushed(_ ref: RefName) throws -> Change { Change(ref: ref, old: nil, new: try commit("a")) }

private func ignored(_ app: String?, _ reason: String) -> Match { Match(app: app, decision: .ignore(reason: reason)) }

private func matched(_ ref: PushedRef, apps: [App], repository: String = "acme/shop") -> [MatchedChange] {
    Matcher(apps: apps).changes(of: Push(repository: repository, repositoryID: nil, refs: [ref]))
}

private func verdicts(of ref: PushedRef, apps: [App]) throws -> [Match] {
    let changes = matched(ref, apps: apps)
    #expect(changes.count == 1)
    return try #require(changes.first).matches
}
