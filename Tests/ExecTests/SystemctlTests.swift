import Domain
import Exec
import Foundation
import RealParts
import Testing

/// Against a systemctl and a journalctl that take only what theirs would.
@Suite struct SystemctlTests {
    private static let systemctl = """
        #!/bin/sh
        echo "systemctl $*" >> "$(dirname "$0")/calls"
        [ "$1" = --user ] && shift
        [ "$1" = --no-ask-password ] || exit 64
        case "$2" in restart|reload-or-restart) ;; *) exit 64 ;; esac
        [ "$3" = -- ] && [ $# = 4 ] || exit 64
        case "$4" in sick.service) echo "Job for sick.service failed." >&2; exit 1 ;; *.service) exit 0 ;; *) exit 5 ;; esac
        """
    private static let journalctl = """
        #!/bin/sh
        echo "journalctl $*" >> "$(dirname "$0")/calls"
        echo "sick.service: cannot bind"
        """

    private func withTools(cgroup: String = "0::/system.slice/bittern.service", _ body: (inout Site, String) async throws -> Void)
        async throws
    {
        try await withTemporaryDirectory { directory in
            for (name, text) in [("systemctl", Self.systemctl), ("journalctl", Self.journalctl)] {
                try directory.write(text, to: "bin/" + name, mode: 0o755)
            }
            var site = try Site(
                directory, cloneURL: "file:///nowhere",
                systemctl: Systemctl(environment: ["PATH": directory.path("bin") + ":/usr/bin:/bin"], cgroup: cgroup))
            try await body(&site, "bin/calls")
        }
    }

    @Test("units are restarted and reloaded one after the other")
    func units() async throws {
        try await withTools { site, calls in
            site.app.releases.restart = ["a.service", "b.service"]
            site.app.releases.reload = ["c.service"]
            let job = try site.job(String(repeating: "a", count: 40))
            #expect(try await site.run(["restart", "reload"], of: job) == .succeeded)
            #expect(
                try site.directory.read(calls).split(separator: "\n") == [
                    "systemctl --no-ask-password restart -- a.service", "systemctl --no-ask-password restart -- b.service",
                    "systemctl --no-ask-password reload-or-restart -- c.service",
                ])
        }
    }

    @Test("of a unit that fails the log shows what it said last, and those after it are left alone")
    func failing() async throws {
        try await withTools { site, calls in
            site.app.releases.restart = ["sick.service", "b.service"]
            let job = try site.job(String(repeating: "a", count: 40))
            #expect(try await site.run("restart", of: job) == .exited(status: 1))
            #expect(try site.log("restart", of: job).contains("sick.service: cannot bind"))
            #expect(try site.directory.read(calls).contains("journalctl --no-pager --lines=20 --unit=sick.service"))
            #expect(try !site.directory.read(calls).contains("b.service"))
        }
    }

    @Test("under a user's manager that one is asked")
    func user() async throws {
        try await withTools(cgroup: "0::/user.slice/user-1000.slice/user@1000.service/app.slice/bittern.service") { site, calls in
            site.app.releases.restart = ["a.service"]
            let outcome = try await site.run("restart", of: site.job(String(repeating: "a", count: 40)))
            #expect(outcome == .succeeded)
            #expect(try site.directory.read(calls) == "systemctl --user --no-ask-password restart -- a.service\n")
        }
    }
}
