import Domain
import Exec
import Foundation
import RealParts
import Testing

@Suite struct ChildRunnerTests {
    @Test("a whole pipeline makes a release and puts it live")
    func pipeline() async throws {
        try await withSite { site, _, commit in
            site.app.build = [CommandStep(name: "build", run: "cat index REVISION >built")]
            site.app.deploy = [CommandStep(name: "warm", run: "cat \"$BITTERN_ROOT/current/built\"")]
            let job = try site.job(commit)
            #expect(try await site.run(["fetch", "checkout", "build", "activate", "warm"], of: job) == .succeeded)
            #expect(try site.log("warm", of: job) == "1\(commit)\n")
            #expect(FileSystem.target(ofLink: site.app.root + "/current") == "releases/1-\(commit.prefix(7))")
        }
    }

    @Test("a step's script stops at its first failure, and its environment is the app's alone")
    func script() async throws {
        try await withSite { site, _, commit in
            site.app.environment = ["APP_ENV": "production"]
            site.app.build = [CommandStep(name: "build", run: "env | cut -d= -f1 | sort | tr '\\n' ' '; echo; false; echo never")]
            let job = try site.job(commit)
            #expect(try await site.run(["fetch", "checkout", "build"], of: job) == .exited(status: 1))
            let names =
                "APP_ENV BITTERN_APP BITTERN_BRANCH BITTERN_CAUSE BITTERN_COMMIT BITTERN_JOB BITTERN_PREVIOUS_COMMIT BITTERN_REF "
                + "BITTERN_REF_SLUG BITTERN_RELEASE BITTERN_ROOT BITTERN_TAG HOME LANG PATH PWD \n"
            #expect(try site.log("build", of: job) == names)
        }
    }

    @Test("secrets reach the step and not its log, nor does the account's hook secret")
    func secrets() async throws {
        try await withSite { site, _, commit in
            site.app.secrets = ["TOKEN": Secret("s3cret-of-app")]
            let script = "test ${#TOKEN} = 13; echo \"$TOKEN\"; echo hook-secret-of-acme"
            site.app.build = [CommandStep(name: "build", run: script, secrets: ["TOKEN"])]
            let job = try site.job(commit)
            #expect(try await site.run(["fetch", "checkout", "build"], of: job) == .succeeded)
            #expect(try site.log("build", of: job) == "***\n***\n")
        }
    }

    @Test("a step nobody began was lost")
    func unknown() async throws {
        try await withSite { site, _, _ in
            let outcome = await site.runner.wait(for: StepID(job: 9, start: 1, position: 0))
            #expect(outcome == StepEnding(.lost))
        }
    }

    @Test("a step that is begun twice runs once, and all who wait hear how it ended")
    func startedTwice() async throws {
        try await withSite { site, _, commit in
            site.app.build = [CommandStep(name: "build", run: "echo ran >>\"$BITTERN_ROOT/ran\"")]
            let job = try site.job(commit)
            _ = try await site.run(["fetch", "checkout"], of: job)
            let order = try site.order("build", of: job)
            await site.runner.start(order)
            await site.runner.start(order)
            #expect(try await site.outcome(of: order) == .succeeded)
            #expect(try site.directory.read("root/ran") == "ran\n")
        }
    }

    @Test("stopping ends a running step with all that it started")
    func stop() async throws {
        try await withSite { site, _, commit in
            site.app.build = [CommandStep(name: "build", run: "echo begun; sleep 300 & sleep 300")]
            let job = try site.job(commit)
            _ = try await site.run(["fetch", "checkout"], of: job)
            let order = try site.order("build", of: job)
            await site.runner.start(order)
            try await eventually("the step's beginning") { try site.log("build", of: job) == "begun\n" }
            await site.runner.stop(order.id)
            #expect(try await site.outcome(of: order) == .stopped)
            #expect(try left(of: site.directory) == [])
        }
    }

    @Test("stopping ends a fetch that waits for the network")
    func stopFetch() async throws {
        try await withSite { site, _, commit in
            site.app.cloneURL = "http://127.0.0.1:1/shop.git"
            let job = try site.job(commit)
            let order = try site.order("fetch", of: job)
            await site.runner.start(order)
            try await eventually("a try that found nothing") { try site.log("fetch", of: job).contains("trying again") }
            await site.runner.stop(order.id)
            #expect(try await site.outcome(of: order, within: .seconds(10)) == .stopped)
        }
    }

    @Test("stopping ends a fetch that waits for its turn at the mirror")
    func stopTurn() async throws {
        try await withSite { site, _, commit in
            site.app.cloneURL = "http://127.0.0.1:1/shop.git"
            let first = try site.order("fetch", of: site.job(1, commit))
            await site.runner.start(first)
            try await eventually("a try that found nothing") { try site.log("fetch", of: site.job(1, commit)).contains("trying again") }
            let second = try site.order("fetch", of: site.job(2, commit))
            await site.runner.start(second)
            await site.runner.stop(second.id)
            #expect(try await site.outcome(of: second, within: .seconds(10)) == .stopped)
            await site.runner.stop(first.id)
            #expect(try await site.outcome(of: first, within: .seconds(10)) == .stopped)
        }
    }

    @Test("stopping a step that does not run does nothing")
    func stopNothing() async throws {
        try await withSite { site, _, commit in
            await site.runner.stop(StepID(job: 9, start: 1, position: 0))
            let outcome = try await site.run("fetch", of: site.job(commit))
            #expect(outcome.isThere)
        }
    }

    @Test("what leaves the session of a step ends with it all the same")
    func detached() async throws {
        try await withSite { site, _, commit in
            site.app.build = [CommandStep(name: "build", run: "setsid sleep 300 >/dev/null 2>&1 & echo done")]
            let job = try site.job(commit)
            let directory = site.directory
            try await withCleanup {
                let outcome = try await site.run(["fetch", "checkout", "build"], of: job)
                #expect(outcome == .succeeded)
                #expect(try left(of: directory) == [])
            } cleanup: {
                try endAll(of: directory)
            }
        }
    }

    @Test("a step of which no log can be written fails and says so")
    func noLog() async throws {
        try await withSite { site, _, commit in
            try site.directory.write("in the way", to: "state/logs/1")
            let outcome = try await site.run("fetch", of: site.job(commit))
            guard case .failed(let reason) = outcome else { return #expect(outcome == .failed(reason: "")) }
            #expect(reason.contains("\(site.state.path)/logs/1"))
        }
    }

    @Test("a current that is a directory fails the activation")
    func current() async throws {
        try await withSite { site, _, commit in
            try site.directory.makeDirectory("root/current")
            let job = try site.job(commit)
            let reason = "\(site.app.root)/current is a directory, not a link; move it away"
            #expect(try await site.run(["fetch", "checkout", "activate"], of: job) == .failed(reason: reason))
            #expect(try site.log("activate", of: job) == "bittern: \(reason)\n")
        }
    }
}
