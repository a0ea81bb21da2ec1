import Foundation
import RealParts
import Testing

@Suite struct TemporaryDirectoryTests {
    @Test("a directory is there for its scope and gone after it")
    func scope() async throws {
        let path = try await withTemporaryDirectory { directory in
            try directory.write("text", to: "a/b", mode: 0o600)
            #expect(try directory.read("a/b") == "text")
            return directory.path
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("a directory is gone after an error and after cancellation too")
    func errors() async throws {
        struct Expected: Error { let path: String }
        let error = await #expect(throws: Expected.self) {
            try await withTemporaryDirectory { throw Expected(path: $0.path) }
        }
        #expect(!FileManager.default.fileExists(atPath: try #require(error).path))
        let task = Task {
            try await withTemporaryDirectory { directory in
                withUnsafeCurrentTask { $0?.cancel() }
                return directory.path
            }
        }
        #expect(!FileManager.default.fileExists(atPath: try await task.value))
    }

    @Test("a directory with read-only directories in it can be removed")
    func readOnly() async throws {
        let path = try await withTemporaryDirectory { directory in
            try directory.write("text", to: "release/file")
            try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: directory.path("release"))
            return directory.path
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
