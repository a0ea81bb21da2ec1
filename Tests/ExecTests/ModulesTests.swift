import Domain
import Foundation
import RealParts
import Testing

@testable import Exec

@Suite struct ModulesTests {
    private static let password = "s3cret-password"

    /// A second repository beside the first, with one commit of one file.
    private func module(_ site: Site, _ name: String, _ text: String) async throws -> (origin: GitOrigin, commit: String) {
        let origin = try await GitOrigin(
            bare: site.directory.path("repositories/acme/\(name).git"), work: site.directory.path("work-\(name)"))
        return (origin, try await origin.commit(files: ["inside": text]))
    }

    /// Commits a submodule without ever asking its address.
    private func add(_ path: String, _ url: String, at commit: String, to origin: GitOrigin) async throws -> String {
        let text = "[submodule \"\(path)\"]\n\tpath = \(path)\n\turl = \(url)\n"
        let modules = (try? String(contentsOfFile: origin.work + "/.gitmodules", encoding: .utf8)) ?? ""  // the first one
        try Data((modules + text).utf8).write(to: URL(filePath: origin.work + "/.gitmodules"))
        try await origin.git("add", ".gitmodules")
        try await origin.git("update-index", "--add", "--cacheinfo", "160000,\(commit),\(path)")
        try await origin.git("commit", "--quiet", "--message", "Add \(path)")
        try await origin.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
        return try await origin.git("rev-parse", "HEAD")
    }

    @Test("submodules come at exactly their commits, also by relative address, also within each other")
    func nested() async throws {
        try await withSite { site, origin, _ in
            site.app.releases.hasSubmodules = true
            let inner = try await module(site, "inner", "1")
            let outer = try await module(site, "outer", "2")
            let withInner = try await add("vendor/inner", "../inner.git", at: inner.commit, to: outer.origin)
            // What their branches hold by now is of no interest.
            _ = try await inner.origin.commit(files: ["inside": "newer"])
            let commit = try await add("lib/outer", "../outer.git", at: withInner, to: origin)
            let job = try site.job(commit)
            #expect(try await site.run(["fetch", "checkout"], of: job) == .succeeded)
            #expect(try site.file("lib/outer/inside", of: job) == "2")
            #expect(try site.file("lib/outer/vendor/inner/inside", of: job) == "1")
            #expect(FileSystem.kind(of: site.release(of: job) + "/lib/outer/.git") == nil)
        }
    }

    @Test("a symbolic link of a submodule may lead out of the release as little as one of its own")
    func links() async throws {
        try await withSite { site, origin, _ in
            site.app.releases.hasSubmodules = true
            let inner = try await module(site, "inner", "1")
            let linked = try await inner.origin.commit(files: [:], links: ["out": "/etc/passwd", "fine": "inside"])
            let job = try site.job(try await add("lib/inner", "../inner.git", at: linked, to: origin))
            guard case .failed(let reason) = try await site.run(["fetch", "checkout"], of: job) else {
                Issue.record("it was taken")
                return
            }
            #expect(reason.contains("the symbolic link lib/inner/out leaves the release"), "\(reason)")
        }
    }

    @Test("without submodules: true their places stay empty")
    func off() async throws {
        try await withSite { site, origin, _ in
            let inner = try await module(site, "inner", "1")
            let job = try site.job(try await add("inner", "../inner.git", at: inner.commit, to: origin))
            #expect(try await site.run(["fetch", "checkout"], of: job) == .succeeded)
            #expect(FileSystem.names(in: site.release(of: job) + "/inner").isEmpty)
        }
    }

