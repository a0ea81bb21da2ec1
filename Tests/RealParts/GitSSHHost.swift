import Foundation

/// A forge's ssh side: sshd with one deploy key that may read the bare repositories below one directory.
package final class GitSSHHost: Sendable {
    /// The port on 127.0.0.1.
    package let port: Int
    /// The login name: whoever runs the tests.
    package let user: String
    /// The deploy key's private half, mode 0600.
    package let privateKey: String
    /// A known_hosts file that knows this server.
    package let knownHosts: String

    private let commandLog: String
    private let process: RunningProcess

    fileprivate init(setup: GitSSHSetup) async throws {
        port = setup.port
        user = NSUserName()
        privateKey = setup.deployKey
        knownHosts = setup.knownHosts
        commandLog = setup.commandLog
        // sshd starts itself anew for each connection and therefore wants its whole path.
        process = try await RunningProcess.start(
            ["/usr/sbin/sshd", "-D", "-e", "-f", setup.configurationFile],
            output: setup.log,
            error: setup.log
        )
        try await ListeningPort(port).wait(for: process, log: setup.log)
    }

    /// The address of a repository, as `acme/shop` or `acme/shop.git`.
    package func url(for repository: String) -> String {
        "ssh://\(user)@127.0.0.1:\(port)/\(repository.hasSuffix(".git") ? repository : repository + ".git")"
    }

    /// The commands that were asked for so far, as `git-upload-pack '/acme/shop.git'`, also refused ones.
    package func commands() throws -> [String] {
        guard FileManager.default.fileExists(atPath: commandLog) else { return [] }
        return try String(contentsOfFile: commandLog, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    fileprivate func end() async throws {
        try await process.end()
    }
}

/// Serves the bare repositories below `repositories` at `ssh://USER@127.0.0.1:PORT/` for `body`.
package func withGitSSHHost<Value>(repositories: String, _ body: (GitSSHHost) async throws -> Value) async throws -> Value {
    try await withTemporaryDirectory { directory in
        let setup = GitSSHSetup(directory: directory, port: try FreePort.next(), repositories: repositories)
        try await setup.write()
        let host = try await GitSSHHost(setup: setup)
        return try await withCleanup {
            try await body(host)
        } cleanup: {
            try await host.end()
        }
    }
}
