import Foundation
import RealParts
import Testing

/// `bittern explain`: why a push is deployed or not.
@Suite(.fewAtOnce) struct ExplainTests {
    private static let ownSecret = "a-hook-of-its-own-0123456789"

    // MARK: A delivery

    @Test("each rule is there with the value it saw, up to the first that fails, and the verdict ends it")
    func rules() async throws {
        try await withSite(apps: ["blog": "branch: stage\n", "far": "repository: acme/far\n"], config: "workers: 0\n") { site in
            let commit = try await site.push(["a": "1"]).commit
            let parts = try await text(site, "1")
            let asked = """
                 refs/heads/main at \(commit.prefix(7))
                  pass  repository is the app's  acme/shop
                  pass  account is the app's     acme
                  pass  hook is the app's        /hooks/acme
                  pass  ref is usable            refs/heads/main
                  pass  ref still exists         \(commit)

                """
            let blog = """
                  FAIL  branch is deployed       main
                  It is ignored: branch main does not match stage.
                  When it came: ignored, branch main does not match stage.
                """
            let shop = """
                  pass  branch is deployed       main
                  It is deployed.
                  When it came: queued as job 1, which still waits.
                """
            #expect(parts == ["blog:\(asked)\(blog)", "shop:\(asked)\(shop)", "1 app deploys another repository (--all shows it)."])
        }
    }

    @Test("apps of other repositories are only counted, unless all are asked for")
    func others() async throws {
        let apps = [
            "far": "repository: acme/far\n", "near": "branch: stage\n", "own": "repository: acme/far\nhook_secret: credential:own\n",
        ]
        try await withSite(apps: apps, config: "workers: 0\n", credentials: ["own": Self.ownSecret]) { site in
            try await site.push(["a": "1"])
            let few = try await text(site, "1")
            #expect(few.map(app) == ["near", "shop", nil])
            #expect(few.last == "2 apps deploy other repositories (--all shows them).")
            let all = try await text(site, "1", "--all")
            #expect(all.map(app) == ["near", "shop", "far", "own"])
            #expect(all[2].hasSuffix("\n  FAIL  repository is the app's  acme/shop\n  It is ignored: far deploys acme/far."), "\(all)")
        }
    }

