import Foundation
import RealParts
import Testing

/// `bittern deploy`: a job that somebody asks for by name.
@Suite(.fewAtOnce) struct DeployCommandTests {
    @Test("deploy puts the head of the app's first branch without wildcards live, and the job says who asked")
    func head() async throws {
        try await withSite(app: "branches: [\"release/*\", main, other]\n") { site in
            let commit = try await site.origin.commit(files: ["a": "1"])
            try await site.origin.commit(files: ["a": "2"], on: "other")
            try await site.origin.commit(files: ["a": "3"], on: "release/1")
            let result = try await site.daemon.run("deploy", "shop")
            #expect(result.status == 0 && result.error.isEmpty, "\(result)")
            #expect(result.output == "Job 1 is queued: shop at \(commit.prefix(7)) of refs/heads/main.\n")
            let job = try await site.runToEnd(1)
            #expect(job.state == "succeeded" && job.json["cause"] == "manual" && job.json["by"].string == user, "\(job)")
            #expect(job.json["ref"] == "refs/heads/main" && job.json["commit"].string == commit && job.json["delivery"].isNull)
            #expect(try site.live("a") == "1")
            #expect(try await site.daemon.run("show", "1").output.contains(" manual by \(user)\n"))
            let line = "job 1 of shop queued: refs/heads/main at \(commit.prefix(7)), asked for by \(user)"
            #expect(site.daemon.standardError.contains(line))
        }
    }

    @Test("--branch, --tag and --commit say which commit is meant; for an older one no order rule is asked")
    func targets() async throws {
        try await withSite(app: "branches: [main, \"release/*\"]\ntags: [\"v*\"]\n") { site in
            let one = try await site.origin.commit(files: ["a": "1"])
            try await site.origin.tag("v1", annotated: true)
            try await site.origin.commit(files: ["a": "2"])
            try await site.origin.commit(files: ["a": "3"], on: "release/3")
            let wanted = [
                (["--branch", "release/3"], "3"), (["--tag", "v1"], "1"), ([], "2"), (["--commit", one], "1"),
                (["--branch", "release/3", "--commit", one], "1"),
            ]
            for (options, text) in wanted {
                let result = try await site.daemon.run(["deploy", "shop", "--wait"] + options)
                #expect(result.status == 0, "\(options): \(result)")
                #expect(try site.live("a") == text, "\(options)")
            }
            let refs = try await site.daemon.json("jobs").array.map { $0["ref"].string }.reversed()
            let release = "refs/heads/release/3"
            #expect(Array(refs) == [release, "refs/tags/v1", "refs/heads/main", "refs/heads/main", release])
        }
    }

    @Test("a commit the branch does not hold is refused by its job, unless it was released before")
    func foreignCommit() async throws {
        try await withSite(app: "branches: [main, trial]\n") { site in
            try await site.origin.commit(files: ["a": "1"])
            let other = try await site.origin.commit(files: ["a": "2"], on: "trial")
            let refused = try await site.daemon.run("deploy", "shop", "--commit", other, "--wait")
            #expect(refused.status == 3, "\(refused)")
            let reason = "\(other.prefix(7)) is not on refs/heads/main and was never released; name the branch that holds it"
            let job = try await site.daemon.job(1)
            #expect(job.state == "failed" && job.reason == reason && job.steps == ["fetch"], "\(job)")
            #expect(!site.exists("srv/shop/current"))
            #expect(try await site.daemon.run("deploy", "shop", "--commit", other, "--branch", "trial", "--wait").status == 0)
            #expect(try await site.daemon.run("deploy", "shop", "--commit", other, "--wait").status == 0)
        }
    }

    @Test("what cannot be deployed is refused with a sentence, and no job is made")
    func refused() async throws {
        let app = "branches: [main, \"release/*\"]\ntags: [\"v*\"]\n"
        try await withSite(app: app, apps: ["wild": "branches: [\"release/*\"]\n"]) { site in
            let commit = try await site.origin.commit(files: ["a": "1"])
            try await site.origin.commit(files: ["a": "2"], on: "other")
            let wrong = [
                (["a..b", "-x", "x.lock", "a b"], "--branch", "is no name git allows for a branch"),
                (["v..1"], "--tag", "is no name git allows for a tag"),
                (["other"], "--branch", "branch other does not match main, release/*"),
                (["nightly"], "--tag", "tag nightly does not match v*"),
                (["release/none"], "--branch", "acme/shop has no refs/heads/release/none; push it first, or name another one"),
                (["v9"], "--tag", "acme/shop has no refs/tags/v9; push it first, or name another one"),
                (["ev\u{1B}[31mil"], "--branch", "\"ev\\x1b[31mil\" is no name git allows"),
            ]
            for (names, option, sentence) in wrong {
                for name in names {
                    let result = try await site.daemon.run("deploy", "shop", "\(option)=\(name)")
                    #expect(result.status == 1 && result.output.isEmpty && result.error.contains(sentence), "\(option) \(name): \(result)")
                    #expect(result.error.hasPrefix("bittern: ") && result.error.split(separator: "\n").count == 1, "\(result)")
                }
            }
            let both = try await site.daemon.run("deploy", "shop", "--branch", "main", "--tag", "v1")
            #expect(both.status == 2 && both.error.contains("name a branch or a tag, not both\n"), "\(both)")
            let short = try await site.daemon.run("deploy", "shop", "--commit", String(commit.prefix(12)))
            #expect(short.status == 2 && short.error.contains("is not a whole commit; give all 40 or 64 digits"), "\(short)")
            let wild = try await site.daemon.run("deploy", "wild")
            let sentence = "bittern: wild names no branch without wildcards; say which one with --branch, or --tag\n"
            #expect(wild.status == 1 && wild.error == sentence, "\(wild)")
            let nobody = try await site.daemon.run("deploy", "shpo")
            #expect(nobody.status == 5 && nobody.error == "bittern: there is no app shpo; did you mean shop?\n", "\(nobody)")
            for arguments in [["shop", "--all"], ["--all", "--branch", "main"], ["--all", "--commit", commit], [], ["Shop!"]] {
                let result = try await site.daemon.run(["deploy"] + arguments)
                #expect(result.status == 2 && result.output.isEmpty && !result.error.isEmpty, "\(arguments): \(result)")
            }
            #expect(try await site.daemon.json("jobs").array.isEmpty)
        }
    }

