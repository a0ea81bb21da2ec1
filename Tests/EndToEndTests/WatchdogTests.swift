import Foundation
import RealParts
import Testing

/// What the service manager hears with `WatchdogSec=`; Tests/systemd has a real one that starts the daemon anew.
@Suite(.fewAtOnce) struct WatchdogTests {
    /// Two seconds, as systemd passes it on.
    private static let environment = ["WATCHDOG_USEC": "2000000"]

    @Test("the daemon tells the service manager that it is alive, also while it drains and while the disk is full")
    func alive() async throws {
        let app = "build: ['\(Site.gate("g"))']\n"
        try await withSite(app: app, config: "min_free: 900G\n", environment: Self.environment) { site in
            try await heardAgain(from: site)
            // A full disk: jobs wait, and that is no reason to start the daemon anew.
            _ = try await site.push(["a": "1"])
            try await eventually("the word on the disk") { site.daemon.standardError.contains("min_free wants") }
            try await heardAgain(from: site)
        }
        try await withSite(app: app, environment: Self.environment) { site in
            _ = try await site.push(["a": "1"])
            try await site.reached("g")
            site.daemon.send(signal: SIGTERM)
            try await eventually("the beginning of the end") { site.daemon.notify.lines.contains("STOPPING=1") }
            try await heardAgain(from: site)
            try site.open("g")
            #expect(try await site.daemon.waitForExit() == 0)
        }
    }

    @Test("without WatchdogSec= nothing is looked at and nothing is told")
    func unasked() async throws {
        try await withSite { site in
            let job = try await site.deploy(["a": "1"])
            #expect(job.state == "succeeded")
            #expect(!site.daemon.notify.lines.contains("WATCHDOG=1"))
        }
    }

    @Test(
        "when a part stands still, whichever it is, that is said",
        arguments: ["ledger": "the ledger's writer", "dispatcher": "the dispatcher", "listener": "the listener"])
    func frozen(part: String, name: String) async throws {
        try await withTemporaryDirectory { directory in
            let trigger = directory.path + "/freeze"
            let environment = Self.environment.merging(["BITTERN_FREEZE": "\(part):\(trigger)"]) { $1 }
            try await withSite(environment: environment) { site in
                try await heardAgain(from: site)
                try Data().write(to: URL(filePath: trigger))
                try await eventually("the word on it") { site.daemon.standardError.contains("\(name)") }
                try await site.daemon.kill9()
            }
        }
    }

    private func heard(from site: Site) -> Int {
        site.daemon.notify.lines.count { $0 == "WATCHDOG=1" }
    }

    /// Waits until it is told twice more.
    private func heardAgain(from site: Site) async throws {
        let before = heard(from: site)
        try await eventually("two words of life") { heard(from: site) >= before + 2 }
    }
}