    @Test("in JSON it is an array with every field, null where there is nothing")
    func json() async throws {
        try await withSite(apps: ["far": "repository: acme/far\n"], config: "workers: 0\n") { site in
            let commit = try await site.push(["a": "1"]).commit
            let explanations = try await site.daemon.json("explain", "1").array
            #expect(explanations.map { $0["app"] } == ["shop", "far"])
            for explanation in explanations {
                #expect(keys(explanation) == ["app", "ref", "commit", "rules", "verdict", "reason", "then", "job", "hold"])
                for rule in explanation["rules"].array { #expect(keys(rule) == ["name", "seen", "passed", "reason"]) }
            }
            let shop = explanations[0]
            #expect(shop["ref"] == "refs/heads/main" && shop["commit"] == .string(commit))
            #expect(shop["verdict"] == "deploy" && shop["reason"].isNull && shop["hold"].isNull)
            #expect(shop["rules"].array.allSatisfy { $0["passed"] == true && $0["reason"].isNull })
            #expect(shop["then"]["verdict"] == "queued" && shop["then"]["job"] == 1)
            #expect(shop["job"]["id"] == 1 && shop["job"]["state"] == "queued")
            let far = explanations[1]
            #expect(far["verdict"] == "ignore" && far["reason"] == "far deploys acme/far")
            #expect(far["then"].isNull && far["job"].isNull)
            #expect(far["rules"].array.last?["passed"] == false && far["rules"].array.last?["reason"] == far["reason"])
        }
    }

    @Test("what was decided then stands beside what would be decided now, and what the job became")
    func thenAndNow() async throws {
        try await withSite(app: "branch: live\nbuild: [\"exit 3\"]\n") { site in
            try await site.push(["a": "1"])
            try await site.reconfigure("shop", "branch: main\nbuild: [\"exit 3\"]\n")
            let first = try await text(site, "1")
            #expect(first[0].hasSuffix("  It is deployed.\n  When it came: ignored, branch main does not match live."), "\(first)")
            let job = try await site.deploy(["a": "2"])
            let second = try await text(site, "2")
            #expect(second[0].hasSuffix("  When it came: queued as job 1, which failed: \(job.reason)."), "\(second)")
            #expect(try await site.daemon.json("explain", "2")[0]["job"] == job.json)
        }
    }

    @Test("a delivery that repeats another would be deployed by its rules, and it says which job it had already")
    func duplicate() async throws {
        try await withSite(config: "workers: 0\n") { site in
            let commit = try await site.push(["a": "1"]).commit
            _ = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", new: commit))
            let parts = try await text(site, "2")
            let end = "  It is deployed.\n  When it came: ignored, already job 1; bittern retry 1 runs it again."
            #expect(parts[0].hasSuffix(end), "\(parts)")
        }
    }

    @Test("of an app that is held it says that the job waits, until when and why")
    func held() async throws {
        try await withSite(apps: ["blog": "branch: stage\n"], config: "workers: 0\n") { site in
            for app in ["blog", "shop"] {
                #expect(try await site.daemon.run("hold", app, "--until", "2h", "--reason", "the fair").status == 0)
            }
            try await site.push(["a": "1"])
            let parts = try await text(site, "1")
            // blog is not deployed anyway.
            #expect(!parts[0].contains("held"), "\(parts)")
            #expect(parts[1].contains("\n  Its job waits: the app is held until 20") && parts[1].contains(", the fair.\n"), "\(parts)")
            #expect(try await text(site, "--repository", "acme/shop", "--branch", "main")[1].hasSuffix(", the fair."))
            let hold = try await site.daemon.json("explain", "1")[1]["hold"]
            #expect(hold["reason"] == "the fair" && hold["by"] == .string(user) && hold["until"].string != nil)
        }
    }

    @Test("of a delivery that was refused it says why; of one that moved nothing, that there is nothing to match")
    func nothing() async throws {
        try await withSite { site in
            let refused = try await site.refused()
            let why = try await text(site, refused)
            #expect(why.count == 1 && why[0].hasPrefix("Delivery \(refused) was refused"), "\(why)")
            #expect(why[0].contains("the signature is wrong"), "\(why)")
            let other = Delivery.cloud(event: "issue:created", body: Array("{}".utf8), secret: hookSecret)
            for delivery in [try CloudPush(repository: "acme/shop").delivery(secret: hookSecret), other] {
                let id = try #require(try await site.daemon.send(delivery, to: "/hooks/acme").delivery)
                #expect(try await text(site, id) == ["No push was read from it, so there is nothing to match."])
                #expect(try await site.daemon.json("explain", id) == [])
            }
            #expect(try await site.daemon.json("explain", refused) == [])
        }
    }

    @Test("every change of a delivery is explained: a deletion, a tag, and a name git would not take")
    func changes() async throws {
        try await withSite(app: "branch: main\ntags: [\"v*\"]\n", config: "workers: 0\n") { site in
            let push = CloudPush(repository: "acme/shop").deletedBranch("main", old: sha("a")).tag("v1", new: sha("b"))
                .branch("a..b", new: sha("c"))
            #expect(try await site.deliver(push).status == 202)
            let parts = try await text(site, "1")
            #expect(parts.count == 3)
            #expect(
                parts[0].contains("\n  FAIL  ref still exists         no commit\n  It is ignored: branch main was deleted.\n"), "\(parts)")
            #expect(parts[1].contains("\n  pass  tag is deployed          v1\n  It is deployed.\n"), "\(parts)")
            #expect(parts[2].contains("\n  FAIL  ref is usable            refs/heads/a..b\n  It is ignored: the ref name"), "\(parts)")
        }
    }

