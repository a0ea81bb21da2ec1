import Exec
import Foundation
import RealParts
import Testing

@Suite struct FileSystemTests {
    @Test("a directory is made with all that is missing above it")
    func nested() async throws {
        try await withTemporaryDirectory { directory in
            try FileSystem.makeDirectory(directory.path("a/b/c"), mode: 0o750)
            #expect(FileSystem.isDirectory(directory.path("a/b/c")))
            for name in ["a", "a/b", "a/b/c"] { #expect(try mode(directory.path(name)) == 0o750) }
        }
    }

    @Test("a directory that is there is left as it is")
    func there() async throws {
        try await withTemporaryDirectory { directory in
            try FileSystem.makeDirectory(directory.path("a"), mode: 0o700)
            try directory.write("text", to: "a/file")
            try FileSystem.makeDirectory(directory.path("a"), mode: 0o755)
            #expect(try mode(directory.path("a")) == 0o700)
            #expect(try directory.read("a/file") == "text")
        }
    }

    @Test("where a file or a link stands no directory is made, and the path is told")
    func inTheWay() async throws {
        try await withTemporaryDirectory { directory in
            try directory.write("text", to: "file")
            try directory.makeDirectory("elsewhere")
            try link(directory.path("link"), to: directory.path("elsewhere"))
            for name in ["file", "link"] {
                let error = try #require(throws: ExecError.self) { try FileSystem.makeDirectory(directory.path(name), mode: 0o755) }
                #expect(error.phrase == "cannot make the directory \(directory.path(name)): File exists")
            }
            let error = try #require(throws: ExecError.self) { try FileSystem.makeDirectory(directory.path("file/b"), mode: 0o755) }
            #expect(error.phrase == "cannot make the directory \(directory.path("file/b")): Not a directory")
        }
    }

    @Test("a tree is removed, and what its links name is not")
    func links() async throws {
        try await withTemporaryDirectory { directory in
            try directory.write("kept", to: "outside/file")
            try directory.write("text", to: "tree/a/b/file")
            try link(directory.path("tree/a/out"), to: directory.path("outside"))
            try link(directory.path("tree/file"), to: directory.path("outside/file"))
            try link(directory.path("tree/dangling"), to: "nowhere")
            try FileSystem.removeTree(directory.path("tree"))
            #expect(FileSystem.kind(of: directory.path("tree")) == nil)
            #expect(try directory.read("outside/file") == "kept")
        }
    }

    @Test("of a link to a directory the link is removed alone")
    func topLink() async throws {
        try await withTemporaryDirectory { directory in
            try directory.write("kept", to: "outside/file")
            try link(directory.path("tree"), to: directory.path("outside"))
            try FileSystem.removeTree(directory.path("tree"))
            #expect(FileSystem.kind(of: directory.path("tree")) == nil)
            #expect(try directory.read("outside/file") == "kept")
        }
    }

    @Test("removing what is not there is no error")
    func nothing() async throws {
        try await withTemporaryDirectory { directory in
            try FileSystem.removeTree(directory.path("none"))
            try FileSystem.removeTree(directory.path("none/deeper"))
            #expect(FileSystem.names(in: directory.path) == [])
        }
    }

    @Test("directories without write permission are removed by their owner")
    func readOnly() async throws {
        try await withTemporaryDirectory { directory in
            try directory.write("text", to: "tree/a/b/file")
            for name in ["tree/a/b", "tree/a", "tree"] { try set(directory.path(name), mode: 0o555) }
            try await asNobody(owning: directory.path) { try FileSystem.removeTree(directory.path("tree")) }
            #expect(FileSystem.kind(of: directory.path("tree")) == nil)
        }
    }

    @Test("what this user may not remove is told with its path")
    func forbidden() async throws {
        try await withTemporaryDirectory { directory in
            try directory.write("text", to: "mine/tree/file")
            try set(directory.path("mine"), mode: 0o555)
            let error = await #expect(throws: ExecError.self) {
                try await asNobody(owning: directory.path("mine/tree")) { try FileSystem.removeTree(directory.path("mine/tree")) }
            }
            #expect(error?.phrase == "cannot remove \(directory.path("mine/tree")): Permission denied")
        }
    }

