import Foundation
import RealParts
import Testing

/// Pushes that match and are not worth a deploy.
@Suite(.fewAtOnce) struct FilterTests {
    private func push(_ site: Site, _ files: [String: String], message: String) async throws -> Job {
        let old = try await site.origin.head(of: "main")
        let new = try await site.origin.commit(files: files, message: message)
        let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", old: old, new: new))
        return try await site.runToEnd(try Push(commit: new, answer: answer).job)
    }

    @Test("a push whose files match no path is skipped with the reason, and what it carried counts for the next one")
    func paths() async throws {
        try await withSite(app: "paths: [\"services/shop/**\", \"!**.md\"]\n") { site in
            // Nothing is live yet, so nothing is held back.
            #expect(try await site.deploy(["docs/a": "1"]).state == "succeeded")
            let skipped = try await site.deploy(["docs/a": "2", "services/shop/README.md": "x"])
            #expect(skipped.state == "skipped" && skipped.reason == "no pushed file matches paths: services/shop/**, !**.md", "\(skipped)")
            #expect(skipped.steps == ["fetch"] && !site.exists("srv/shop/releases/2"))
            #expect(try await site.deploy(["services/shop/a": "1"]).state == "succeeded")
        }
    }

    @Test("paths look at what would really change: a failed job's files are not lost with it")
    func pathsAfterAFailure() async throws {
        try await withSite(app: "paths: [\"src/**\"]\nbuild: [\"test ! -e @DIR@/sick\"]\n") { site in
            #expect(try await site.deploy(["src/a": "1"]).state == "succeeded")
            try Data().write(to: URL(filePath: site.daemon.setup.path("sick")))
            #expect(try await site.deploy(["src/a": "2"]).state == "failed")
            try FileManager.default.removeItem(atPath: site.daemon.setup.path("sick"))
            let next = try await site.deploy(["docs/x": "1"])
            #expect(next.state == "succeeded", "\(next)")
            #expect(try site.live("src/a") == "2")
        }
    }

    @Test("a marker in the new commit's message skips it; a retry is somebody's wish and deploys")
    func markers() async throws {
        try await withSite(app: "") { site in
            #expect(try await push(site, ["a": "1"], message: "One").state == "succeeded")
            let skipped = try await push(site, ["a": "2"], message: "Two\n\n[skip deploy] because")
            #expect(skipped.state == "skipped" && skipped.reason == "the commit's message says [skip deploy]", "\(skipped)")
            #expect(try site.live("a") == "1")
            #expect(try await site.daemon.run("retry", "2", "--wait").status == 0)
            #expect(try site.live("a") == "2")
        }
        try await withSite(app: "skip_markers: [NOPE]\n") { site in
            let jobs = [try await push(site, ["a": "1"], message: "[skip deploy]"), try await push(site, ["a": "2"], message: "NOPE")]
            #expect(jobs.map(\.state) == ["succeeded", "skipped"])
        }
    }

    @Test("defaults hold for every app that does not say otherwise")
    func defaults() async throws {
        let config = "defaults: {skip_markers: [NOPE], env: {WHO: all}, build: [\"echo $WHO > who\"]}\n"
        try await withSite(app: "", apps: ["blog": "env: {WHO: blog}\nskip_markers: []\n"], config: config) { site in
            let old = try await site.origin.head(of: "main")
            let new = try await site.origin.commit(files: ["a": "1"], message: "NOPE")
            let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", old: old, new: new))
            var states: [String: String] = [:]
            for job in answer.results.compactMap(\.job) {
                let ended = try await site.runToEnd(job)
                states[ended.json["app"].string ?? ""] = ended.state
            }
            #expect(states == ["blog": "succeeded", "shop": "skipped"])
            #expect(try site.live("who", of: "blog") == "blog\n")
        }
    }
}
