import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct DeployFailureTests {
    /// Deploys once, and then a commit whose file `fails` makes a step fail; the second job is given.
    private func afterAGoodOne(_ app: String, _ check: (Site, _ first: Push, Job) async throws -> Void) async throws {
        try await withSite(app: app) { site in
            let first = try await site.push(["a": "1"])
            try #require(try await site.runToEnd(try first.job).state == "succeeded")
            let job = try await site.deploy(["a": "2", "fails": "yes"])
            #expect(job.state == "failed", "\(job)")
            try await check(site, first, job)
        }
    }

    @Test("a build that fails leaves the live release alone, and the reason names step and status", arguments: ["build", "pre_deploy"])
    func before(section: String) async throws {
        let app =
            "\(section): [\"true\", {name: bundle, run: test ! -e fails || exit 42}, echo later]\ndeploy: [\"echo d >> @DIR@/deployed\"]\n"
        try await afterAGoodOne(app) { site, first, job in
            #expect(job.reason == "step \"bundle\" exited with status 42")
            #expect(job.step("bundle")["exit_status"] == 42 && job.step("bundle")["state"] == "failed")
            #expect(job.steps.last == "bundle")
            #expect(try site.live("REVISION").hasPrefix(first.commit) && site.live("a") == "1")
            #expect(site.lines("deployed").count == 1)
            let status = try await site.daemon.json("status")["apps"][0]
            #expect(status["live"]["commit"] == .string(first.commit) && status["last_job"]["state"] == "failed")
        }
    }

    @Test("with on_failure: keep a deploy step that fails leaves the new release live, and the reason says so")
    func after() async throws {
        try await afterAGoodOne("on_failure: keep\ndeploy: [\"test ! -e fails\", \"touch @DIR@/later\"]\n") { site, _, job in
            #expect(job.reason == "step \"deploy-1\" exited with status 1; release \(job.json["id"].int ?? 0) stays live")
            let live = try await site.daemon.json("status")["apps"][0]["live"]
            #expect(live["id"] == job.json["id"])
            #expect(try site.live("a") == "2")
        }
    }

    @Test("a command that is not there fails the step and says so")
    func noSuchCommand() async throws {
        try await withSite(app: "build: [no-such-command-here]\n") { site in
            let job = try await site.deploy()
            #expect(job.state == "failed")
            #expect(job.step("build-1")["exit_status"] == 127)
            #expect(job.reason.contains("\"build-1\"") && job.reason.contains("not found"), "\(job.reason)")
            #expect(try await site.daemon.output(of: 1).contains("no-such-command-here"))
            #expect(!site.exists("srv/shop/current"))
        }
    }

    @Test("a step ended by a signal says which, and -e and -u end a step early")
    func shell() async throws {
        for (run, reason) in ["kill -9 $$": "signal 9", "false; true": "status 1", "echo $UNSET_VARIABLE": "status"] {
            try await withSite(app: "build: ['\(run)']\n") { site in
                let job = try await site.deploy()
                #expect(job.state == "failed" && job.reason.contains(reason), "\(run): \(job)")
                #expect(job.step("build-1")["signal"] == (reason == "signal 9" ? 9 : nil))
            }
        }
    }

    @Test("a step, a silent step and a job are ended at their limits, and nothing of them is left")
    func limits() async throws {
        let noise = "while :; do echo x; sleep 0.1; done"
        let cases = [
            "build: [{name: slow, run: 'sleep 600 & sleep 600', timeout: 1s}]\n": "its limit of 1s",
            "no_output_timeout: 1s\nbuild: [{name: slow, run: 'echo a; sleep 600'}]\n": "wrote nothing for 1s",
            "timeout: 2s\nbuild: [\"true\", {name: slow, run: '\(noise)'}]\n": "its limit of 2s",
        ]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (app, reason) in cases {
                group.addTask {
                    try await withSite(app: app) { site in
                        let job = try await site.deploy()
                        #expect(job.state == "failed")
                        #expect(job.reason.contains("\"slow\"") && job.reason.contains(reason), "\(job.reason)")
                        #expect(try site.daemon.processes() == [try #require(site.daemon.processID)])
                        #expect(!site.exists("srv/shop/current"))
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("a step at its limit is asked to end first, and what it says then is in the log")
    func lastWords() async throws {
        let run = "trap \"echo cleaning up; touch @DIR@/cleaned; exit 0\" TERM; while :; do sleep 0.1 || :; done"
        try await withSite(app: "build: [{name: slow, run: '\(run)', timeout: 1s}]\n") { site in
            let job = try await site.deploy()
            #expect(job.state == "failed" && job.reason.contains("its limit of 1s"), "\(job)")
            #expect(site.exists("cleaned"))
            #expect(try await site.daemon.output(of: 1, step: "slow").contains("cleaning up\n"))
        }
    }

    @Test("what a step leaves running ends with it, also in a session of its own", arguments: ["", "nohup", "setsid", "setsid -f"])
    func background(launcher: String) async throws {
        let build = """
            build:
              - |
                env \(launcher) sh -c 'trap "" TERM HUP; touch @DIR@/there; sleep 600; :' &
                until [ -e @DIR@/there ]; do sleep 0.02; done

            """
        try await withSite(app: build) { site in
            let job = try await site.deploy()
            #expect(job.state == "succeeded", "\(job)")
            #expect(try site.daemon.processes() == [try #require(site.daemon.processID)])
        }
    }

    @Test("output over log_limit is dropped and the log says so; the job goes on")
    func logLimit() async throws {
        try await withSite(app: "log_limit: 1K\nbuild: [\"head -c 100000 /dev/zero | tr '\\\\0' x; echo end\"]\n") { site in
            let job = try await site.deploy()
            #expect(job.state == "succeeded", "\(job)")
            let output = try await site.daemon.output(of: 1, step: "build-1")
            #expect(output.hasPrefix(String(repeating: "x", count: 1024) + "\n"))
            #expect(output.utf8.count < 1300 && output.contains("\(100_004 - 1024) bytes"), "\(output.suffix(300))")
        }
    }

    @Test("a repository that is not there fails the fetch, and the reason names it")
    func noRepository() async throws {
        try await withSite(app: "clone_url: file://@DIR@/nowhere.git\n") { site in
            let job = try await site.deploy(["a": "1"])
            #expect(job.state == "failed" && job.reason.contains("nowhere.git"), "\(job)")
            #expect(job.steps == ["fetch"] && job.step("fetch")["state"] == "failed")
            #expect(!site.exists("srv/shop/current"))
        }
    }

    @Test("a commit that appears on its branch after its webhook is deployed")
    func appearsLate() async throws {
        try await withSite { site in
            let old = try await site.origin.commit(files: ["a": "1"])
            let new = try await site.origin.commit(files: ["a": "2"])
            try await site.origin.forcePush("main", to: old)
            let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", old: old, new: new))
            let job = try #require(answer.results.first?.job)
            try await eventually("a fetch that did not find it") {
                try await site.daemon.output(of: job, step: "fetch").contains("trying again")
            }
            try await site.origin.forcePush("main", to: new)
            #expect(try await site.runToEnd(job).state == "succeeded")
            #expect(try site.live("a") == "2")
        }
    }
}
