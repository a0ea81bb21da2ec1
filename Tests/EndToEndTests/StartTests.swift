import Foundation
import Glibc
import RealParts
import Testing

@Suite(.fewAtOnce) struct StartTests {
    @Test("a second daemon on the same state directory is refused with one sentence, and the first is not disturbed")
    func secondDaemon() async throws {
        try await withDoor { daemon in
            let port = try FreePort.next()
            try daemon.setup.write(
                configuration: "hooks: {listen: \"127.0.0.1:\(port)\"}\ncontrol: {socket: @DIR@/second.sock}\n" + accounts
            )
            let result = try await serve(daemon)
            #expect(result.status == 1)
            let sentence = try sentence(of: result)
            #expect(sentence.contains(daemon.setup.stateDirectory), "\(sentence)")
            #expect(sentence.contains("(process \(try #require(daemon.processID)))"), "\(sentence)")
            #expect(try await daemon.run("status").status == 0)
            #expect(try await daemon.send(BitternDaemon.goodPush(), to: "/hooks/acme").status == 202)
        }
    }

    @Test("a port that is taken is refused with one sentence")
    func portTaken() async throws {
        try await withDoor { daemon in
            try daemon.setup.write(configuration: "control: {socket: @DIR@/second.sock}\nstate_directory: @DIR@/second\n" + accounts)
            let result = try await serve(daemon)
            #expect(result.status == 1)
            #expect(try sentence(of: result).contains("127.0.0.1:\(daemon.setup.port)"), "\(result)")
        }
    }

    @Test("a control socket on which a daemon answers is not taken from it")
    func socketTaken() async throws {
        try await withDoor { daemon in
            let port = try FreePort.next()
            try daemon.setup.write(configuration: "hooks: {listen: \"127.0.0.1:\(port)\"}\nstate_directory: @DIR@/second\n" + accounts)
            let result = try await serve(daemon)
            #expect(result.status == 1)
            #expect(try sentence(of: result).contains(daemon.setup.controlSocket), "\(result)")
            #expect(try await daemon.run("status").status == 0)
        }
    }

    @Test("what a killed daemon was about to start, and has its lock and its sockets for a moment, is waited for")
    func heirs() async throws {
        try await withDoor { daemon in
            try await daemon.kill9()
            // As a child has it between fork(2) and execve(2).
            let lock = open(daemon.setup.stateDirectory + "/lock", O_RDWR | O_CLOEXEC)
            defer { close(lock) }
            #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
            var socket: HeldSocket? = try HeldSocket(.unix(path: daemon.setup.controlSocket))
            let ready = daemon.notify.messages.count
            try await daemon.launch()
            try await socket?.hangUpOnOne()
            socket = nil
            try await daemon.notify.wait(for: "READY=1", skipping: ready)
            #expect(try await daemon.run("status").status == 0)
        }
    }

    @Test("a broken configuration is refused with 2 and every problem, each with its place, by serve and by check")
    func brokenConfiguration() async throws {
        try await withTemporaryDirectory { directory in
            let main = try directory.write(
                """
                hooks:
                  listen: nonsense
                  body_limt: 2M
                workers: many
                state_directory: state
                state_directory: other
                accounts:
                  acme: {kind: bitbucket-cloud, hook_secret: plain-text-secret}

                """,
                to: "bittern.yaml"
            )
            let app = try directory.write(
                "account: nobody\nrepository: acme/shop\nroot: /\nbranch: main\ntimeout: 5\n", to: "apps.d/shop.yaml")
            let stray = try directory.write("app: x\n", to: "apps.d/stray.yml")
            for command in ["serve", "check"] {
                let arguments = command == "serve" ? ["serve", "--config", main] : ["check", main]
                let result = try await Shell.run([try BitternBinary.path()] + arguments)
                #expect(result.status == 2)
                for place in [
                    "\(main):2:11: error:", "\(main):3:3: error:", "\(main):4:10: error:", "\(main):6:1: error:", "\(main):8:46: error:",
                ] {
                    #expect(result.error.contains(place), "\(place)\n\(result)")
                }
                for place in ["\(app):1:10: error:", "\(app):3:7: error:", "\(app):5:10: error:", "\(stray):1:1: error:"] {
                    #expect(result.error.contains(place), "\(place)\n\(result)")
                }
                #expect(result.error.contains("body_limit"))
                #expect(!result.error.contains("plain-text-secret"))
            }
        }
    }

    @Test("a configuration file that is not there is named")
    func noFile() async throws {
        let result = try await Shell.run([try BitternBinary.path(), "serve", "--config", "/nonexistent/bittern.yaml"])
        #expect(result.status == 2)
        #expect(result.error.contains("/nonexistent/bittern.yaml"))
    }

    private let accounts =
        "accounts:\n  acme: {kind: bitbucket-cloud, workspace: acme, hook_secret: credential:hook}\n"
        + "  dc: {kind: bitbucket-datacenter, url: \"https://git.example.com\", hook_secret: credential:hook}\n"

    /// Another daemon with the configuration as it stands now.
    private func serve(_ daemon: BitternDaemon) async throws -> ShellResult {
        try await Shell.run(
            [try BitternBinary.path(), "serve", "--config", daemon.setup.configurationFile],
            environment: ["CREDENTIALS_DIRECTORY": daemon.setup.credentialsDirectory]
        )
    }

    /// The one line that is no log line.
    private func sentence(of result: ShellResult) throws -> String {
        let lines = result.error.split(separator: "\n").filter { $0.hasPrefix("bittern: ") }
        return String(try #require(lines.count == 1 ? lines[0] : nil, "\(result)"))
    }
}
