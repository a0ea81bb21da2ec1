import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct DeployTests {
    private let app = """
        build: ["echo building $BITTERN_BRANCH; mkdir out; echo built > out/page", {name: bundle, run: echo bundling}]
        pre_deploy: [echo migrating]
        deploy: [echo warming]

        """

    @Test("a push goes live: its files with their modes, REVISION, and a relative link")
    func live() async throws {
        try await withSite(app: app) { site in
            let push = try await site.push(["index.html": "hello\n", "bin/run": "#!/bin/sh\n", "a b/ü": "x"])
            #expect(push.answer.status == 202)
            let job = try await site.runToEnd(try push.job)
            #expect(job.state == "succeeded", "\(job)")
            #expect(try site.live("REVISION").trimmingCharacters(in: .newlines) == push.commit)
            #expect(try site.live("index.html") == "hello\n")
            #expect(try site.live("a b/ü") == "x")
            #expect(try site.live("out/page") == "built\n")
            let release = "releases/\(try push.job)-\(push.commit.prefix(7))"
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: site.root() + "/current") == release)
            #expect(try mode("current/index.html", site) == 0o644)
            #expect(try mode("current/REVISION", site) == 0o644)
            #expect(try mode("current/bin/run", site) == 0o755)
            #expect(try mode("current/bin", site) == 0o755)
            #expect(try mode("current/out/page", site) == 0o644)
            #expect(try mode(release, site) == 0o755)
            #expect(!site.exists("srv/shop/current/.git"))
        }
    }

    @Test("umask decides the modes of what is checked out and built")
    func umask() async throws {
        try await withSite(app: "umask: \"027\"\nbuild: [touch made, mkdir dir]\n") { site in
            _ = try await site.deploy(["a": "1", "run": "#!/bin/sh\n"])
            #expect(try mode("current/a", site) == 0o640)
            #expect(try mode("current/run", site) == 0o750)
            #expect(try mode("current/made", site) == 0o640)
            #expect(try mode("current/dir", site) == 0o750)
        }
    }

    @Test("the log has the output of every step in their order, or of the one asked for")
    func log() async throws {
        try await withSite(app: app) { site in
            let number = try await site.deploy().json["id"].int.map { "\($0)" }
            let job = try #require(number)
            let log = try await site.daemon.run("log", job)
            #expect(log.status == 0)
            let words = ["building main", "bundling", "migrating", "warming"]
            let places = try words.map { try #require(log.output.firstRange(of: $0), "\(log)").lowerBound }
            #expect(places == places.sorted())
            let one = try await site.daemon.run("log", job, "--step", "bundle", "--raw")
            #expect(one.output == "bundling\n")
        }
    }

    @Test("show --json has the job with its steps")
    func show() async throws {
        try await withSite(app: app) { site in
            let push = try await site.push(["a": "1"])
            let job = try await site.runToEnd(try push.job)
            let keys = [
                "id", "app", "repository", "ref", "commit", "cause", "by", "state", "reason", "attempt", "queued_at", "started_at",
                "finished_at", "superseded_by", "release", "delivery", "steps",
            ]
            #expect(job.json.lacks(keys).isEmpty)
            #expect(job.json["app"] == "shop" && job.json["repository"].string?.lowercased() == "acme/shop")
            #expect(job.json["ref"] == "refs/heads/main" && job.json["commit"] == .string(push.commit))
            #expect(job.json["cause"] == "push" && job.attempt == 1 && job.json["superseded_by"].isNull)
            #expect(job.json["delivery"].string == push.answer.delivery)
            #expect(job.reason.contains(push.commit.prefix(7)))
            #expect(job.steps == ["fetch", "checkout", "build-1", "bundle", "pre-deploy-1", "activate", "deploy-1"])
            for step in job.json["steps"].array {
                #expect(step.lacks(["name", "state", "exit_status", "signal", "started_at", "finished_at"]).isEmpty)
                #expect(step["state"] == "succeeded" && step["signal"].isNull, "\(step)")
            }
            #expect(job.step("bundle")["exit_status"] == 0)
            let times = ["queued_at", "started_at", "finished_at"].compactMap { job.json[$0].string }
            #expect(times.count == 3 && times == times.sorted())
            let form = try Regex(#"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"#)
            #expect(times.allSatisfy { $0.wholeMatch(of: form) != nil }, "\(times)")
        }
    }

    @Test("status --json has the daemon, each app's live release and its last job")
    func status() async throws {
        try await withSite(app: app, apps: ["blog": "branch: other\n"], config: "workers: 3\n") { site in
            let push = try await site.push(["a": "1"])
            _ = try await site.runToEnd(try push.job)
            let status = try await site.daemon.json("status")
            #expect(status.lacks(["version", "started_at", "workers", "queued", "running", "apps"]).isEmpty)
            #expect(status["workers"] == 3 && status["queued"] == 0 && status["running"] == 0)
            let apps = status["apps"].array
            #expect(apps.allSatisfy { $0.lacks(["app", "live", "last_job", "held"]).isEmpty })
            let blog = try #require(apps.first { $0["app"] == "blog" })
            #expect(blog["live"].isNull && blog["last_job"].isNull && blog["held"] == false)
            let shop = try #require(apps.first { $0["app"] == "shop" })
            #expect(shop["live"].lacks(["app", "id", "commit", "job", "path", "state", "created_at"]).isEmpty)
            #expect(shop["live"]["commit"] == .string(push.commit) && shop["live"]["state"] == "live")
            #expect(shop["live"]["path"].string?.hasSuffix("releases/\(try push.job)-\(push.commit.prefix(7))") == true)
            #expect(shop["last_job"]["id"].int == (try push.job))
        }
    }

    @Test("status and show for people name the app, the commit, the steps and the reason")
    func people() async throws {
        try await withSite(app: app) { site in
            let push = try await site.push(["a": "1"])
            let job = try await site.runToEnd(try push.job)
            let status = try await site.daemon.run("status").output
            #expect(status.contains("shop") && status.contains(push.commit.prefix(7)))
            let show = try await site.daemon.run("show", "\(try push.job)").output
            for text in ["succeeded", job.reason, push.commit, "refs/heads/main", "bundle"] { #expect(show.contains(text)) }
            #expect(!(status + show).contains("\u{1B}"))
        }
    }

    @Test("the second push deploys exactly its own commit and leaves the first release beside it")
    func second() async throws {
        try await withSite(app: "build: [\"echo $BITTERN_PREVIOUS_COMMIT > previous\"]\n") { site in
            let first = try await site.push(["a": "1", "b": "1"])
            _ = try await site.runToEnd(try first.job)
            let old = try FileManager.default.destinationOfSymbolicLink(atPath: site.root() + "/current")
            #expect(try site.live("previous") == "\n")
            let second = try await site.push(["a": "2", "c": "2"], removing: ["b"])
            _ = try await site.runToEnd(try second.job)
            #expect(try site.live("a") == "2" && site.live("c") == "2")
            #expect(!site.exists("srv/shop/current/b"))
            #expect(try site.live("previous") == first.commit + "\n")
            #expect(try site.read("srv/shop/\(old)/a") == "1" && site.read("srv/shop/\(old)/b") == "1")
        }
    }

    @Test("a symbolic link called REVISION in the repository is not followed", arguments: ["a", "../../../../victim"])
    func linkedRevision(target: String) async throws {
        try await withSite { site in
            try site.daemon.setup.write(secret: "victim", "untouched")
            let commit = try await site.origin.commit(files: ["a": "untouched"], links: ["REVISION": target])
            let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", new: commit))
            let job = try await site.runToEnd(try #require(answer.results.first?.job))
            #expect(try site.read("victim") == "untouched")
            // The link that leaves the release may also be refused.
            try #require(job.state == "succeeded" || target != "a", "\(job)")
            if job.state == "succeeded" {
                #expect(try site.live("REVISION").hasPrefix(commit) && site.live("a") == "untouched")
            } else {
                #expect(!site.exists("srv/shop/current"))
            }
        }
    }

    private func mode(_ name: String, _ site: Site) throws -> Int? {
        let path = URL(filePath: site.root() + "/" + name).resolvingSymlinksInPath().path
        return try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
}

extension JSONValue {
    /// Those of the keys that an object has not, not even as null.
    func lacks(_ keys: [String]) -> [String] {
        guard case .object(let members) = self else { return keys }
        return keys.filter { members[$0] == nil }
    }
}
