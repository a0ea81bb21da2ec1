import RealParts
import Testing

@Suite struct GitWebHostTests {
    @Test("a clone with password and certificate authority succeeds and is logged with its user")
    func clone() async throws {
        try await withServedOrigin { directory, commit, host in
            #expect(try await clone(host, in: directory, password: "s3cret").status == 0)
            #expect(try await Shell.check(["git", "-C", directory.path("clone"), "rev-parse", "HEAD"]).output == "\(commit)\n")
            let requests = try await host.requests()
            let path = "/scm/acme/shop.git/info/refs?service=git-upload-pack"
            #expect(requests.contains(.init(method: "GET", path: path, status: 200, user: "ci")))
            #expect(requests.contains(.init(method: "POST", path: "/scm/acme/shop.git/git-upload-pack", status: 200, user: "ci")))
        }
    }

    @Test("a clone with the wrong password is refused")
    func wrongPassword() async throws {
        try await withServedOrigin { directory, _, host in
            let result = try await clone(host, in: directory, password: "wrong")
            #expect(result.status == 128)
            #expect(result.error.contains("Authentication failed"))
            let requests = try await host.requests()
            #expect(!requests.isEmpty)
            #expect(requests.allSatisfy { $0.status == 401 && $0.user == nil })
        }
    }

    @Test("a clone without a password is refused")
    func noPassword() async throws {
        try await withServedOrigin { directory, _, host in
            let result = try await clone(host, in: directory, password: nil)
            #expect(result.status == 128)
            #expect(result.error.contains("could not read Username"))
        }
    }

    @Test("a clone that does not know the certificate authority is refused")
    func unknownAuthority() async throws {
        try await withServedOrigin { directory, _, host in
            let result = try await Shell.run(
                ["git", "clone", host.url(for: "acme/shop"), directory.path("clone")],
                environment: GitOrigin.environment
            )
            #expect(result.status == 128)
            #expect(result.error.contains("certificate"))
        }
    }

    @Test("a bearer token opens the host where one was given, another does not")
    func bearer() async throws {
        try await withServedOrigin(token: "t0ken") { directory, _, host in
            let refused = try await clone(host, in: directory, header: "Authorization: Bearer wrong")
            #expect(refused.status == 128)
            let cloned = try await clone(host, in: directory, header: "Authorization: Bearer t0ken")
            #expect(cloned.status == 0)
        }
    }

    @Test("a push is refused")
    func push() async throws {
        try await withServedOrigin { directory, _, host in
            try #require(try await clone(host, in: directory, password: "s3cret").status == 0)
            let command = ["git", "-c", "http.sslCAInfo=\(host.caFile)", "push", url(host, "s3cret"), "HEAD:refs/heads/other"]
            let result = try await Shell.run(command, in: directory.path("clone"), environment: GitOrigin.environment)
            #expect(result.status == 128)
        }
    }

    private func withServedOrigin(
        token: String? = nil,
        _ body: (TemporaryDirectory, String, GitWebHost) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let origin = try await GitOrigin(bare: directory.path("repositories/acme/shop.git"), work: directory.path("work"))
            let commit = try await origin.commit(files: ["a": "1"])
            let repositories = directory.path("repositories")
            try await withGitWebHost(repositories: repositories, user: "ci", password: "s3cret", token: token) { host in
                try await body(directory, commit, host)
            }
        }
    }

    private func url(_ host: GitWebHost, _ password: String) -> String {
        host.url(for: "acme/shop").replacing("https://", with: "https://ci:\(password)@")
    }

    private func clone(
        _ host: GitWebHost,
        in directory: TemporaryDirectory,
        password: String? = nil,
        header: String? = nil
    ) async throws -> ShellResult {
        let options = ["-c", "http.sslCAInfo=\(host.caFile)"] + (header.map { ["-c", "http.extraHeader=\($0)"] } ?? [])
        let source = password.map { url(host, $0) } ?? host.url(for: "acme/shop")
        return try await Shell.run(["git"] + options + ["clone", source, directory.path("clone")], environment: GitOrigin.environment)
    }
}
