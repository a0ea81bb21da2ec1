import Foundation
import RealParts
import Testing

/// The daemon is killed between every two system calls of an activation that matter.
@Suite(.fewAtOnce) struct ActivationTests {
    /// As the kernel sees an activation: the release is brought to the disk, a link is made beside `current` and renamed over it, and the
    /// root is brought to the disk. Each kills as the call is entered, so after the one before it.
    enum Call: String, CaseIterable {
        case bringRelease = "syncfs"
        case clearPlace = "unlink"
        case makeLink = "symlink"
        case switchLink = "rename"
        case bringRoot = "fsync"

        /// Whether the new release is live by then.
        var isSwitched: Bool { self == .bringRoot }
    }

    @Test(
        "wherever an activation is cut off, current is a complete release, and the next daemon ends what was begun",
        arguments: Call.allCases)
    func cutOff(call: Call) async throws {
        try await withSite(app: "build: [\"cp a built\"]\n") { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            // What is made for the next release syncs too.
            try await eventually("the prepared tree") { site.exists("srv/shop/.spare-mark") }
            let old = try await site.origin.head(of: "main")
            let new = try await site.origin.commit(files: ["a": "2"])
            let path: [String] =
                switch call {
                case .bringRelease: []
                case .clearPlace, .makeLink, .switchLink: ["-P", "\(site.root())/.current-2-\(new.prefix(7))"]
                // git syncs what it fetches.
                case .bringRoot: ["-P", site.root()]
                }
            let killer = try await kill(site.daemon, at: call, path)
            let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", old: old, new: new))
            let job = try Push(commit: new, answer: answer).job
            #expect(try await site.daemon.waitForExit() == .signaled(SIGKILL))
            try await killer.end()
            let live = call.isSwitched ? "2" : "1"
            #expect(try site.live("a") == live && site.live("built") == live)
            #expect(try site.live("REVISION").hasPrefix(new) == call.isSwitched)
            try await site.daemon.start()
            let ended = try await site.runToEnd(job)
            #expect(ended.state == "succeeded" && ended.attempt == 2, "\(ended)")
            #expect(try site.live("a") == "2" && site.live("built") == "2")
            #expect(try FileManager.default.contentsOfDirectory(atPath: site.root()).contains { $0.hasPrefix(".current-") } == false)
        }
    }

    /// Has strace(1) send SIGKILL as the daemon enters the call, with a path that matters where one is given.
    private func kill(_ daemon: BitternDaemon, at call: Call, _ path: [String]) async throws -> RunningProcess {
        let number = try #require(daemon.processID)
        let log = daemon.setup.path("strace.log")
        let inject = "inject=\(call.rawValue):signal=SIGKILL:when=1"
        let process = try await RunningProcess.start(
            ["strace", "--follow-forks", "--attach=\(number)", "--trace=\(call.rawValue)", "-e", inject] + path, output: log, error: log)
        try await eventually("strace") { try site(log).contains("attached") }
        return process
    }

    private func site(_ log: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: log)), as: UTF8.self)
    }
}
