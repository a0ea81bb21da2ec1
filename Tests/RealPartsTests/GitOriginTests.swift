import RealParts
import Testing

@Suite struct GitOriginTests {
    @Test("a commit is pushed, and the same story gives the same hashes")
    func commits() async throws {
        try await withTemporaryDirectory { directory in
            var hashes: [String] = []
            for name in ["one", "two"] {
                let origin = try await GitOrigin(bare: directory.path("\(name).git"), work: directory.path(name))
                let first = try await origin.commit(files: ["run": "#!/bin/sh\n", "a/b": "text"], links: ["l": "a/b"])
                let second = try await origin.commit(files: ["a/b": "more"], removing: ["run"], on: "release/1", message: "More")
                #expect(try await origin.head(of: "main") == first)
                #expect(try await origin.head(of: "release/1") == second)
                #expect(try await origin.git("rev-parse", "\(second)^") == first)
                hashes += [first, second]
            }
            #expect(hashes[0] == hashes[2])
            #expect(hashes[1] == hashes[3])
            #expect(hashes.allSatisfy { $0.count == 40 })
        }
    }

    @Test("a script is executable and a link is a link")
    func modes() async throws {
        try await withOrigin { origin in
            try await origin.commit(files: ["run": "#!/bin/sh\n", "text": "x"], links: ["l": "/etc/passwd"])
            let modes = try await origin.git("ls-tree", "--format=%(objectmode) %(path)", "HEAD")
            #expect(modes == "120000 l\n100755 run\n100644 text")
        }
    }

    @Test("a branch can be rewritten, moved back and deleted")
    func branches() async throws {
        try await withOrigin { origin in
            let first = try await origin.commit(files: ["a": "1"])
            let second = try await origin.commit(files: ["a": "2"])
            let rewritten = try await origin.forcePush("main", files: ["a": "3"])
            #expect(rewritten != second)
            #expect(try await origin.git("rev-parse", "\(rewritten)^") == first)
            try await origin.forcePush("main", to: first)
            #expect(try await origin.head(of: "main") == first)
            try await origin.commit(files: ["b": "1"], on: "topic")
            try await origin.deleteBranch("topic")
            #expect(try await origin.head(of: "topic") == nil)
        }
    }

    @Test("a tag holds the commit, an annotated one an object of its own")
    func tags() async throws {
        try await withOrigin { origin in
            let commit = try await origin.commit(files: ["a": "1"])
            #expect(try await origin.tag("v1", at: commit) == commit)
            let object = try await origin.tag("v2", annotated: true)
            #expect(object != commit)
            #expect(try await origin.git("rev-parse", "v2^{commit}") == commit)
            #expect(try await origin.head(of: "refs/tags/v2") == object)
            try await origin.deleteTag("v1")
            #expect(try await origin.head(of: "refs/tags/v1") == nil)
        }
    }

    private func withOrigin(_ body: (GitOrigin) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            try await body(GitOrigin(bare: directory.path("origin.git"), work: directory.path("work")))
        }
    }
}
