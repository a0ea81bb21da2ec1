import RealParts
import Testing

@Suite struct GitSSHHostTests {
    @Test("a clone with the deploy key succeeds and is logged")
    func clone() async throws {
        try await withServedOrigin { directory, commit, host in
            let result = try await git(["clone", host.url(for: "acme/shop"), directory.path("clone")], host)
            #expect(result.status == 0, "\(result)")
            #expect(try await Shell.check(["git", "-C", directory.path("clone"), "rev-parse", "HEAD"]).output == "\(commit)\n")
            #expect(try host.commands() == ["git-upload-pack '/acme/shop.git'"])
        }
    }

    @Test("a clone with another key is refused")
    func wrongKey() async throws {
        try await withServedOrigin { directory, _, host in
            try await Shell.check(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory.path("other")])
            let result = try await git(["ls-remote", host.url(for: "acme/shop")], host, key: directory.path("other"))
            #expect(result.status == 128)
            #expect(result.error.contains("Permission denied"))
        }
    }

    @Test("a host that known_hosts does not know is refused")
    func unknownHost() async throws {
        try await withServedOrigin { _, _, host in
            let result = try await git(["ls-remote", host.url(for: "acme/shop")], host, knownHosts: "/dev/null")
            #expect(result.status == 128)
            #expect(result.error.contains("Host key verification failed"))
        }
    }

    @Test("a deploy key may neither push, nor leave the directory, nor run a command")
    func restricted() async throws {
        try await withServedOrigin { directory, _, host in
            let push = ["-C", directory.path("work"), "push", host.url(for: "acme/shop"), "main:other"]
            let pushed = try await git(push, host)
            #expect(pushed.error.contains("may only read"))
            let outside = "ssh://\(host.user)@127.0.0.1:\(host.port)/acme/../../repositories/acme/shop.git"
            let left = try await git(["ls-remote", outside], host)
            #expect(left.error.contains("no such repository"))
            let command = ["ssh"] + options(host.privateKey, host.knownHosts) + ["-p", "\(host.port)", "\(host.user)@127.0.0.1", "id"]
            let ran = try await Shell.run(command)
            #expect(ran.error.contains("may only read"))
        }
    }

    private func withServedOrigin(_ body: (TemporaryDirectory, String, GitSSHHost) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let origin = try await GitOrigin(bare: directory.path("repositories/acme/shop.git"), work: directory.path("work"))
            let commit = try await origin.commit(files: ["a": "1"])
            try await withGitSSHHost(repositories: directory.path("repositories")) { try await body(directory, commit, $0) }
        }
    }

    private func options(_ key: String, _ knownHosts: String) -> [String] {
        ["-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=\(knownHosts)"]
            + ["-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes"]
    }

    private func git(_ arguments: [String], _ host: GitSSHHost, key: String? = nil, knownHosts: String? = nil) async throws -> ShellResult {
        let ssh = ["ssh"] + options(key ?? host.privateKey, knownHosts ?? host.knownHosts)
        let variables = ["GIT_SSH_COMMAND": ssh.joined(separator: " ")]
        return try await Shell.run(["git"] + arguments, environment: GitOrigin.environment.merging(variables) { $1 })
    }
}
