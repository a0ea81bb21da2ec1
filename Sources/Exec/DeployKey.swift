import Domain
import Glibc

/// An ssh key of the daemon's own, of which the forge is given the public half.
package struct DeployKey: Sendable {
    /// Of the private half.
    package let path: String
    /// A line as it is pasted at the forge.
    package let publicHalf: String
    /// Whether it was made just now.
    package let isNew: Bool

    /// Makes it, without a passphrase and readable for its owner alone; where there is a file already, that is the key.
    ///
    /// - Parameter comment: by what people know it at the forge.
    /// - Throws: ``ExecError`` with ssh-keygen's own words.
    package init(at path: String, comment: String) async throws {
        self.path = path
        isNew = FileSystem.isMissing(path)
        if isNew {
            _ = try await Self.run(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])
            // It can be had from the private half at any time; beside it, it would be one credential more.
            unlink(path + ".pub")
        }
        let line = try await Self.run(["-y", "-f", path])
        publicHalf = line.hasSuffix(comment) ? line : "\(line) \(comment)"
    }

    private static func run(_ arguments: [String]) async throws -> String {
        let command = Command(
            "/usr/bin/ssh-keygen", arguments, environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"])
        let run = try await GitRun.run(command, log: nil)
        let text = SafeText.shown(String(run.text.drop { $0.isWhitespace }.prefix { !$0.isNewline }), limit: 16 << 10)
        guard run.outcome == .succeeded else { throw ExecError(.file, "ssh-keygen failed: \(text)") }
        return text
    }
}
