import Foundation

/// A directory of its own under /tmp, with mode 0700.
package struct TemporaryDirectory: Sendable {
    /// The absolute path, without a slash at the end.
    package let path: String

    init() throws {
        var template = Array("/tmp/bittern-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemFailure("mkdtemp") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The absolute path of `name` in this directory; nothing is made.
    package func path(_ name: String) -> String { "\(path)/\(name)" }

    /// Makes the directory `name` and those above it, and gives its absolute path.
    @discardableResult
    package func makeDirectory(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
        return path(name)
    }

    /// Writes a file (and the directories above it) with this mode, and gives its absolute path.
    @discardableResult
    package func write(_ text: String, to name: String, mode: Int = 0o644) throws -> String {
        let file = path(name)
        let parent = URL(filePath: file).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: file), options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
        return file
    }

    /// The text of a file in this directory.
    package func read(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path(name))), as: UTF8.self)
    }

    /// Removes the directory with all that is in it, also where something in it was made read-only.
    func remove() async throws {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            try await Shell.check(["chmod", "-R", "u+rwX", path])
            try await Shell.check(["rm", "-rf", "--", path])
        }
    }
}

/// Makes a directory for `body` and removes it at the end.
package func withTemporaryDirectory<Value>(_ body: (TemporaryDirectory) async throws -> Value) async throws -> Value {
    let directory = try TemporaryDirectory()
    return try await withCleanup {
        try await body(directory)
    } cleanup: {
        try await directory.remove()
    }
}
