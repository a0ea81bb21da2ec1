import RealParts
import Testing

@testable import Domain

/// What is explained of a push is what ``Matcher`` decides of it.
struct ExplanationTests {
    @Test("5,000 random pushes are explained as they are decided, for each hook of each account")
    func asDecided() throws {
        let seed = SeededRandom.seed
        print("explained as decided: BITTERN_TEST_SEED=\(seed)")
        var random = SeededRandom(seed: seed)
        var (deployed, ignored, deaf) = (0, 0, 0)
        for _ in 0..<50 {
            let apps = try (0..<Int.random(in: 0...8, using: &random)).map { try Self.anyApp($0, &random) }
            let loaded = try configuration(apps: apps)
            for _ in 0..<100 {
                let push = Self.anyPush(&random)
                let account = try #require(["acme", "dc"].randomElement(using: &random))
                let hookApp =
                    Int.random(in: 0..<3, using: &random) == 0 ? apps.first { $0.account == account && $0.hookSecrets != nil }?.name : nil
                // As the doors of the listener are made.
                let hearing = apps.filter { $0.account == account && (hookApp == nil ? $0.hookSecrets == nil : $0.name == hookApp) }
                let comment: Comment = "BITTERN_TEST_SEED=\(seed): \(push) to \(account) \(hookApp ?? "")"
                for change in Matcher(apps: hearing).changes(of: push) {
                    let explained = ExplainedPush(
                        account: account, hookApp: hookApp, wasDelivered: true, repository: push.repository, ref: change.ref)
                    let explanations = loaded.explanations(of: explained)
                    #expect(Set(explanations.map(\.app)) == Set(apps.map(\.name)) && explanations.count == apps.count, comment)
                    for explanation in explanations {
                        check(explanation, comment)
                        let match = change.matches.first { $0.app == explanation.app }
                        guard let match else {
                            // Nothing was decided for it, because the push never came to it.
                            #expect(
                                ["repository is the app's", "account is the app's", "hook is the app's"].contains(
                                    explanation.rules.last?.name), comment)
                            #expect(explanation.refusal != nil, comment)
                            deaf += 1
                            continue
                        }
                        #expect(match.decision == (explanation.refusal.map { .ignore(reason: $0) } ?? .deploy), comment)
                        if explanation.refusal == nil { deployed += 1 } else { ignored += 1 }
                    }
                }
            }
        }
        #expect(deployed > 200 && ignored > 200 && deaf > 200, "BITTERN_TEST_SEED=\(seed): \(deployed), \(ignored), \(deaf)")
    }

    @Test("the rules are asked up to the first that fails: repository, account, hook, ref, and files where they are known")
    func order() throws {
        var shop = try app()
        shop.filters.paths = try globs("src/**")
        let loaded = try configuration(apps: [shop, app("far", repository: "acme/far")])
        var push = ExplainedPush(
            account: "acme", wasDelivered: true, repository: "acme/shop",
            ref: .change(Change(ref: try branch("main"), old: nil, new: try commit("a"))), paths: ["docs/a"])
        #expect(
            loaded.explanations(of: push).map { $0.rules.map(\.name) } == [
                [
                    "repository is the app's", "account is the app's", "hook is the app's", "ref is usable", "ref still exists",
                    "branch is deployed", "a pushed file is the app's",
                ], ["repository is the app's"],
            ])
        #expect(loaded.explanations(of: push)[0].refusal == "no pushed file matches paths: src/**")
        push.paths = ["docs/a", "src/b"]
        #expect(loaded.explanations(of: push)[0].refusal == nil)
        push.account = "dc"
        #expect(loaded.explanations(of: push)[0].rules.map(\.passed) == [true, false])
        // Of one that is only thought of nobody knows the hook or the commit, and any account will do.
        push.account = nil
        push.wasDelivered = false
        #expect(
            loaded.explanations(of: push)[0].rules.map(\.name) == [
                "repository is the app's", "account is the app's", "ref is usable", "branch is deployed", "a pushed file is the app's",
            ])
        #expect(
            loaded.explanations(of: push)[0].rules.map(\.seen) == ["acme/shop", "any", "refs/heads/main", "main", "docs/a, src/b"])
    }

    @Test("what a rule saw is shown without harm and not at length")
    func shown() throws {
        let name = String(repeating: "x", count: 5000) + "\u{1B}[2J"
        let push = ExplainedPush(
            account: "acme", wasDelivered: true, repository: name, ref: .unusable(ref: "\u{202E}" + name, reason: "no"), paths: [name])
        for explanation in try configuration(apps: [app()]).explanations(of: push) { check(explanation, "\(explanation)") }
    }

    private func check(_ explanation: Explanation, _ comment: Comment) {
        #expect(explanation.rules.dropLast().allSatisfy { $0.passed }, comment)
        #expect(explanation.rules.last?.passed == (explanation.refusal == nil), comment)
        for rule in explanation.rules {
            #expect(rule.passed == (rule.reason == nil), comment)
            #expect(rule.seen.unicodeScalars.allSatisfy(SafeText.isHarmless) && rule.seen.utf8.count <= 1024 + 3, comment)
        }
    }

    private func configuration(apps: [App]) throws -> Configuration {
        let accounts = ["acme": account(.bitbucketCloud), "dc": account(.bitbucketDataCenter)]
        return Configuration(
            name: "web1", hooks: .init(listen: [], tls: nil, bodyLimit: 1 << 20, trustedProxies: []),
            controlSocket: "/run/bittern/control.sock", publicURL: nil,
            stateDirectory: "/var/lib/bittern", workers: 2, environment: [:], accounts: accounts, apps: apps)
    }

    private static func anyApp(_ number: Int, _ random: inout SeededRandom) throws -> App {
        let branches = [["main"], ["**"], ["*"], ["release/*", "!release/old"], ["[a-m]*"], []]
        let tags = [[], [], ["v*"], ["**", "!v1"]]
        let repositories = ["acme/shop", "ACME/Shop", "acme/blog"]
        var app = App(
            name: "app-\(number)", account: Bool.random(using: &random) ? "acme" : "dc",
            repository: try #require(RepositoryName(repositories[Int.random(in: 0..<3, using: &random)])), cloneURL: "/srv/git",
            branches: try branches[Int.random(in: 0..<6, using: &random)].map { try #require(Glob($0)) },
            tags: try tags[Int.random(in: 0..<4, using: &random)].map { try #require(Glob($0)) }, root: "/srv/app-\(number)")
        if Int.random(in: 0..<4, using: &random) == 0 { app.hookSecrets = [Secret("a-hook-of-its-own")] }
        return app
    }

    private static func anyPush(_ random: inout SeededRandom) -> Push {
        let repositories = ["acme/shop", "acme/SHOP", "acme/blog", "acme/none", "no name"]
        let names = ["main", "release/1", "release/old", "v1", "v2", "zz", "a..b", "", "-x", "ünï"]
        let hashes: [String?] = [
            nil, String(repeating: "a", count: 40), String(repeating: "b", count: 64), "x", String(repeating: "0", count: 40),
        ]
        let refs = (0..<Int.random(in: 0...3, using: &random)).map { _ in
            PushedRef.reading(
                Bool.random(using: &random) ? .branch : .tag, name: names[Int.random(in: names.indices, using: &random)], old: nil,
                new: hashes[Int.random(in: hashes.indices, using: &random)])
        }
        return Push(repository: repositories[Int.random(in: repositories.indices, using: &random)], repositoryID: nil, refs: refs)
    }
}
