import Foundation

/// A repository as a forge holds it: a bare one that is served, and a working clone from which a test pushes to it.
/// Author and dates are fixed and no configuration of the user's is read, so the same story gives the same hashes.
/// Verbs are to be awaited one after another; the clone is one directory.
package struct GitOrigin: Sendable {
    /// The bare repository.
    package let bare: String
    /// The working clone.
    package let work: String

    /// Environment for every git command here.
    package static let environment = [
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada Author",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
        "GIT_COMMITTER_NAME": "Ada Author",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    ]

    /// Makes an empty bare repository at `bare`, as `DIR/acme/shop.git`, and its clone at `work`; both must not exist yet.
    package init(bare: String, work: String) async throws {
        self.bare = bare
        self.work = work
        try await Shell.check(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare], environment: Self.environment)
        // Housekeeping in the background would outlive the test's directory.
        for setting in ["gc.auto", "receive.autogc"] {
            try await Shell.check(["git", "-C", bare, "config", setting, "0"], environment: Self.environment)
        }
        try await Shell.check(["git", "init", "--quiet", "--initial-branch=main", work], environment: Self.environment)
        try await git("config", "gc.auto", "0")
        try await git("remote", "add", "origin", bare)
    }

    /// Runs git in the working clone and gives what it printed, without the newline at the end.
    @discardableResult
    package func git(_ arguments: String...) async throws -> String {
        try await git(arguments)
    }

    /// Commits files on a branch and pushes it. A missing branch starts at `main`, or from nothing where that is missing too.
    /// A file whose text begins with `#!` is executable. Gives the full hash.
    @discardableResult
    package func commit(
        files: [String: String],
        links: [String: String] = [:],
        removing: [String] = [],
        on branch: String = "main",
        message: String = "Change"
    ) async throws -> String {
        try await checkOut(branch)
        try await stage(files: files, links: links, removing: removing)
        try await git("commit", "--quiet", "--allow-empty", "--message", message)
        return try await push(branch)
    }

    /// Replaces the newest commit of a branch by another one with the same parent, by force. Gives the full hash.
    @discardableResult
    package func forcePush(_ branch: String, files: [String: String] = [:], message: String = "Rewritten") async throws -> String {
        try await checkOut(branch)
        try await stage(files: files, links: [:], removing: [])
        try await git("commit", "--quiet", "--allow-empty", "--amend", "--message", message)
        return try await push(branch, "--force")
    }

    /// Moves a branch to a commit the clone knows, by force.
    package func forcePush(_ branch: String, to commit: String) async throws {
        try await checkOut(branch)
        try await git("reset", "--quiet", "--hard", commit)
        try await push(branch, "--force")
    }

    /// Deletes a branch, here and in the bare repository.
    package func deleteBranch(_ branch: String) async throws {
        try await git("checkout", "--quiet", "--detach")
        try await git("branch", "--quiet", "-D", branch)
        try await git("push", "--quiet", "origin", "--delete", "refs/heads/\(branch)")
    }

    /// Makes a tag, or moves it, and pushes it. Gives the hash the tag ref holds: of an annotated tag the tag object's.
    @discardableResult
    package func tag(_ name: String, annotated: Bool = false, at commit: String = "HEAD") async throws -> String {
        let kind = annotated ? ["--annotate", "--message", "Tag \(name)"] : []
        try await git(["tag", "--force"] + kind + [name, commit])
        try await git("push", "--quiet", "--force", "origin", "refs/tags/\(name)")
        return try await git("rev-parse", "refs/tags/\(name)")
    }

    /// Deletes a tag, here and in the bare repository.
    package func deleteTag(_ name: String) async throws {
        try await git("tag", "--delete", name)
        try await git("push", "--quiet", "origin", "--delete", "refs/tags/\(name)")
    }

    /// The hash the bare repository has for a ref, as `main` or `refs/tags/v1`; nil where it has none.
    package func head(of name: String) async throws -> String? {
        let ref = name.hasPrefix("refs/") ? name : "refs/heads/\(name)"
        let command = ["git", "-C", bare, "rev-parse", "--quiet", "--verify", ref]
        let result = try await Shell.run(command, environment: Self.environment)
        return result.status == 0 ? result.output.trimmingCharacters(in: .newlines) : nil
    }

    @discardableResult
    private func git(_ arguments: [String]) async throws -> String {
        try await Shell.check(["git"] + arguments, in: work, environment: Self.environment).output.trimmingCharacters(in: .newlines)
    }

    private func knows(_ branch: String) async throws -> Bool {
        let command = ["git", "show-ref", "--verify", "--quiet", "refs/heads/\(branch)"]
        return try await Shell.run(command, in: work, environment: Self.environment).status == 0
    }

    private func checkOut(_ branch: String) async throws {
        if try await knows(branch) {
            try await git("checkout", "--quiet", branch, "--")
        } else if try await knows("main") {
            try await git("checkout", "--quiet", "-b", branch, "main")
        } else {
            try await git("symbolic-ref", "HEAD", "refs/heads/\(branch)")
        }
    }

    private func stage(files: [String: String], links: [String: String], removing: [String]) async throws {
        for (name, text) in files {
            try place(name) { path in
                try Data(text.utf8).write(to: URL(filePath: path))
                let mode = text.hasPrefix("#!") ? 0o755 : 0o644
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            }
        }
        for (name, target) in links {
            try place(name) { try FileManager.default.createSymbolicLink(atPath: $0, withDestinationPath: target) }
        }
        for name in removing { try FileManager.default.removeItem(atPath: "\(work)/\(name)") }
        try await git("add", "--all", "--force")
    }

    /// Makes room for a file of the clone, then has it made.
    private func place(_ name: String, _ make: (String) throws -> Void) throws {
        let path = "\(work)/\(name)"
        let parent = URL(filePath: path).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try? FileManager.default.removeItem(atPath: path)  // mostly there is none
        try make(path)
    }

    @discardableResult
    private func push(_ branch: String, _ options: String...) async throws -> String {
        try await git(["push", "--quiet"] + options + ["origin", "refs/heads/\(branch)"])
        return try await git("rev-parse", "refs/heads/\(branch)")
    }
}
