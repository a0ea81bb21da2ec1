import Foundation
import RealParts
import Testing

/// What happens between "live" and "well".
@Suite(.fewAtOnce) struct HealthTests {
    private static func health(_ port: Int, _ more: String = "") -> String {
        "health: {url: \"http://127.0.0.1:\(port)/health\", within: 700ms, interval: 50ms\(more)}\n"
    }

    /// A site whose app answers on a port.
    private func withApp(
        _ app: String = "deploy: [\"echo $BITTERN_CAUSE $BITTERN_RELEASE >> @DIR@/deployed\"]\n", health: String = "",
        _ body: (Site) async throws -> Void
    ) async throws {
        let port = try FreePort.next()
        // `within` takes whole seconds; the interval is what makes it quick.
        let text = Self.health(port, health).replacingOccurrences(of: "700ms", with: "1s").replacingOccurrences(of: "50ms", with: "1s")
        try await withSite(app: app + text) { site in
            try await SickApp.serve(root: site.root(), port: port, in: site.daemon.setup.directory) { _ in try await body(site) }
        }
    }

    @Test("a release that answers well goes live; one that does not is gone back from, and the reason says all of that")
    func goesBack() async throws {
        try await withApp { site in
            let first = try await site.deploy(["HEALTH": "200", "a": "1"])
            #expect(first.state == "succeeded" && first.steps.last == "health", "\(first)")
            let second = try await site.deploy(["HEALTH": "502", "a": "2"])
            #expect(second.state == "failed")
            #expect(second.reason == "health check: got 502, wanted 200, for 1s; rolled back to release 1", "\(second)")
            #expect(
                second.steps == [
                    "fetch", "checkout", "activate", "deploy-1", "health", "switch-back", "rollback-deploy-1", "rollback-health",
                ])
            #expect(try site.live("a") == "1")
            let deployed = site.lines("deployed")
            #expect(deployed.count == 3)
            #expect(deployed.last == "rollback \(site.root())/releases/\(try link(site))")
            let releases = try await site.daemon.json("releases", "shop")
            #expect(releases.array.map { $0["state"].string } == ["failed", "live"])
            // The next one may go live again.
            let third = try await site.deploy(["HEALTH": "200", "a": "3"])
            #expect(third.state == "succeeded", "\(third)")
            #expect(try site.live("a") == "3")
        }
    }

    private func link(_ site: Site) throws -> String {
        let target = try FileManager.default.destinationOfSymbolicLink(atPath: site.root() + "/current")
        return String(try #require(target.split(separator: "/").last))
    }

    @Test("without a good release the sick one stays, and the reason says so")
    func stuck() async throws {
        try await withApp { site in
            let first = try await site.deploy(["HEALTH": "500"])
            #expect(
                first.reason
                    == "health check: got 500, wanted 200, for 1s; release 1 stays live, for there is no good one to go back to", "\(first)"
            )
            #expect(try site.live("HEALTH") == "500")
            #expect(try await site.daemon.json("releases", "shop")[0]["failed_at"].string != nil)
            // A release that failed is none to go back to, also when it was live.
            let second = try await site.deploy(["HEALTH": "501"])
            #expect(second.reason.hasSuffix("release 2 stays live, for there is no good one to go back to"), "\(second)")
            let rollback = try await site.daemon.run("rollback", "shop")
            #expect(rollback.status == 1 && rollback.error.contains("no good release"), "\(rollback)")
        }
    }

    @Test("a redirect is not followed, the wanted status may be another, and headers are sent")
    func question() async throws {
        try await withApp("", health: ", status: 302, headers: {X-Wanted: \"yes\"}") { site in
            let job = try await site.deploy(["HEALTH": "302"])
            #expect(job.state == "succeeded", "\(job)")
        }
        try await withApp("", health: ", headers: {X-Wanted: \"no\"}") { site in
            let job = try await site.deploy(["HEALTH": "200"])
            #expect(job.reason.hasPrefix("health check: got 418, wanted 200"), "\(job)")
        }
    }

    @Test("an app that is not there yet is waited for")
    func late() async throws {
        let port = try FreePort.next()
        let app = "health: {url: \"http://127.0.0.1:\(port)/\", within: 20s, interval: 1s}\n"
        try await withSite(app: app) { site in
            let push = try await site.push(["HEALTH": "200"])
            try await eventually("the release") { site.exists("srv/shop/current") }
            try await eventually("the question") {
                try await site.daemon.output(of: try push.job, step: "health").contains("got no answer")
            }
            try await SickApp.serve(root: site.root(), port: port, in: site.daemon.setup.directory) { _ in
                let job = try await site.runToEnd(try push.job)
                #expect(job.state == "succeeded", "\(job)")
            }
        }
    }

    @Test("a port and a command may be asked in place of an address")
    func others() async throws {
        let port = try FreePort.next()
        let app = "health: {tcp: \"127.0.0.1:\(port)\", within: 1s}\n"
        try await withSite(app: app) { site in
            let refused = try await site.deploy(["HEALTH": "200"])
            #expect(
                refused.reason.hasPrefix("health check: 127.0.0.1:\(port) does not take connections (connection refused)"), "\(refused)")
            try await SickApp.serve(root: site.root(), port: port, in: site.daemon.setup.directory) { _ in
                let job = try await site.deploy(["a": "2"])
                #expect(job.state == "succeeded", "\(job)")
            }
        }
        try await withSite(app: "health: {run: \"test -e ok || exit 7\", within: 1s}\n") { site in
            #expect(try await site.deploy(["ok": ""]).state == "succeeded")
            try await site.origin.git("rm", "--quiet", "ok")
            let job = try await site.runToEnd(try await site.push(["a": "2"]).job)
            #expect(job.reason == "health check: the command exited with status 7, for 1s; rolled back to release 1", "\(job)")
        }
    }

    @Test("what is cancelled or too slow after it went live goes back too")
    func cancelled() async throws {
        try await withSite(app: "deploy: [\"test ! -e slow || { touch @DIR@/begun; sleep 600; }\"]\n") { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            let push = try await site.push(["a": "2", "slow": ""])
            try await eventually("the step") { site.exists("begun") }
            #expect(try await site.daemon.run("cancel", "\(try push.job)").status == 0)
            let job = try await site.runToEnd(try push.job)
            #expect(
                job.state == "cancelled" && job.reason == "cancelled by \(user) during step \"deploy-1\"; rolled back to release 1",
                "\(job)")
            #expect(try site.live("a") == "1")
        }
        try await withSite(app: "deploy: [{run: \"test ! -e slow || sleep 600\", timeout: 1s}]\n") { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            let job = try await site.deploy(["a": "2", "slow": ""])
            #expect(job.reason == "step \"deploy-1\" ran longer than its limit of 1s; rolled back to release 1", "\(job)")
        }
    }

    @Test("a job whose daemon is killed while it goes back goes on with that", arguments: [true, false])
    func killedOnTheWayBack(isKilled: Bool) async throws {
        let slow = "case $BITTERN_CAUSE in rollback) echo $BITTERN_JOB >> @DIR@/back; \(Site.gate("back"));; esac; test ! -e sick"
        try await withSite(app: "deploy: ['\(slow)']\n", config: "drain: 0s\n") { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            let push = try await site.push(["a": "2", "sick": ""])
            try await site.reached("back")
            if isKilled { try await site.daemon.kill9() } else { try await site.daemon.terminate() }
            #expect(try site.live("a") == "1")
            // A newer push waits for the end of it.
            try await site.daemon.start()
            try site.open("back")
            let job = try await site.runToEnd(try push.job)
            #expect(job.state == "failed", "\(job)")
            #expect(job.reason == "step \"deploy-1\" exited with status 1; rolled back to release 1")
            #expect(site.lines("back").count == 2)
            #expect(try await site.daemon.json("releases", "shop").array.map { $0["state"].string } == ["failed", "live"])
        }
    }
}
