import Domain
import Exec
import Foundation
import RealParts
import Synchronization
import Testing

@Suite struct ReleaseDirectoryTests {
    @Test("a release begins empty: what an interrupted start left is gone")
    func create() async throws {
        try await withRoot { directory, release in
            try release.create()
            try directory.write("left", to: "root/releases/1-aaaaaaa/sub/file")
            try release.create()
            #expect(FileSystem.names(in: release.path) == [])
            #expect(try mode(release.path) == 0o755)
        }
    }

    @Test("a release that was replaced by a link begins anew, and the link's target is left alone")
    func createOverLink() async throws {
        try await withRoot { directory, release in
            try directory.write("kept", to: "outside/file")
            try directory.makeDirectory("root/releases")
            try link(release.path, to: directory.path("outside"))
            try release.create()
            #expect(FileSystem.isDirectory(release.path))
            #expect(try directory.read("outside/file") == "kept")
        }
    }

    @Test("a release goes live by a relative link")
    func activate() async throws {
        try await withRoot { directory, release in
            try release.create()
            try directory.write("1", to: "root/releases/1-aaaaaaa/index")
            #expect(!release.isLive)
            try release.activate()
            #expect(release.isLive)
            #expect(FileSystem.target(ofLink: directory.path("root/current")) == "releases/1-aaaaaaa")
            #expect(try directory.read("root/current/index") == "1")
            #expect(Set(FileSystem.names(in: directory.path("root"))) == ["current", "releases"])
        }
    }

    @Test("going live again changes nothing, and what an interrupted switch left is no hindrance")
    func activateAgain() async throws {
        try await withRoot { directory, release in
            try release.create()
            try link(directory.path("root/.current-1-aaaaaaa"), to: "releases/half")
            try release.activate()
            try release.activate()
            #expect(release.isLive)
            #expect(Set(FileSystem.names(in: directory.path("root"))) == ["current", "releases"])
        }
    }

    @Test("whoever looks during two hundred switches sees one release or the other, and never nothing")
    func neverAbsent() async throws {
        try await withRoot { directory, release in
            let other = ReleaseDirectory(root: release.root, path: release.root + "/releases/2-bbbbbbb")
            for one in [release, other] {
                try one.create()
                try one.writeRevision(#require(CommitID(String(repeating: "a", count: 40))))
            }
            try release.activate()
            let reader = Reader(root: release.root)
            reader.start()
            for number in 0..<200 { try (number % 2 == 0 ? other : release).activate() }
            let (seen, missing, looks) = try await reader.end()
            #expect(seen == ["releases/1-aaaaaaa", "releases/2-bbbbbbb"])
            #expect(missing == 0)
            #expect(looks > 200)
        }
    }

    @Test("a current that is a directory is refused and stays")
    func currentIsDirectory() async throws {
        try await withRoot { directory, release in
            try release.create()
            try directory.write("mine", to: "root/current/file")
            let error = try #require(throws: ExecError.self) { try release.activate() }
            #expect(error.phrase == "\(directory.path("root/current")) is a directory, not a link; move it away")
            #expect(try directory.read("root/current/file") == "mine")
        }
    }

    @Test("a link that names another release is not this one")
    func otherIsLive() async throws {
        try await withRoot { directory, release in
            try release.create()
            try link(directory.path("root/current"), to: "releases/1-aaaaaaab")
            #expect(!release.isLive)
        }
    }

    @Test("the live release is not thrown away, another is")
    func discard() async throws {
        try await withRoot { directory, release in
            try release.create()
            try release.activate()
            let error = try #require(throws: ExecError.self) { try release.discard() }
            #expect(error.phrase == "\(release.path) is live and stays")
            #expect(FileSystem.isDirectory(release.path))
            let other = ReleaseDirectory(root: release.root, path: release.root + "/releases/2-bbbbbbb")
            try other.create()
            try other.discard()
            #expect(FileSystem.names(in: directory.path("root/releases")) == ["1-aaaaaaa"])
        }
    }

    @Test("the revision is the full commit and a line's end")
    func revision() async throws {
        try await withRoot { directory, release in
            try release.create()
            let commit = String(repeating: "a", count: 40)
            try release.writeRevision(#require(CommitID(commit)))
            #expect(try directory.read("root/releases/1-aaaaaaa/REVISION") == commit + "\n")
        }
    }

    private func withRoot(_ body: (TemporaryDirectory, ReleaseDirectory) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let root = try directory.makeDirectory("root")
            try await body(directory, ReleaseDirectory(root: root, path: root + "/releases/1-aaaaaaa"))
        }
    }
}

/// Looks at `current` without a pause, on a thread of its own.
private final class Reader: Sendable {
    private let root: String
    private let state = Mutex((isEnding: false, hasEnded: false, seen: Set<String>(), missing: 0, looks: 0))

    init(root: String) { self.root = root }

    func start() {
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.isEnding }) { look() }
            state.withLock { $0.hasEnded = true }
        }
    }

    private func look() {
        let target = FileSystem.target(ofLink: root + "/current")
        let isThere = access(root + "/current/REVISION", F_OK) == 0
        state.withLock {
            $0.looks += 1
            if let target { $0.seen.insert(target) }
            if target == nil || !isThere { $0.missing += 1 }
        }
    }

    func end() async throws -> (seen: Set<String>, missing: Int, looks: Int) {
        state.withLock { $0.isEnding = true }
        try await eventually("the reader's end") { state.withLock { $0.hasEnded } }
        return state.withLock { ($0.seen, $0.missing, $0.looks) }
    }
}
