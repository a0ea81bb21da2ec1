import Domain
import Exec
import Foundation
import RealParts
import Testing

/// Fetches from a repository on this machine.
@Suite struct FetchTests {
    @Test("a commit is brought into a mirror of its own", arguments: ["file://", ""])
    func fetch(scheme: String) async throws {
        try await withSite { site, origin, commit in
            site.app.cloneURL = scheme + origin.bare
            let job = try site.job(commit)
            #expect(try await site.run("fetch", of: job) == .succeeded)
            #expect(try await site.gitInMirror("cat-file", "-t", commit) == "commit\n")
            #expect(try site.log("fetch", of: job).hasPrefix("fetch refs/heads/main from \(scheme)\(origin.bare)\n"))
        }
    }

    @Test("a fetch brings one ref, under a name of its own, and no tags")
    func oneRef() async throws {
        try await withSite { site, origin, commit in
            try await origin.tag("v1")
            let other = try await origin.commit(files: ["b": "2"], on: "other")
            #expect(try await site.run("fetch", of: site.job(commit)) == .succeeded)
            let refs = try await site.gitInMirror("for-each-ref", "--format=%(refname)").split(separator: "\n")
            #expect(refs.count == 1)
            #expect(refs.first?.hasPrefix("refs/bittern/ref/") == true)
            let found = try await Shell.run(["git", "-C", site.mirror(), "cat-file", "-e", other])
            #expect(found.status != 0)
        }
    }

    @Test("a second fetch brings only what is new")
    func onlyNew() async throws {
        try await withSite(files: Dictionary((0..<50).map { ("file\($0)", "text \($0)") }, uniquingKeysWith: { $1 })) {
            site, origin, first in
            _ = try await site.run("fetch", of: site.job(1, first))
            let before = try await objects(site)
            let second = try await origin.commit(files: ["file1": "changed"])
            #expect(try await site.run("fetch", of: site.job(2, second)) == .succeeded)
            // A commit, a tree and a blob.
            #expect(try await objects(site) == before + 3)
        }
    }

    @Test("branch names with slashes are fetched, also `rel/1` after `rel` was deleted and the other way round")
    func names() async throws {
        try await withSite { site, origin, _ in
            var job: Int64 = 0
            for name in ["feature/a/b", "rel", "rel/1", "rel"] {
                for older in ["rel", "rel/1"] where older != name {
                    if try await origin.head(of: older) != nil { try await origin.deleteBranch(older) }
                }
                let commit = try await origin.commit(files: ["name": "\(name) \(job)"], on: name)
                job += 1
                #expect(try await site.run("fetch", of: site.job(job, commit, on: name)) == .succeeded, "\(name)")
            }
        }
    }

    @Test("a branch that was rewritten by force is fetched")
    func forced() async throws {
        try await withSite { site, origin, first in
            _ = try await site.run("fetch", of: site.job(1, first))
            let second = try await origin.forcePush("main", files: ["index": "other"])
            #expect(try await site.run("fetch", of: site.job(2, second)) == .succeeded)
        }
    }

