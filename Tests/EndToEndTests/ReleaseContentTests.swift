import Foundation
import RealParts
import Testing

/// What a release holds beside its commit.
@Suite(.fewAtOnce) struct ReleaseContentTests {
    @Test("shared names are links to what all releases share, seeded from the first commit that has them")
    func shared() async throws {
        let app = "shared: [.env, storage/, deep/down/cache/]\nbuild: [\"cat .env > seen; echo x >> storage/log\"]\n"
        try await withSite(app: app) { site in
            let missing = try await site.deploy(["a": "1"])
            #expect(missing.reason == "checkout: the shared file .env is missing; put it at \(site.root())/shared/.env", "\(missing)")
            let first = try await site.deploy([".env": "seed", "storage/kept": "k"])
            #expect(first.state == "succeeded", "\(first)")
            #expect(try site.read("srv/shop/shared/.env") == "seed" && site.live("seen") == "seed" && site.live("storage/kept") == "k")
            let link = try FileManager.default.destinationOfSymbolicLink(atPath: site.root() + "/current/deep/down/cache")
            #expect(link == "../../../../shared/deep/down/cache")
            // From now on the commit's own is of no interest.
            #expect(try await site.deploy([".env": "other"]).state == "succeeded")
            #expect(try site.live(".env") == "seed" && site.lines("srv/shop/shared/storage/log") == ["x", "x"])
        }
    }

    @Test("a link of the repository is not followed to put a shared name behind it")
    func sharedBehindALink() async throws {
        try await withSite(app: "external_links: allow\nshared: [deep/.env]\n") { site in
            let old = try await site.origin.head(of: "main")
            let new = try await site.origin.commit(files: ["a": "1"], links: ["deep": site.daemon.setup.path("elsewhere")])
            try FileManager.default.createDirectory(atPath: site.daemon.setup.path("elsewhere"), withIntermediateDirectories: true)
            let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", old: old, new: new))
            let job = try await site.runToEnd(try Push(commit: new, answer: answer).job)
            #expect(job.reason.contains("is no directory there"), "\(job)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: site.daemon.setup.path("elsewhere")).isEmpty)
        }
    }