    @Test("a forge that does not answer is said at once, without a job")
    func forgeAway() async throws {
        try await withSite(app: "clone_url: file://@DIR@/nowhere.git\n") { site in
            let result = try await site.daemon.run("deploy", "shop")
            #expect(result.status == 1 && result.error.contains("what refs/heads/main is at cannot be known: "), "\(result)")
            #expect(result.error.split(separator: "\n").count == 1, "\(result)")
            #expect(try await site.daemon.json("jobs").array.isEmpty)
        }
    }

    @Test("on a held app it runs and says so, and the hold stays")
    func held() async throws {
        try await withSite { site in
            try await site.origin.commit(files: ["a": "1"])
            #expect(try await site.daemon.run("hold", "shop", "--reason", "a freeze").status == 0)
            let result = try await site.daemon.run("deploy", "shop", "--wait")
            let note = "shop is held (a freeze); this job runs all the same"
            #expect(result.status == 0 && result.output.contains("\nNote: \(note).\n"), "\(result)")
            #expect(try site.live("a") == "1")
            #expect(try await site.daemon.json("deploy", "shop")["note"].string == note)
            _ = try await site.runToEnd(2)
            let waiting = try await site.push(["a": "2"]).job
            #expect(try await site.daemon.job(waiting).state == "queued")
        }
    }

    @Test("--wait shows the job's output and exits as it did; with --json standard output has JSON and nothing else")
    func wait() async throws {
        try await withSite(app: "build: [\"echo built here\", \"test ! -e bad\"]\n") { site in
            try await site.origin.commit(files: ["a": "1"])
            let good = try await site.daemon.run("deploy", "shop", "--wait")
            #expect(good.status == 0 && good.error.isEmpty, "\(good)")
            #expect(good.output.contains("\n==> build-1\nbuilt here\n") && good.output.contains("\n==> succeeded: "), "\(good)")
            let goodJSON = try await site.daemon.run("deploy", "shop", "--wait", "--json")
            #expect(goodJSON.status == 0 && goodJSON.error.isEmpty)
            #expect(try JSONValue(parsing: goodJSON.output)["id"] == 2, "\(goodJSON)")

            try await site.origin.commit(files: ["bad": ""])
            let bad = try await site.daemon.run("deploy", "shop", "--wait")
            #expect(bad.status == 3 && bad.output.hasSuffix("\n==> failed: step \"build-2\" exited with status 1\n"), "\(bad)")
            let badJSON = try await site.daemon.run("deploy", "shop", "--wait", "--json")
            #expect(badJSON.status == 3, "\(badJSON)")
            #expect(try JSONValue(parsing: badJSON.output)["id"] == 4)
            #expect(badJSON.error == "bittern: job 4 failed: step \"build-2\" exited with status 1\n")
            #expect(try await site.daemon.json("jobs", "--state", "failed").array.count == 2)
        }
    }

    @Test("--all deploys once more what is live of each app, also when its branch has gone another way since")
    func all() async throws {
        let apps = ["blog": "branch: blog\nbuild: [\"test ! -e @DIR@/broken\"]\n", "empty": "branch: nothing\n"]
        try await withSite(apps: apps) { site in
            let nothing = try await site.daemon.run("deploy", "--all")
            #expect(nothing.status == 1 && nothing.error.contains("nothing was ever live"), "\(nothing)")
            try await site.origin.commit(files: ["a": "0"])
            let shop = try await site.push(["a": "1"])
            _ = try await site.runToEnd(try shop.job)
            let blog = try await site.push(["a": "2"], on: "blog")
            _ = try await site.runToEnd(try blog.job)
            try await site.origin.forcePush("main", files: ["a": "rewritten"])
            try await site.origin.deleteBranch("blog")

            let queued = try await site.daemon.run("deploy", "--all", "--wait")
            #expect(queued.status == 0, "\(queued)")
            let lines = queued.output.split(separator: "\n").prefix(2)
            #expect(lines.first?.hasPrefix("Job 3 is queued: blog at \(blog.commit.prefix(7)) of refs/heads/blog.") == true, "\(queued)")
            #expect(lines.last?.hasPrefix("Job 4 is queued: shop at \(shop.commit.prefix(7)) of refs/heads/main.") == true, "\(queued)")
            for (number, commit) in [(3, blog.commit), (4, shop.commit)] {
                let job = try await site.daemon.job(number)
                #expect(job.state == "succeeded" && job.json["commit"].string == commit && job.json["cause"] == "manual", "\(job)")
            }
            #expect(try site.live("a") == "1" && site.live("a", of: "blog") == "2")

            try Data().write(to: URL(filePath: site.daemon.setup.path("broken")))
            let failed = try await site.daemon.run("deploy", "--all", "--wait")
            #expect(failed.status == 3 && failed.error == "bittern: 1 of 2 jobs did not succeed: blog\n", "\(failed)")
            let json = try await site.daemon.run("deploy", "--all", "--wait", "--json")
            #expect(json.status == 3, "\(json)")
            #expect(try JSONValue(parsing: json.output).array.map { $0["app"] } == ["blog", "shop"])
        }
    }
}
