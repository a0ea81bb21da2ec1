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
            #expect(try await site.run("fetch", of: job).isThere)
            #expect(try await site.gitInMirror("cat-file", "-t", commit) == "commit\n")
            #expect(try site.log("fetch", of: job).hasPrefix("fetch refs/heads/main from \(scheme)\(origin.bare)\n"))
        }
    }

    @Test("a fetch brings one ref, under a name of its own, and no tags")
    func oneRef() async throws {
        try await withSite { site, origin, commit in
            try await origin.tag("v1")
            let other = try await origin.commit(files: ["b": "2"], on: "other")
            #expect(try await site.run("fetch", of: site.job(commit)).isThere)
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
            #expect(try await site.run("fetch", of: site.job(2, second)).isThere)
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
                #expect(try await site.run("fetch", of: site.job(job, commit, on: name)).isThere, "\(name)")
            }
        }
    }

    @Test("a branch that was rewritten by force is fetched")
    func forced() async throws {
        try await withSite { site, origin, first in
            _ = try await site.run("fetch", of: site.job(1, first))
            let second = try await origin.forcePush("main", files: ["index": "other"])
            #expect(try await site.run("fetch", of: site.job(2, second)).isThere)
        }
    }

    @Test("a commit the forge does not have yet is not found, and found when the fetch runs again in the same log")
    func lateCommit() async throws {
        try await withSite { site, origin, head in
            try await origin.git("commit", "--quiet", "--allow-empty", "--message", "late")
            let job = try site.job(try await origin.git("rev-parse", "HEAD"))
            #expect(
                try await site.run("fetch", of: job)
                    == .fetched(.init(head: CommitID(head), headObject: CommitID(head), commit: nil, refWasKnown: false)))
            try await origin.git("push", "--quiet", "origin", "main")
            var again = try site.order("fetch", of: job)
            again.again = "once more"
            await site.runner.start(again)
            #expect(try await site.outcome(of: again) == .fetched(.init(head: job.commit, headObject: job.commit, commit: job.commit)))
            let log = try site.log("fetch", of: job)
            #expect(log.split(separator: "\n").filter { $0.hasPrefix("fetch ") }.count == 2)
            #expect(log.contains("once more\n"))
        }
    }

    @Test("a ref that is not there has no head, whether it was known or not")
    func deleted() async throws {
        try await withSite { site, origin, _ in
            let first = try await origin.commit(files: ["a": "1"], on: "gone")
            _ = try await site.run("fetch", of: site.job(1, first, on: "gone"))
            try await origin.deleteBranch("gone")
            let gone = try await site.run("fetch", of: site.job(2, first, on: "gone"))
            #expect(gone == .fetched(.init(head: nil, headObject: nil, commit: nil, refWasKnown: true)))
            let never = try await site.run("fetch", of: site.job(3, first, on: "never"))
            #expect(never == .fetched(.init(head: nil, headObject: nil, commit: nil, refWasKnown: false)))
        }
    }

    @Test("how the job's commit stands to the head is git's word")
    func standing() async throws {
        try await withSite { site, origin, first in
            let second = try await origin.commit(files: ["a": "2"])
            let (one, two) = (CommitID(first), CommitID(second))
            #expect(
                try await site.run("fetch", of: site.job(1, first))
                    == .fetched(.init(head: two, headObject: two, commit: one, refWasKnown: false)))
            try await origin.forcePush("main", to: first)
            #expect(
                try await site.run("fetch", of: site.job(2, second))
                    == .fetched(.init(head: one, headObject: one, commit: two, headIsStrictAncestorOfCommit: true)))
        }
    }

    @Test("an annotated tag is peeled, and an older tag knows that it is older than what is live")
    func tags() async throws {
        try await withSite { site, origin, first in
            let second = try await origin.commit(files: ["a": "2"])
            _ = try await site.run("fetch", of: site.job(9, second))
            let object = try await origin.tag("v1", annotated: true, at: first)
            let ref = try #require(RefName(.tag, "v1"))
            var order = try site.order("fetch", of: site.job(1, object, ref: ref))
            order.live = CommitID(second)
            await site.runner.start(order)
            let fetched = OrderRules.Fetched(
                head: CommitID(first), headObject: CommitID(object), commit: CommitID(first), commitIsStrictAncestorOfLive: true,
                refWasKnown: false)
            #expect(try await site.outcome(of: order) == .fetched(fetched))
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
            for order in orders { #expect(try await site.outcome(of: order).isThere) }
        }
    }

    @Test("what an interrupted beginning left of a mirror is made anew")
    func halfMirror() async throws {
        try await withSite { site, _, commit in
            _ = try await site.run("fetch", of: site.job(commit))
            let mirror = try site.mirror()
            try await Shell.check(["rm", "-r", mirror + "/HEAD", mirror + "/refs"])
            #expect(try await site.run("fetch", of: site.job(commit)).isThere)
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
        try await site.gitInMirror("cat-file", "--batch-all-objects", "--batch-check").split(separator: "\n").count
    }
}
