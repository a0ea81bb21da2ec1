import Foundation

/// A forge's https side: lighttpd with TLS and a password in front of `git http-backend`.
/// Bare repositories below one directory are served, for reading.
package final class GitWebHost: Sendable {
    /// One request, as the access log has it.
    package struct Request: Sendable, Equatable {
        /// As `GET`.
        package let method: String
        /// As `/scm/acme/shop.git/info/refs?service=git-upload-pack`.
        package let path: String
        /// The status of the answer.
        package let status: Int
        /// Who asked with the right password; nil for others, and for a bearer token.
        package let user: String?

        package init(method: String, path: String, status: Int, user: String?) {
            self.method = method
            self.path = path
            self.status = status
            self.user = user
        }
    }

    /// The port on 127.0.0.1.
    package let port: Int
    /// The certificate authority that signed the server's certificate.
    package var caFile: String { certificates.authority }
    /// The access log; ``requests()`` reads it.
    package let accessLog: String

    private let prefix: String
    private let certificates: Certificates
    private let process: RunningProcess

    fileprivate init(setup: GitWebSetup, certificates: Certificates) async throws {
        self.certificates = certificates
        port = setup.port
        prefix = setup.prefix
        accessLog = setup.accessLog
        process = try await RunningProcess.start(
            ["lighttpd", "-D", "-f", setup.configurationFile],
            output: setup.errorLog,
            error: setup.errorLog
        )
        try await ListeningPort(port).wait(for: process, log: setup.errorLog)
    }

    /// The address of the host, without a slash at the end, as a Data Center account's `url` has it.
    package var address: String { "https://127.0.0.1:\(port)" }

    /// The address of a repository, as `acme/shop` or `acme/shop.git`, without a password in it.
    package func url(for repository: String) -> String {
        "\(address)\(prefix)\(repository.hasSuffix(".git") ? repository : repository + ".git")"
    }

    /// All requests answered so far, oldest first.
    package func requests() async throws -> [Request] {
        // The server writes a line when it has answered, which may be after its client went on. It does one thing after
        // the other, so when a mark of ours stands in the log, all before it does.
        let mark = "/mark/\(UUID().uuidString)"
        try await Shell.check(["curl", "--silent", "--output", "/dev/null", "--cacert", caFile, address + mark])
        let log = try await eventualValue("a line in the access log") {
            let log = try String(contentsOfFile: accessLog, encoding: .utf8)
            return log.contains("\(mark) ") ? log : nil
        }
        return log.split(separator: "\n").filter { !$0.contains(" /mark/") }.compactMap(Self.request(line:))
    }

    /// One line of the format that ``GitWebSetup`` asks for: status, user, method, path, protocol.
    /// `PRI *` is not a request but how a client opens HTTP/2.
    private static func request(line: Substring) -> Request? {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 5, let status = Int(words[0]), words[2] != "PRI" else { return nil }
        return Request(method: words[2], path: words[3], status: status, user: words[1] == "-" ? nil : words[1])
    }

    fileprivate func end() async throws {
        try await process.end()
    }
}

/// Serves the bare repositories below `repositories` at `https://127.0.0.1:PORT/PREFIX/` for `body`.
/// Basic authentication with `user` and `password` is asked for; where a `token` is given, `Authorization: Bearer TOKEN` will do too.
package func withGitWebHost<Value>(
    repositories: String,
    user: String,
    password: String,
    token: String? = nil,
    prefix: String = "/scm/",
    _ body: (GitWebHost) async throws -> Value
) async throws -> Value {
    try await withTemporaryDirectory { directory in
        let certificates = try await Certificates(in: directory.path("tls"))
        let setup = GitWebSetup(directory: directory, port: try FreePort.next(), prefix: prefix)
        try directory.write("\(user):\(password)\n", to: "users", mode: 0o600)
        try directory.makeDirectory("www")
        let text = try await setup.configuration(repositories: repositories, certificates: certificates, token: token)
        try directory.write(text, to: "lighttpd.conf")
        let host = try await GitWebHost(setup: setup, certificates: certificates)
        return try await withCleanup {
            try await body(host)
        } cleanup: {
            try await host.end()
        }
    }
}
