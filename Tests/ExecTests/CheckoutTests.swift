import Domain
import Exec
import Foundation
import RealParts
import Testing

@Suite struct CheckoutTests {
    @Test("a release holds exactly its commit, though the branch has moved on")
    func exact() async throws {
        try await withSite(files: ["index": "1", "sub/run": "#!/bin/sh\n", "old": "x"]) { site, origin, first in
            let second = try await origin.commit(files: ["index": "2", "new": "y"], removing: ["old"])
            #expect(try await site.run(["fetch", "checkout"], of: site.job(2, second)) == .succeeded)
            let job = try site.job(1, first)
            #expect(try await site.run(["fetch", "checkout"], of: job) == .succeeded)
            #expect(Set(FileSystem.names(in: site.release(of: job))) == ["REVISION", "index", "old", "sub"])
            #expect(try site.file("index", of: job) == "1")
            #expect(try site.file("REVISION", of: job) == first + "\n")
            #expect(try mode(site.release(of: job) + "/sub/run") == 0o755)
            #expect(try mode(site.release(of: job) + "/index") == 0o644)
            #expect(try site.file("index", of: site.job(2, second)) == "2")
        }
    }

    @Test("a checkout needs no server")
    func offline() async throws {
        try await withSite { site, origin, commit in
            let job = try site.job(commit)
            _ = try await site.run("fetch", of: job)
            try await Shell.check(["rm", "-r", origin.bare])
            #expect(try await site.run("checkout", of: job) == .succeeded)
        }
    }

    @Test("a checkout that is done again begins with an empty directory")
    func again() async throws {
        try await withSite { site, _, commit in
            let job = try site.job(commit)
            _ = try await site.run(["fetch", "checkout"], of: job)
            try await Shell.check(["sh", "-c", "echo left >left; echo changed >index"], in: site.release(of: job))
            #expect(try await site.run("checkout", of: job) == .succeeded)
            #expect(Set(FileSystem.names(in: site.release(of: job))) == ["REVISION", "index"])
            #expect(try site.file("index", of: job) == "1")
        }
    }