    @Test("links that leave the release are refused, on whatever detours, unless they are allowed", arguments: [false, true])
    func externalLinks(isAllowed: Bool) async throws {
        let links = ["abs": "/etc/passwd", "up": "../../x", "round": "here/../../x", "fine": "a", "also/fine": "../a", "here": "."]
        for (name, target) in links {
            try await withSite(app: isAllowed ? "external_links: allow\n" : "") { site in
                var all = [name: target]
                if name == "round" { all["here"] = "." }
                let old = try await site.origin.head(of: "main")
                let new = try await site.origin.commit(files: ["a": "1"], links: all)
                let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", old: old, new: new))
                let job = try await site.runToEnd(try Push(commit: new, answer: answer).job)
                let isGood = isAllowed || ["fine", "also/fine", "here"].contains(name)
                #expect(job.state == (isGood ? "succeeded" : "failed"), "\(name) -> \(target): \(job)")
                if !isGood { #expect(job.reason.contains("the symbolic link \(name) leaves the release"), "\(job)") }
            }
        }
    }

    @Test("caches travel from job to job, also out of one that failed, and are shared with no live release")
    func cache() async throws {
        let build =
            "mkdir -p node_modules; cat node_modules/count 2>/dev/null >> @DIR@/seen || echo none >> @DIR@/seen; echo $BITTERN_JOB > node_modules/count; test ! -e sick"
        try await withSite(app: "cache: [node_modules/]\nbuild: ['\(build)']\n") { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            try await eventually("the copy") { site.lines("srv/shop/.cache/node_modules/count") == ["1"] }
            #expect(try await site.deploy(["a": "2", "sick": ""]).state == "failed")
            try await eventually("the cache of the job that failed") { site.lines("srv/shop/.cache/node_modules/count") == ["2"] }
            // What is live has what it was built with.
            #expect(try site.live("node_modules/count") == "1\n")
            try await site.origin.git("rm", "--quiet", "sick")
            #expect(try await site.deploy(["a": "3"]).state == "succeeded")
            #expect(site.lines("seen") == ["none", "1", "2"])
            try await eventually("the copy") { site.lines("srv/shop/.cache/node_modules/count") == ["3"] }
            #expect(try await site.daemon.run("cache", "clear", "shop").status == 0)
            #expect(try await site.deploy(["a": "4"]).state == "succeeded")
            #expect(site.lines("seen").last == "none")
        }
    }

    @Test("a release that stays live though it failed keeps its caches")
    func cacheOfAFailedRelease() async throws {
        let app = "cache: [deps/]\non_failure: keep\nbuild: [\"mkdir -p deps; echo x >> deps/x\"]\ndeploy: [\"false\"]\n"
        try await withSite(app: app) { site in
            #expect(try await site.deploy(["a": "1"]).state == "failed")
            try await eventually("the copy") { site.exists("srv/shop/.cache/deps/x") }
            #expect(try site.live("deps/x") == "x\n")
        }
    }

    @Test("an app's root may lie on another file system than Bittern's own things")
    func anotherFileSystem() async throws {
        let root = "/dev/shm/bittern-root-\(UUID().uuidString)"
        try await withCleanup {
            try await withSite(app: "root: \(root)\ncache: [deps/]\nbuild: [\"mkdir -p deps\"]\n") { site in
                for number in 1...3 {
                    let job = try await site.deploy(["a": "\(number)"])
                    #expect(job.state == "succeeded", "\(job)")
                    #expect(try String(contentsOfFile: root + "/current/a", encoding: .utf8) == "\(number)")
                    try await eventually("the prepared tree") { FileManager.default.fileExists(atPath: root + "/.spare-mark") }
                }
                #expect(try await !site.daemon.output(of: 3, step: "checkout").contains("of no use"))
            }
        } cleanup: {
            try? FileManager.default.removeItem(atPath: root)  // a failed start leaves nothing
        }
    }

    @Test("where attributes change, files that did not are written as the new ones want it")
    func attributes() async throws {
        try await withSite(app: "") { site in
            #expect(try await site.deploy(["a.txt": "one\ntwo\n"]).state == "succeeded")
            try await eventually("the prepared tree") { site.exists("srv/shop/.spare-mark") }
            #expect(try await site.deploy([".gitattributes": "*.txt text eol=crlf\n"]).state == "succeeded")
            #expect(try site.live("a.txt") == "one\r\ntwo\r\n")
        }
    }

    @Test("steps work in the configured directory, and a commit without it fails with a sentence")
    func directory() async throws {
        try await withSite(app: "directory: services/shop\nbuild: [pwd > where]\n") { site in
            #expect(try await site.deploy(["a": "1"]).reason == "checkout: there is no directory services/shop in the commit (directory)")
            #expect(try await site.deploy(["services/shop/b": "1"]).state == "succeeded")
            let place = try site.live("services/shop/where")
            #expect(place.hasSuffix("/services/shop\n"))
        }
    }

    @Test("a release made from the prepared tree is exactly its commit, shares no file with another, and a tampered tree is mended")
    func preparedTree() async throws {
        let app = "build: [\"echo built > made\"]\n"
        try await withSite(app: app) { site in
            func tree() throws -> Bool { site.exists("srv/shop/.spare-mark") }
            #expect(try await site.deploy(["a": "1", "same": "s", "gone/x": "x", "run": "#!/bin/sh\n"]).state == "succeeded")
            try await eventually("the prepared tree") { try tree() }
            let inode = try number(site.daemon.setup.path("srv/shop/.spare/same"))
            // Somebody was in there.
            try Data("changed".utf8).write(to: URL(filePath: site.daemon.setup.path("srv/shop/.spare/run")))
            let push = try await site.push(["a": "2"], removing: ["gone/x"])
            #expect(try await site.runToEnd(try push.job).state == "succeeded")
            #expect(try site.live("a") == "2" && site.live("same") == "s" && site.live("run") == "#!/bin/sh\n")
            #expect(try number(site.root() + "/current/same") == inode, "it was not made from the prepared tree")
            #expect(
                Set(try FileManager.default.contentsOfDirectory(atPath: site.root() + "/current")) == [
                    "REVISION", "a", "made", "run", "same",
                ])
            let releases = try FileManager.default.contentsOfDirectory(atPath: site.root() + "/releases")
            #expect(Set(try releases.map { try number("\(site.root())/releases/\($0)/same") }).count == 2)
        }
    }

    @Test("a job keeps by what rules it ran, what tree it put live, and how long each step took")
    func drift() async throws {
        try await withSite(app: "build: [\"true\"]\n") { site in
            let first = try await site.deploy(["a": "1"])
            let second = try await site.deploy(["a": "2"])
            let tree = try await site.origin.git("rev-parse", "HEAD^{tree}")
            #expect(second.json["tree"].string == tree && first.json["tree"].string?.isEmpty == false)
            #expect(first.json["tree"] != second.json["tree"])
            let hash = try #require(first.json["configuration_hash"].string)
            #expect(hash.count == 64 && second.json["configuration_hash"].string == hash)
            let shown = try await site.daemon.run("show", "2").output
            #expect(shown.contains(tree) && shown.contains(hash.prefix(12)))
            let table = try #require(shown.split(separator: "\n").first { $0.hasPrefix("build-1") })
            #expect(table.contains(/[0-9.]+ m?s$/), "\(table)")
            // Another configuration is another hash.
            try site.daemon.setup.write(app: "shop", Site.completed("build: [\"true\", \"true\"]\n", "shop"))
            try await site.daemon.restart()
            #expect(try await site.deploy(["a": "3"]).json["configuration_hash"].string != hash)
        }
    }

    private func number(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int)
    }
}