    @Test("names that are no text are removed too")
    func bytes() async throws {
        try await withTemporaryDirectory { directory in
            try directory.makeDirectory("tree")
            let script = "mkdir \"$(printf 'd\\377')\" && : >\"$(printf 'd\\377/f\\200')\" && : >\"$(printf '\\n -rf')\""
            try await Shell.check(["sh", "-c", script], in: directory.path("tree"))
            #expect(FileSystem.names(in: directory.path("tree")).count == 2)
            try FileSystem.removeTree(directory.path("tree"))
            #expect(FileSystem.kind(of: directory.path("tree")) == nil)
        }
    }

    @Test("a tree of three hundred levels is removed")
    func deep() async throws {
        try await withTemporaryDirectory { directory in
            let deepest = "tree" + String(repeating: "/d", count: 300)
            try FileSystem.makeDirectory(directory.path(deepest), mode: 0o755)
            try FileSystem.removeTree(directory.path("tree"))
            #expect(FileSystem.kind(of: directory.path("tree")) == nil)
        }
    }

    @Test("a file is written whole with its mode")
    func write() async throws {
        try await withTemporaryDirectory { directory in
            let text = String(repeating: "line\n", count: 100_000)
            try FileSystem.writeFile(text, named: "file", in: directory.path, mode: 0o600)
            #expect(try directory.read("file") == text)
            #expect(try mode(directory.path("file")) == 0o600)
        }
    }

    @Test("a file takes the place of a link, which is not followed")
    func writeOverLink() async throws {
        try await withTemporaryDirectory { directory in
            try directory.write("kept", to: "target")
            try link(directory.path("to-file"), to: directory.path("target"))
            try link(directory.path("to-nothing"), to: directory.path("new"))
            for name in ["to-file", "to-nothing"] {
                try FileSystem.writeFile("text", named: name, in: directory.path, mode: 0o644)
                #expect(FileSystem.kind(of: directory.path(name)) == .file)
                #expect(try directory.read(name) == "text")
            }
            #expect(try directory.read("target") == "kept")
            #expect(FileSystem.kind(of: directory.path("new")) == nil)
        }
    }

    @Test("a file takes the place of a directory, of a link to one, and of an older file")
    func writeOverOthers() async throws {
        try await withTemporaryDirectory { directory in
            try directory.write("gone", to: "dir/sub/file")
            try directory.write("kept", to: "outside/file")
            try link(directory.path("link"), to: directory.path("outside"))
            try directory.write("a longer text than the new one", to: "old", mode: 0o777)
            for name in ["dir", "link", "old"] {
                try FileSystem.writeFile("text", named: name, in: directory.path, mode: 0o644)
                #expect(try directory.read(name) == "text")
                #expect(try mode(directory.path(name)) == 0o644)
            }
            #expect(try directory.read("outside/file") == "kept")
        }
    }

    @Test("a link's target is read, and nothing else has one")
    func target() async throws {
        try await withTemporaryDirectory { directory in
            try link(directory.path("link"), to: "releases/1-abc")
            #expect(FileSystem.target(ofLink: directory.path("link")) == "releases/1-abc")
            #expect(FileSystem.target(ofLink: directory.path) == nil)
            #expect(FileSystem.target(ofLink: directory.path("none")) == nil)
        }
    }
}

func link(_ path: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
}

func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
}

func set(_ path: String, mode: Int) throws {
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
}

/// Runs `body` as a user whom modes bind: root, who may do everything, becomes `nobody` for this one thread's look at files.
private func asNobody(owning path: String, _ body: @escaping @Sendable () throws -> Void) async throws {
    guard geteuid() == 0 else { return try body() }
    try await Shell.check(["chown", "-R", "65534:65534", path])
    // sys/fsuid.h is in no module map.
    let symbol = try #require(dlsym(nil, "setfsuid"))
    let function = unsafeBitCast(symbol, to: (@convention(c) (uid_t) -> Int32).self)
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        Thread.detachNewThread {
            _ = function(65534)
            defer { _ = function(0) }
            continuation.resume(with: Result { try body() })
        }
    }
}