    @Test("a delivery that names one ref twice is explained twice")
    func sameRefTwice() async throws {
        try await withSite(apps: ["blog": ""], config: "workers: 0\n") { site in
            let push = CloudPush(repository: "acme/shop").branch("main", new: "x").branch("main", new: "y").branch("main", new: sha("b"))
                .branch("main", new: sha("b"))
            let answer = try await site.deliver(push)
            let explanations = try await site.daemon.json("explain", "1").array
            #expect(explanations.map { $0["app"].string } == answer.results.map(\.app))
            #expect(
                explanations.prefix(4).map { $0["reason"] } == ["\"x\" is not a commit", "\"x\" is not a commit"]
                    + ["\"y\" is not a commit", "\"y\" is not a commit"])
            #expect(explanations.suffix(4).allSatisfy { $0["verdict"] == "deploy" })
        }
    }

    @Test("an app with a hook of its own fails at the hook for what came to the account's, and the other way round")
    func ownHook() async throws {
        let apps = ["own": "hook_secret: credential:own\n", "far": "repository: acme/far\n"]
        try await withSite(apps: apps, config: "workers: 0\n", credentials: ["own": Self.ownSecret]) { site in
            let push = CloudPush(repository: "acme/shop").branch("main", new: sha("b"))
            _ = try await site.daemon.send(push.delivery(secret: hookSecret), to: "/hooks/acme")
            _ = try await site.daemon.send(push.delivery(secret: Self.ownSecret), to: "/hooks/acme/own")
            let common = try await text(site, "1")
            #expect(common.map(app) == ["own", "shop", nil])
            #expect(common[0].contains("\n  FAIL  hook is the app's        /hooks/acme\n  It is ignored: own hears only /hooks/acme/own."))
            #expect(!common[0].contains("When it came") && common[1].contains("\n  It is deployed.\n"), "\(common)")
            let own = try await text(site, "2")
            #expect(own.map(app) == ["own", "shop", nil])
            #expect(own[0].contains("\n  pass  hook is the app's        /hooks/acme/own\n") && own[0].contains("\n  It is deployed.\n"))
            #expect(own[1].contains("\n  FAIL  hook is the app's        /hooks/acme/own\n  It is ignored: shop hears only /hooks/acme."))
            // A push that is only thought of would come to the right one.
            let thought = try await text(site, "--repository", "acme/shop", "--branch", "main")
            #expect(thought.dropLast().allSatisfy { $0.hasSuffix("\n  It is deployed.") && !$0.contains("hook") }, "\(thought)")
        }
    }

    // MARK: A push that is only thought of

    @Test("a branch or tag that is only thought of is explained without any delivery, and no commit is made up for it")
    func thoughtOf() async throws {
        try await withSite(app: "branches: [main, \"release/*\", \"!release/old\"]\n", apps: ["tags": "tags: [\"v*\"]\n"]) { site in
            for (name, isDeployed) in [("main", true), ("release/2", true), ("release/old", false), ("develop", false)] {
                let explanations = try await site.daemon.json("explain", "--repository", "ACME/Shop", "--branch", name).array
                #expect(explanations.map { $0["verdict"] } == [isDeployed ? "deploy" : "ignore", "ignore"], "\(name)")
                #expect(explanations.allSatisfy { $0["commit"].isNull && $0["then"].isNull && $0["job"].isNull })
                #expect(explanations[1]["reason"] == "tags deploys no branches")
            }
            let parts = try await text(site, "--repository", "acme/shop", "--tag", "v1")
            let asked = """
                 refs/tags/v1
                  pass  repository is the app's  acme/shop
                  pass  account is the app's     any
                  pass  ref is usable            refs/tags/v1

                """
            let shop = "  FAIL  tag is deployed          v1\n  It is ignored: shop deploys no tags."
            let tags = "  pass  tag is deployed          v1\n  It is deployed."
            #expect(parts == ["shop:\(asked)\(shop)", "tags:\(asked)\(tags)"])
            let bad = try await text(site, "--repository", "acme/shop", "--branch", "a..b")
            #expect(bad[0].hasSuffix("  It is ignored: the ref name breaks git's rules."), "\(bad)")
            let other = try await text(site, "--repository", "acme/other", "--branch", "main")
            #expect(other.first == "No app deploys this repository (bittern apps lists what they deploy).", "\(other)")
        }
    }

    @Test("files that are named are asked of the app's paths, one that matches is enough, and without any nothing is asked")
    func paths() async throws {
        try await withSite(app: "paths: [\"services/shop/**\", \"!**.md\"]\n") { site in
            let push = ["explain", "--repository", "acme/shop", "--branch", "main"]
            let cases: [(files: [String], isDeployed: Bool)] = [
                ([], true), (["services/shop/a"], true), (["docs/a"], false), (["services/shop/README.md"], false),
                (["docs/a", "services/shop/b"], true),
            ]
            for (files, isDeployed) in cases {
                let arguments = push + files.flatMap { ["--path", $0] } + ["--json", "--socket", site.daemon.setup.controlSocket]
                let result = try await Shell.check([try BitternBinary.path()] + arguments)
                let explanation = try JSONValue(parsing: result.output)[0]
                #expect(explanation["verdict"] == (isDeployed ? "deploy" : "ignore"), "\(files)")
                let rule = explanation["rules"].array.first { $0["name"] == "a pushed file is the app's" }
                #expect(rule?["seen"].string == (files.isEmpty ? nil : files.joined(separator: ", ")))
                let why = isDeployed ? nil : "no pushed file matches paths: services/shop/**, !**.md"
                #expect(explanation["reason"].string == why, "\(files)")
            }
        }
    }

    @Test("an app hears only its own account, and an account that is not there exits with 5")
    func accounts() async throws {
        try await withDoor { daemon in
            let push = ["explain", "--repository", "acme/shop", "--branch", "main"]
            let other = try await daemon.json("explain", "--repository", "acme/shop", "--branch", "main", "--account", "dc")
            #expect(other[0]["reason"] == "shop belongs to account acme")
            #expect(
                try await daemon.json("explain", "--repository", "acme/shop", "--branch", "main", "--account", "acme")[0]["reason"].isNull)
            for config in [[], ["--config", daemon.setup.configurationFile]] {
                let socket = ["--account", "acm", "--socket", daemon.setup.controlSocket]
                let unknown = try await Shell.run([try BitternBinary.path()] + push + socket + config)
                #expect(unknown.status == 5 && unknown.error == "bittern: there is no account acm; did you mean acme?\n", "\(unknown)")
            }
        }
    }

    // MARK: A configuration that is not loaded

    @Test("with --config it answers for a configuration that is not loaded, of a delivery and of a push that is only thought of")
    func otherConfiguration() async throws {
        try await withSite(config: "workers: 0\n") { site in
            try await site.push(["a": "1"])
            let file = try site.otherConfiguration(apps: ["shop": "branch: live\n", "new": ""])
            let push = ["--repository", "acme/shop", "--branch", "main"]
            for question in [["1"], push] {
                let loaded = try await explain(site, question)
                #expect(loaded.map { $0["app"] } == ["shop"] && loaded[0]["verdict"] == "deploy")
                let other = try await explain(site, question + ["--config", file])
                #expect(other.map { $0["app"] } == ["new", "shop"])
                #expect(other.map { $0["verdict"] } == ["deploy", "ignore"])
                #expect(other[1]["reason"] == "branch main does not match live")
            }
            try await site.daemon.terminate()
            // Nobody has to be asked.
            #expect(try await explain(site, push + ["--config", file]).map { $0["verdict"] } == ["deploy", "ignore"])
            #expect(try await site.daemon.run("explain", "--repository", "acme/shop", "--branch", "main").status == 4)
            #expect(try await site.daemon.run("explain", "1", "--config", file).status == 4)
        }
    }

    @Test("a configuration with problems, or none at all, exits with 2 and says what is wrong")
    func brokenConfiguration() async throws {
        try await withSite { site in
            let file = try site.otherConfiguration(apps: ["shop": "branhc: main\n"])
            for (file, word) in [(file, "branhc"), ("/nonexistent/bittern.yaml", "does not exist")] {
                let result = try await site.daemon.run("explain", "--repository", "acme/shop", "--branch", "main", "--config", file)
                #expect(result.status == 2 && result.output.isEmpty && result.error.contains(word), "\(result)")
            }
        }
    }

    // MARK: Mistakes

    @Test(
        "wrong usage exits with 2",
        arguments: [
            [], ["x"], ["1", "2"], ["1", "--branch", "main"], ["1", "--tag", "v1"], ["1", "--account", "acme"], ["1", "--path", "a"],
            ["1", "--repository", "acme/shop"], ["--branch", "main"], ["--repository", "acme/shop"],
            ["--repository", "acme/shop", "--branch", "a", "--tag", "b"], ["--repository", "acme/shop", "--path", "a"],
        ])
    func usage(arguments: [String]) async throws {
        let result = try await Shell.run([try BitternBinary.path(), "explain"] + arguments)
        #expect(result.status == 2 && result.output.isEmpty && result.error.contains("Usage: bittern explain"), "\(result)")
    }

    @Test("a delivery that is not there exits with 5, and where no daemon answers it is 4")
    func missing() async throws {
        try await withDoor { daemon in
            let result = try await daemon.run("explain", "77")
            #expect(result.status == 5 && result.error == "bittern: there is no delivery 77; bittern deliveries lists them\n", "\(result)")
            #expect(try await daemon.run("explain", "1", "--socket", "/nonexistent/control.sock").status == 4)
        }
    }

    @Test("nothing is changed by it")
    func changesNothing() async throws {
        try await withSite(config: "workers: 0\n") { site in
            try await site.push(["a": "1"])
            let jobs = try await site.daemon.json("jobs")
            let deliveries = try await site.daemon.json("deliveries")
            let status = try await site.daemon.json("status")["queued"]
            for question in [["1"], ["1", "--all"], ["--repository", "acme/shop", "--branch", "main"]] {
                _ = try await explain(site, question)
            }
            #expect(try await site.daemon.json("jobs") == jobs)
            #expect(try await site.daemon.json("deliveries") == deliveries)
            #expect(try await site.daemon.json("status")["queued"] == status)
        }
    }

    // MARK: Words

    /// What people read, paragraph by paragraph.
    private func text(_ site: Site, _ arguments: String...) async throws -> [String] {
        let command = [try BitternBinary.path(), "explain", "--socket", site.daemon.setup.controlSocket]
        let result = try await Shell.check(command + arguments)
        return result.output.trimmingCharacters(in: .newlines).components(separatedBy: "\n\n")
    }

    private func explain(_ site: Site, _ arguments: [String]) async throws -> [JSONValue] {
        let command = [try BitternBinary.path(), "explain", "--json", "--socket", site.daemon.setup.controlSocket]
        return try JSONValue(parsing: try await Shell.check(command + arguments).output).array
    }

    /// Of which app a paragraph is; nil: of none.
    private func app(_ paragraph: String) -> String? {
        paragraph.firstMatch(of: /^([a-z0-9-]+): refs/).map { String($0.output.1) }
    }

    private func keys(_ value: JSONValue) -> Set<String> {
        if case .object(let members) = value { Set(members.keys) } else { [] }
    }
}
