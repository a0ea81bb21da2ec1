import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct RollbackTests {
    private static let app = """
        build: ["echo built >> @DIR@/built"]
        deploy: ["echo $BITTERN_CAUSE $BITTERN_BRANCH >> @DIR@/deployed", {run: "echo once >> @DIR@/once", rollback: false}]

        """

    @Test("a rollback puts the release before live again without building, and exits as its job does")
    func previous() async throws {
        try await withSite(app: Self.app) { site in
            for text in ["1", "2", "3"] { #expect(try await site.deploy(["a": text]).state == "succeeded") }
            let rollback = try await site.daemon.run("rollback", "shop", "--wait")
            #expect(rollback.status == 0 && rollback.output.contains("goes back to release 2"), "\(rollback)")
            #expect(try site.live("a") == "2")
            #expect(site.lines("built").count == 3 && site.lines("once").count == 3)
            #expect(site.lines("deployed").last == "rollback main")
            let job = try await site.daemon.job(4)
            #expect(job.reason.hasSuffix("is live again as release 2") && job.json["cause"] == "rollback", "\(job)")
            #expect(job.json["release"] == 2 && job.steps == ["activate", "deploy-1"])
            let states = try await site.daemon.json("releases", "shop").array.map { "\($0["id"].int ?? 0) \($0["state"].string ?? "")" }
            #expect(states == ["3 good", "2 live", "1 good"])
            // Once more goes to the one that was live last: back and forth.
            #expect(try await site.daemon.run("rollback", "shop", "--wait").status == 0)
            #expect(try site.live("a") == "3")
            #expect(try await site.daemon.run("rollback", "shop", "1", "--wait").status == 0)
            #expect(try site.live("a") == "1")
            // And a push goes live as ever.
            #expect(try await site.deploy(["a": "4"]).state == "succeeded")
        }
    }

    @Test("--hold keeps the next push waiting")
    func hold() async throws {
        try await withSite(app: Self.app) { site in
            for text in ["1", "2"] { _ = try await site.deploy(["a": text]) }
            #expect(try await site.daemon.run("rollback", "shop", "--hold", "--wait").status == 0)
            let waiting = try await site.push(["a": "3"]).job
            #expect(try await site.daemon.job(waiting).state == "queued")
            #expect(try await site.daemon.run("resume", "shop").status == 0)
            #expect(try await site.runToEnd(waiting).state == "succeeded")
        }
    }

    @Test("a rollback that is retried is another rollback")
    func retried() async throws {
        try await withSite(app: Self.app) { site in
            for text in ["1", "2"] { _ = try await site.deploy(["a": text]) }
            #expect(try await site.daemon.run("rollback", "shop", "--wait").status == 0)
            #expect(try await site.deploy(["a": "3"]).state == "succeeded")
            let retry = try await site.daemon.run("retry", "3", "--wait")
            #expect(retry.status == 0, "\(retry)")
            let job = try await site.daemon.job(5)
            #expect(job.json["cause"] == "rollback" && job.json["release"] == 1 && job.steps == ["activate", "deploy-1"])
            #expect(try site.live("a") == "1")
        }
    }

    @Test("what is not there, failed, or of another app is refused with a sentence")
    func refused() async throws {
        try await withSite(app: "deploy: [\"test ! -e sick\"]\n") { site in
            let none = try await site.daemon.run("rollback", "shop")
            #expect(none.status == 1 && none.error.contains("no good release to go back to"), "\(none)")
            _ = try await site.deploy(["a": "1"])
            _ = try await site.deploy(["sick": ""])
            let failed = try await site.daemon.run("rollback", "shop", "2")
            #expect(failed.status == 1 && failed.error.contains("release 2 of shop failed"), "\(failed)")
            let missing = try await site.daemon.run("rollback", "shop", "77")
            #expect(missing.status == 5 && missing.error.contains("release 77 of shop is not there"), "\(missing)")
            #expect(try await site.daemon.run("rollback", "nobody").status == 5)
            #expect(try await site.daemon.run("releases", "nobody").status == 5)
        }
    }

    @Test("a rollback to a release that turns out sick goes back to what was live")
    func sick() async throws {
        try await withSite(app: "deploy: [\"test ! -e @DIR@/sick-$(cat a)\"]\n") { site in
            _ = try await site.deploy(["a": "1"])
            _ = try await site.deploy(["a": "2"])
            try Data().write(to: URL(filePath: site.daemon.setup.path("sick-1")))
            #expect(try await site.daemon.run("rollback", "shop", "--wait").status == 3)
            let job = try await site.daemon.job(3)
            #expect(job.reason == "step \"deploy-1\" exited with status 1; rolled back to release 2", "\(job)")
            #expect(try site.live("a") == "2")
            #expect(try await site.daemon.json("releases", "shop").array.map { $0["state"].string } == ["live", "failed"])
        }
    }

    @Test("as many releases are kept as the app wants, with the live one, the one before, and two that failed")
    func retention() async throws {
        try await withSite(app: "keep_releases: 2\ndeploy: [\"test ! -e sick\"]\n") { site in
            func kept() throws -> Set<String> {
                let names = try FileManager.default.contentsOfDirectory(atPath: site.root() + "/releases")
                return Set(names.map { String($0.prefix { $0 != "-" }) })
            }
            for number in 1...4 { #expect(try await site.deploy(["a": "\(number)"]).state == "succeeded") }
            try await eventually("the end of the clean-up") { try kept() == ["3", "4"] }
            for number in 5...7 { #expect(try await site.deploy(["a": "\(number)", "sick": ""]).state == "failed") }
            try await eventually("the end of the clean-up") { try kept() == ["3", "4", "6", "7"] }
            #expect(try await site.daemon.run("rollback", "shop", "3", "--wait").status == 0)
            #expect(try kept() == ["3", "4", "6", "7"])
            #expect(try site.live("a") == "3")
        }
    }

    @Test(
        "a clean-up that fails fails no deploy, and says so",
        .enabled("nobody may make a file immutable here") { try await Self.canMakeImmutable() })
    func retentionFails() async throws {
        try await withSite(app: "keep_releases: 1\n") { site in
            for number in 1...2 { #expect(try await site.deploy(["a": "\(number)"]).state == "succeeded") }
            let old = site.root() + "/releases"
            let name = try #require(try FileManager.default.contentsOfDirectory(atPath: old).first { $0.hasPrefix("1-") })
            // Nobody removes an immutable file, not even root.
            let stuck = try await Shell.run(["chattr", "+i", "\(old)/\(name)/a"])
            try #require(stuck.status == 0, "\(stuck)")
            for number in 3...4 { #expect(try await site.deploy(["a": "\(number)"]).state == "succeeded") }
            try await eventually("a word about it") { site.daemon.standardError.contains("cannot remove") }
            _ = try await Shell.run(["chattr", "-i", "\(old)/\(name)/a"])
        }
    }

    /// It takes root's capability, and a file system that has the attribute.
    private static func canMakeImmutable() async throws -> Bool {
        try await withTemporaryDirectory { directory in
            let file = try directory.write("", to: "file")
            let isMade = try await Shell.run(["chattr", "+i", file]).status == 0
            if isMade { _ = try await Shell.run(["chattr", "-i", file]) }
            return isMade
        }
    }

    @Test("a release whose directory is lost is forgotten at the next start, and nobody is taken back to it")
    func lost() async throws {
        try await withSite(app: "build: [\"cat a > made\"]\n") { site in
            var jobs: [Int] = []
            for text in ["1", "2", "3"] {
                jobs.append(try await site.push(["a": text]).job)
                _ = try await site.runToEnd(jobs[jobs.count - 1])
            }
            let releases = try await site.daemon.json("releases", "shop").array
            try await site.daemon.terminate()
            let path = try #require(releases.first { $0["id"].int == jobs[1] }?["path"].string)
            try FileManager.default.removeItem(atPath: path)
            try await site.daemon.start()
            #expect(try await site.daemon.json("releases", "shop").array.map { $0["id"].int } == [jobs[2], jobs[0]])
            #expect(site.daemon.standardError.contains("release \(jobs[1]) is not on the disk and is forgotten"))
            #expect(try await site.daemon.run("rollback", "shop", "--wait").status == 0)
            #expect(try site.live("made") == "1")
        }
    }

    @Test("releases of a root that is away for a while are not forgotten")
    func away() async throws {
        try await withSite(app: "build: [\"cat a > made\"]\nmax_attempts: 1\n") { site in
            for text in ["1", "2"] { #expect(try await site.deploy(["a": text]).state == "succeeded") }
            let root = site.root()
            try FileManager.default.moveItem(atPath: root, toPath: root + ".away")
            try await site.daemon.restart()
            // A job that ends while it is away.
            let failed = try await site.daemon.run("rollback", "shop", "--wait")
            #expect(failed.status == 3, "\(failed)")
            try? FileManager.default.removeItem(atPath: root)  // what the job made there
            try FileManager.default.moveItem(atPath: root + ".away", toPath: root)
            #expect(try await site.daemon.json("releases", "shop").array.map { $0["id"].int } == [2, 1])
            #expect(try await site.daemon.run("rollback", "shop", "--wait").status == 0)
            #expect(try site.live("made") == "1")
        }
    }
}