    @Test("an annotated tag is fetched by its own name, and its commit goes into the release")
    func annotatedTag() async throws {
        try await withSite { site, origin, commit in
            let tag = try await origin.tag("v1", annotated: true)
            try #require(tag != commit)
            let job = try site.job(1, tag, ref: #require(RefName(.tag, "v1")))
            #expect(try await site.run(["fetch", "checkout"], of: job) == .succeeded)
            #expect(try site.file("REVISION", of: job) == commit + "\n")
        }
    }

    @Test("a commit that is pushed after its fetch began is waited for")
    func lateCommit() async throws {
        try await withSite { site, origin, _ in
            try await origin.git("commit", "--quiet", "--allow-empty", "--message", "late")
            let job = try site.job(try await origin.git("rev-parse", "HEAD"))
            let order = try site.order("fetch", of: job)
            await site.runner.start(order)
            try await eventually("a try that found nothing") { try site.log("fetch", of: job).contains("; trying again in") }
            try await origin.git("push", "--quiet", "origin", "main")
            #expect(try await site.outcome(of: order) == .succeeded)
        }
    }

    @Test("a branch that is pushed after its fetch began is waited for")
    func lateBranch() async throws {
        try await withSite { site, origin, commit in
            let job = try site.job(1, commit, on: "new")
            let order = try site.order("fetch", of: job)
            await site.runner.start(order)
            try await eventually("a try that found nothing") { try site.log("fetch", of: job).contains("; trying again in") }
            try await origin.git("push", "--quiet", "origin", "main:new")
            #expect(try await site.outcome(of: order) == .succeeded)
        }
    }

    @Test("a job whose branch was deleted ends as superseded")
    func deleted() async throws {
        try await withSite { site, origin, _ in
            let first = try await origin.commit(files: ["a": "1"], on: "gone")
            _ = try await site.run("fetch", of: site.job(1, first, on: "gone"))
            let second = try await origin.commit(files: ["a": "2"], on: "gone")
            try await origin.deleteBranch("gone")
            let outcome = try await site.run("fetch", of: site.job(2, second, on: "gone"))
            #expect(outcome == .concluded(.superseded, reason: "refs/heads/gone was deleted"))
        }
    }

    @Test("a repository that is not there fails at once")
    func noRepository() async throws {
        try await withSite { site, origin, commit in
            site.app.cloneURL = "file://\(origin.bare)-none"
            let outcome = try await site.run("fetch", of: site.job(commit))
            guard case .failed(let reason) = outcome else { return #expect(outcome == .failed(reason: "")) }
            #expect(reason.contains("\(origin.bare)-none"))
            #expect(try !site.log("fetch", of: site.job(commit)).contains("trying again"))
        }
    }

    @Test("a server that cannot be reached is tried again, then the job fails")
    func unreachable() async throws {
        try await withSite { site, _, commit in
            // Nothing listens at port 1.
            site.app.cloneURL = "http://127.0.0.1:1/acme/shop.git"
            let outcome = try await site.run("fetch", of: site.job(commit))
            guard case .failed(let reason) = outcome else { return #expect(outcome == .failed(reason: "")) }
            #expect(reason.hasPrefix("127.0.0.1:1 could not be reached: "))
            #expect(try site.log("fetch", of: site.job(commit)).split(separator: "; trying again in").count == 4)
        }
    }

    @Test("many jobs that want one mirror at once take turns")
    func turns() async throws {
        try await withSite { site, origin, _ in
            var jobs: [Job] = []
            for number in 1...6 {
                jobs.append(
                    try site.job(Int64(number), try await origin.commit(files: ["n": "\(number)"], on: "b\(number)"), on: "b\(number)"))
            }
            let orders = try jobs.map { try site.order("fetch", of: $0) }
            for order in orders { await site.runner.start(order) }
            for order in orders { #expect(try await site.outcome(of: order) == .succeeded) }
        }
    }

    @Test("what an interrupted beginning left of a mirror is made anew")
    func halfMirror() async throws {
        try await withSite { site, _, commit in
            _ = try await site.run("fetch", of: site.job(commit))
            let mirror = try site.mirror()
            try await Shell.check(["rm", "-r", mirror + "/HEAD", mirror + "/refs"])
            #expect(try await site.run("fetch", of: site.job(commit)) == .succeeded)
        }
    }

    @Test("hooks that stand in a mirror never run")
    func hooks() async throws {
        try await withSite { site, origin, first in
            _ = try await site.run("fetch", of: site.job(1, first))
            let hooks = try site.mirror() + "/hooks"
            let names = ["post-checkout", "reference-transaction", "post-index-change", "post-merge", "pre-auto-gc", "fsmonitor-watchman"]
            for name in names {
                let file = String("\(hooks)/\(name)".dropFirst(site.directory.path.count + 1))
                try site.directory.write("#!/bin/sh\necho \(name) >>'\(site.directory.path("ran"))'\n", to: file, mode: 0o755)
            }
            let second = try await origin.commit(files: ["a": "2"])
            #expect(try await site.run(["fetch", "checkout"], of: site.job(2, second)) == .succeeded)
            #expect(FileSystem.kind(of: site.directory.path("ran")) == nil)
        }
    }

    /// How many objects the mirror holds.
    private func objects(_ site: Site) async throws -> Int {
        let text = try await site.gitInMirror("count-objects", "-v")
        let lines = text.split(separator: "\n").filter { $0.hasPrefix("count: ") || $0.hasPrefix("in-pack: ") }
        return lines.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
    }
}
