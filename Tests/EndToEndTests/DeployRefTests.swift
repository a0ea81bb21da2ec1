import RealParts
import Testing

@Suite(.fewAtOnce) struct DeployRefTests {
    @Test("a delivery with three changes has a verdict for each, and the one that matches is deployed")
    func threeChanges() async throws {
        try await withSite { site in
            let main = try await site.origin.commit(files: ["a": "1"])
            let other = try await site.origin.commit(files: ["b": "1"], on: "feature/x")
            let push = CloudPush(repository: "acme/shop").deletedBranch("old", old: sha("d")).branch("feature/x", new: other)
                .branch("main", new: main)
            let answer = try await site.deliver(push)
            #expect(answer.results.map(\.verdict) == ["ignored", "ignored", "queued"])
            _ = try await site.runToEnd(try #require(answer.results.last?.job))
            #expect(try site.live("REVISION").hasPrefix(main))
        }
    }

    @Test("a branch with slashes is deployed, and steps know it under its name and a slug")
    func slashes() async throws {
        let build = "build: ['echo \"$BITTERN_BRANCH $BITTERN_REF $BITTERN_REF_SLUG [$BITTERN_TAG]\" > names']\n"
        try await withSite(app: "branch: Feature/shop/New_cart\n" + build) { site in
            let job = try await site.deploy(["a": "1"], on: "Feature/shop/New_cart")
            #expect(job.state == "succeeded", "\(job)")
            let names = "Feature/shop/New_cart refs/heads/Feature/shop/New_cart feature-shop-new-cart []\n"
            #expect(try site.live("names") == names)
        }
    }

    @Test("several branches of one app all go live in its root, but for those excluded")
    func branches() async throws {
        try await withSite(app: "branches: [main, \"release/*\", \"!release/old\"]\n") { site in
            _ = try await site.deploy(["a": "main"])
            #expect(try site.live("a") == "main")
            _ = try await site.deploy(["a": "release"], on: "release/2")
            #expect(try site.live("a") == "release")
            for branch in ["release/old", "release/2/hotfix", "develop"] {
                let answer = try await site.push(["a": branch], on: branch == "release/2/hotfix" ? "release/3/hotfix" : branch).answer
                #expect(answer.status == 200)
                #expect(answer.results.first?.reason?.contains("does not match main, release/*, !release/old") == true, "\(answer)")
            }
            #expect(try site.live("a") == "release")
        }
    }

    @Test("two apps of one repository each deploy their branch into their root")
    func twoApps() async throws {
        try await withSite(apps: ["staging": "branches: [develop, main]\n"]) { site in
            let answer = try await site.push(["a": "1"]).answer
            #expect(answer.results.map(\.app).compactMap(\.self).sorted() == ["shop", "staging"])
            #expect(answer.results.allSatisfy { $0.verdict == "queued" })
            for job in answer.results.compactMap(\.job) { _ = try await site.runToEnd(job) }
            let develop = try await site.push(["a": "2"], on: "develop")
            #expect(develop.answer.results.filter { $0.verdict == "queued" }.map(\.app) == ["staging"])
            _ = try await site.runToEnd(try develop.job)
            #expect(try site.live("a", of: "shop") == "1")
            #expect(try site.live("a", of: "staging") == "2")
        }
    }

    @Test("an app may deploy tags and no branch at all")
    func tagsAlone() async throws {
        try await withSite(app: "tags: [\"v*\"]\n") { site in
            let push = try await site.push(["a": "1"])
            #expect(push.answer.results.map(\.verdict) == ["ignored"])
            try await site.origin.tag("v1.0")
            let answer = try await site.deliver(CloudPush(repository: "acme/shop").tag("v1.0", new: push.commit))
            #expect(try await site.runToEnd(try #require(answer.results.first?.job)).state == "succeeded")
        }
    }

    @Test("an app with tags deploys lightweight and annotated ones that match", arguments: [false, true])
    func tags(annotated: Bool) async throws {
        let build = "build: ['echo \"$BITTERN_TAG [$BITTERN_BRANCH] $BITTERN_REF\" > names']\n"
        try await withSite(app: "branch: live\ntags: [\"v*\"]\n" + build) { site in
            let push = try await site.push(["a": "1"])
            #expect(push.answer.results.map(\.verdict) == ["ignored"])
            let held = try await site.origin.tag("v1.0", annotated: annotated)
            #expect((held == push.commit) == !annotated)
            let answer = try await site.deliver(
                CloudPush(repository: "acme/shop").tag("v1.0", new: push.commit, annotated: annotated).tag("nightly", new: push.commit)
            )
            #expect(answer.results.map(\.verdict) == ["queued", "ignored"])
            let job = try await site.runToEnd(try #require(answer.results.first?.job))
            #expect(job.state == "succeeded", "\(job)")
            #expect(try site.live("REVISION").hasPrefix(push.commit))
            #expect(try site.live("names") == "v1.0 [] refs/tags/v1.0\n")
            let deleted = try await site.deliver(CloudPush(repository: "acme/shop").deletedTag("v1.0", old: push.commit))
            #expect(deleted.status == 200 && deleted.results.first?.reason == "tag v1.0 was deleted")
        }
    }

    @Test("a branch in the configuration is the text as it was written, whatever YAML would make of it")
    func plainText() async throws {
        let names = ["on", "1.10", "null", "012", "yes", "0x1f", "2026-01-02"]
        try await withDoor(app: "branches: [\(names.joined(separator: ", "))]\n") { daemon in
            for name in names {
                let answer = try await daemon.send(BitternDaemon.goodPush(to: name), to: "/hooks/acme")
                #expect(answer.status == 202, "\(name): \(answer)")
            }
            for name in ["true", "1.1", "10", "31", "main"] {
                let answer = try await daemon.send(BitternDaemon.goodPush(to: name), to: "/hooks/acme")
                #expect(answer.status == 200, "\(name)")
            }
        }
    }

    @Test("a name git would not take is ignored with a reason")
    func badNames() async throws {
        try await withSite(app: "branches: [\"**\"]\n") { site in
            for name in ["a..b", "-x", "a b", "a~1", "x.lock", "@{u}", "a\nb", "/a", "a//b", ".a"] {
                let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch(name, new: sha("b")))
                #expect(answer.status == 200, "\(name)")
                #expect(answer.results.map(\.verdict) == ["ignored"], "\(name)")
                #expect(answer.results.first?.reason?.isEmpty == false, "\(name)")
            }
            for hash in ["", "b", sha("b") + "0", sha("g"), "--upload-pack=x"] {
                let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", new: hash))
                #expect(answer.results.map(\.verdict) == ["ignored"], "\(hash): \(answer)")
            }
            #expect(try await site.daemon.json("jobs").array.isEmpty)
        }
    }
}