    @Test(
        "the app's umask holds for all of a release",
        arguments: [(0o027, 0o640, 0o750), (0o077, 0o600, 0o700), (0o002, 0o664, 0o775)] as [(UInt16, Int, Int)])
    func umask(umask: UInt16, file: Int, directory: Int) async throws {
        try await withSite(files: ["index": "1", "sub/run": "#!/bin/sh\n"]) { site, _, commit in
            site.app.umask = umask
            site.app.build = [CommandStep(name: "made", run: "mkdir made; : >made/file")]
            let job = try site.job(commit)
            #expect(try await site.run(["fetch", "checkout", "made"], of: job) == .succeeded)
            let release = site.release(of: job)
            for name in ["index", "made/file", "REVISION"] { #expect(try mode("\(release)/\(name)") == file, "\(name)") }
            for name in ["", "/sub", "/sub/run", "/made"] { #expect(try mode(release + name) == directory, "\(name)") }
        }
    }

    @Test("a repository's link named REVISION is replaced, and what it names is not touched")
    func revisionLink() async throws {
        try await withSite { site, origin, _ in
            site.app.releases.allowsExternalLinks = true
            let victim = try site.directory.write("kept", to: "victim")
            let commit = try await origin.commit(files: [:], links: ["REVISION": victim])
            let job = try site.job(commit)
            #expect(try await site.run(["fetch", "checkout"], of: job) == .succeeded)
            #expect(try site.directory.read("victim") == "kept")
            #expect(FileSystem.kind(of: site.release(of: job) + "/REVISION") == .file)
            #expect(try site.file("REVISION", of: job) == commit + "\n")
        }
    }

    @Test("a repository's directory named REVISION is replaced")
    func revisionDirectory() async throws {
        try await withSite(files: ["REVISION/file": "1"]) { site, _, commit in
            let job = try site.job(commit)
            #expect(try await site.run(["fetch", "checkout"], of: job) == .succeeded)
            #expect(try site.file("REVISION", of: job) == commit + "\n")
        }
    }

    @Test("a commit that was never fetched is not checked out")
    func unknown() async throws {
        try await withSite { site, origin, commit in
            _ = try await site.run("fetch", of: site.job(1, commit))
            let later = try await origin.commit(files: ["index": "2"])
            let job = try site.job(2, later)
            #expect(try await site.run("checkout", of: job) != .succeeded)
            #expect(FileSystem.kind(of: site.release(of: job) + "/REVISION") == nil)
        }
    }

    @Test(
        "a full disk fails the checkout, says so and leaves no revision",
        .enabled(if: geteuid() == 0, "only root may mount a small file system"))
    func full() async throws {
        let text = String((0..<300_000).map { Character(Unicode.Scalar(UInt8(33 + ($0 &* 7919 >> 3) % 90))) })
        try await withSite(files: ["large": text, "small": "1"]) { site, _, commit in
            let root = site.app.root
            try await Shell.check(["mount", "-t", "tmpfs", "-o", "size=64k", "none", root])
            try await withCleanup {
                let job = try site.job(commit)
                let outcome = try await site.run(["fetch", "checkout"], of: job)
                #expect(outcome == .failed(reason: "no space is left on the device; free some and retry"))
                #expect(FileSystem.kind(of: site.release(of: job) + "/REVISION") == nil)
            } cleanup: {
                try await Shell.check(["umount", root])
            }
        }
    }

    @Test("a commit that would fill the disk is refused before its first file is written")
    func bomb() async throws {
        try await withSite { site, origin, _ in
            // A megabyte and a half of nothing, sixteen times, sixteen times, sixteen times, sixteen times: a few kilobytes in the mirror.
            let work = origin.work
            try Data(count: 3 << 19).write(to: URL(filePath: work + "/nothing"))
            var entry = "100644 blob \(try await origin.git("hash-object", "-w", "nothing"))"
            for _ in 0..<4 {
                let lines = (0..<16).map { "\(entry)\t\($0)" }.joined(separator: "\n")
                try Data((lines + "\n").utf8).write(to: URL(filePath: work + "/lines"))
                let tree = try await Shell.check(["/bin/sh", "-c", "git -C \"$0\" mktree <\"$0/lines\"", work]).output
                entry = "040000 tree \(tree.split(separator: "\n")[0])"
            }
            let tree = String(entry.split(separator: " ")[2])
            let commit = try await origin.git("commit-tree", "-m", "Boom", tree)
            try await origin.git("push", "--quiet", "--force", "origin", "\(commit):refs/heads/main")
            let job = try site.job(commit)
            let outcome = try await site.run(["fetch", "checkout"], of: job)
            guard case .failed(let reason) = outcome else { return #expect(outcome == .failed(reason: "")) }
            #expect(reason.contains("more than 2000000 files, or more than 64 GB"), "\(reason)")
            #expect(FileSystem.kind(of: site.release(of: job)) == nil)
        }
    }

    @Test("no filter runs that a repository asks for, however git was set up to have it")
    func filter() async throws {
        try await withSite { site, origin, _ in
            let commit = try await origin.commit(files: [".gitattributes": "* filter=evil\n", "a": "as it is\n"])
            let job = try site.job(commit)
            #expect(try await site.run("fetch", of: job).isThere)
            // What a user of this machine has, or git's own directory for all of them, is none of Bittern's.
            let ran = site.directory.path("ran")
            try site.directory.write("[filter \"evil\"]\n\tsmudge = touch \(ran); cat\n", to: "home/.gitconfig")
            let environment = ["HOME": site.directory.path("home"), "GIT_CONFIG_GLOBAL": site.directory.path("home/.gitconfig")]
            #expect(try await site.run("checkout", of: job, environment: environment) == .succeeded)
            #expect(try site.file("a", of: job) == "as it is\n")
            #expect(FileSystem.kind(of: ran) == nil)
        }
    }

    @Test("many small files on a full disk fail the checkout too", .enabled(if: geteuid() == 0, "only root may mount a small file system"))
    func fullOfSmall() async throws {
        let files = Dictionary((0..<60).map { ("d\($0)/f", String(repeating: "x", count: 3000)) }, uniquingKeysWith: { $1 })
        try await withSite(files: files) { site, _, commit in
            let root = site.app.root
            try await Shell.check(["mount", "-t", "tmpfs", "-o", "size=64k", "none", root])
            try await withCleanup {
                let job = try site.job(commit)
                let outcome = try await site.run(["fetch", "checkout"], of: job)
                #expect(outcome == .failed(reason: "no space is left on the device; free some and retry"))
                #expect(FileSystem.kind(of: site.release(of: job) + "/REVISION") == nil)
            } cleanup: {
                try await Shell.check(["umount", root])
            }
        }
    }
}