    @Test(
        "only https and ssh are spoken",
        arguments: ["file:///etc", "/etc", "http://127.0.0.1/x.git", "git://127.0.0.1/x", "ext::sh -c x", "-x"])
    func transports(url: String) async throws {
        try await withSite { site, origin, commit in
            site.app.releases.hasSubmodules = true
            let job = try site.job(try await add("inner", url, at: commit, to: origin))
            guard case .failed(let reason) = try await site.run("fetch", of: job) else {
                Issue.record("\(url) was taken")
                return
            }
            #expect(
                ["is neither https nor ssh", "has no address", "disallowed submodule url"].contains { reason.contains($0) }, "\(reason)")
        }
    }

    @Test("the account's own server is shown the credential, another one is not")
    func hosts() async throws {
        try await withSite { site, origin, _ in
            var site = site
            let inner = try await module(site, "inner", "1")
            let repositories = site.directory.path("repositories")
            try await withGitWebHost(repositories: repositories, user: "ci", password: Self.password) { host in
                try await withGitWebHost(repositories: repositories, user: "ci", password: Self.password) { foreign in
                    site.app.cloneURL = host.url(for: "acme/shop")
                    site.account = Site.account(
                        url: host.address, ca: host.caFile, rest: .appPassword(Secret(Self.password), username: "ci"))
                    site.app.releases.hasSubmodules = true
                    let own = try site.job(1, try await add("own", "../inner.git", at: inner.commit, to: origin))
                    #expect(try await site.run(["fetch", "checkout"], of: own) == .succeeded)
                    #expect(try site.file("own/inside", of: own) == "1")
                    let other = try site.job(2, try await add("foreign", foreign.url(for: "acme/other"), at: inner.commit, to: origin))
                    guard case .failed(let reason) = try await site.run("fetch", of: other) else {
                        Issue.record("the foreign submodule was fetched")
                        return
                    }
                    #expect(reason.contains("submodule foreign"), "\(reason)")
                    #expect(try await foreign.requests().allSatisfy { $0.user == nil })
                }
            }
        }
    }

    @Test("an address is taken from where it stands, and never above its host")
    func addresses() throws {
        let base = "https://git.example.com/scm/acme/shop.git"
        for (written, address) in [
            ("../lib.git", "https://git.example.com/scm/acme/lib.git"), ("./lib.git", base + "/lib.git"),
            ("../../../../../x", "https://git.example.com/x"),
            ("git@host.example.com:acme/lib.git", "ssh://git@host.example.com/acme/lib.git"),
            ("ssh://git@h/x", "ssh://git@h/x"), ("https://h/x", "https://h/x"),
        ] {
            #expect(try GitModules.address(written, seenFrom: base, of: "lib") == address)
        }
        #expect(throws: ExecError.self) { try GitModules.address("ssh://-oProxyCommand=x/y", seenFrom: base, of: "lib") }
    }

    @Test(
        "large files come in the place of their pointers",
        .enabled(if: FileSystem.kind(of: "/usr/bin/git-lfs") != nil, "apt-get install git-lfs"))
    func largeFiles() async throws {
        try await withSite { site, origin, _ in
            try await origin.git("lfs", "install", "--local")
            let commit = try await origin.commit(files: [
                ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": "large content",
            ])
            let pointer = try site.job(1, commit)
            #expect(try await site.run(["fetch", "checkout"], of: pointer) == .succeeded)
            #expect(try site.file("big.bin", of: pointer).hasPrefix("version https://git-lfs.github.com/spec/v1"))
            site.app.releases.hasLargeFiles = true
            let job = try site.job(2, commit)
            let outcome = try await site.run(["fetch", "checkout"], of: job)
            let log = try site.log("checkout", of: job)
            #expect(outcome == .succeeded, "\(log)")
            #expect(try site.file("big.bin", of: job) == "large content")
        }
    }

    @Test(
        "a release with submodules and large files is made of a mirror that nobody can write to",
        .enabled(if: geteuid() == 0 && FileSystem.kind(of: "/usr/bin/git-lfs") != nil, "apt-get install git-lfs; and only root may mount"))
    func readOnlyMirror() async throws {
        try await withSite { site, origin, _ in
            site.app.releases.hasSubmodules = true
            site.app.releases.hasLargeFiles = true
            let inner = try await module(site, "inner", "1")
            try await origin.git("lfs", "install", "--local")
            _ = try await origin.commit(files: [
                ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": "large content",
            ])
            let job = try site.job(try await add("lib/inner", "../inner.git", at: inner.commit, to: origin))
            #expect(try await site.run("fetch", of: job).isThere)
            let mirrors = site.state.path + "/mirrors"
            try await Shell.check(["mount", "--bind", mirrors, mirrors])
            try await withCleanup {
                try await Shell.check(["mount", "-o", "remount,ro,bind", mirrors])
                let outcome = try await site.run("checkout", of: job)
                let log = try site.log("checkout", of: job)
                #expect(outcome == .succeeded, "\(log)")
                #expect(try site.file("big.bin", of: job) == "large content")
                #expect(try site.file("lib/inner/inside", of: job) == "1")
            } cleanup: {
                try await Shell.check(["umount", mirrors])
            }
        }
    }

    @Test("a store of large files elsewhere is asked over https only, and without the account's credential")
    func foreignStore() async throws {
        try await withSite { site, origin, _ in
            site.app.releases.hasLargeFiles = true
            site.account = Site.account(url: "https://git.example.com", rest: .appPassword(Secret(Self.password), username: "ci"))
            try await origin.git("lfs", "install", "--local")
            let certificates = try await Certificates(in: site.directory.path("tls"))
            let port = try FreePort.next()
            let heard = site.directory.path("heard")
            let server = try await RunningProcess.start(
                ["python3", "-c", Self.listener, "\(port)", certificates.certificate, certificates.key, heard], output: heard + ".out",
                error: heard + ".out")
            try await withCleanup {
                try await ListeningPort(port).wait(for: server, log: heard + ".out")
                let files = [
                    ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": "large content",
                    ".lfsconfig": "[lfs]\n\turl = https://127.0.0.1:\(port)/store\n",
                ]
                // The objects go nowhere: what is asked for is what counts.
                try await origin.git("config", "core.hooksPath", "/dev/null")
                let commit = try await origin.commit(files: files)
                let job = try site.job(1, commit)
                let outcome = try await site.run("fetch", of: job, environment: ["SSL_CERT_FILE": certificates.authority])
                guard case .failed(let reason) = outcome else { return #expect(outcome == .failed(reason: "")) }
                #expect(reason.hasPrefix("the large files could not be brought"), "\(reason)")
                let text = try String(contentsOfFile: heard, encoding: .utf8)
                #expect(text.contains("/store/objects/batch"))
                #expect(!text.lowercased().contains("authorization"), "\(text)")
                let plain = try await origin.commit(files: [".lfsconfig": "[lfs]\n\turl = http://127.0.0.1:\(port)/store\n"])
                guard case .failed(let why) = try await site.run("fetch", of: site.job(2, plain)) else {
                    Issue.record("plain http was taken")
                    return
                }
                #expect(why.contains("is neither https nor ssh"), "\(why)")
            } cleanup: {
                try await server.end()
            }
        }
    }

    /// Writes the head of every request to a file and refuses it.
    private static let listener = """
        import http.server, ssl, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                with open(sys.argv[4], "a") as file: file.write(self.requestline + "\\n" + str(self.headers) + "\\n")
                self.send_response(404); self.send_header("Content-Length", "0"); self.end_headers()
            do_GET = do_POST
        server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()
        """
}
