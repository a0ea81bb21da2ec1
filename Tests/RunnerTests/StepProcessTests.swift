import Domain
import Exec
import Foundation
import RealParts
import RunnerAPI
import Testing

/// `bittern step`, started as the runner starts it.
@Suite(.serialized) struct StepProcessTests {
    /// One that runs, or has ended.
    private final class Started {
        let process: RunningProcess
        let directory: TemporaryDirectory
        /// Open for as long as the shell may still want to open it.
        private let sealed: Int32

        init(_ process: RunningProcess, _ directory: TemporaryDirectory, sealed: Int32 = -1) {
            (self.process, self.directory, self.sealed) = (process, directory, sealed)
        }

        deinit { close(sealed) }

        var log: String { (try? directory.read("log")) ?? "" }  // not yet made
        var result: StepResult? { (try? directory.read("result")).flatMap { StepResult(line: Array($0.utf8)) } }  // not yet told
    }

    private static let path = ["PATH": "/usr/bin:/bin"]

    /// A step of a job whose app has its root in the directory, and its release there.
    private static func specification(
        _ work: PlannedStep.Work, in directory: TemporaryDirectory, release name: String = "7-abc", silence: Duration = .seconds(60),
        secrets: [String: Secret] = [:]
    ) throws -> StepSpecification {
        let commit = try #require(CommitID(String(repeating: "a", count: 40)))
        let release = ReleaseTarget(release: 7, commit: commit, path: directory.path("srv/releases/" + name), ref: nil)
        let job = Job(
            id: 71, app: "shop", repository: "acme/shop", ref: RefName(.branch, "main"), commit: commit, cause: .push, state: .running,
            queuedAt: Timestamp(milliseconds: 1))
        let app = App(
            name: "shop", account: "acme", repository: try #require(RepositoryName("acme/shop")), cloneURL: "file:///nowhere",
            branches: [], root: directory.path("srv"), secrets: secrets, noOutputTimeout: silence)
        let step = PlannedStep(name: "build-1", stage: .build, work: work, release: release)
        let order = StepOrder(
            id: StepID(job: 71, start: 1, position: 2), app: app, account: Account(name: "acme", kind: .bitbucketCloud, hookSecrets: []),
            job: job, step: step, ownDirectory: directory.path, environment: [:])
        return StepSpecification(order: order, state: directory.path("fetched"), home: directory.path("home"))
    }

    /// A release that says of itself what it is.
    private static func release(in directory: TemporaryDirectory) throws -> String {
        let release = try directory.makeDirectory("srv/releases/7-abc")
        try directory.write(String(repeating: "a", count: 40) + "\n", to: "srv/releases/7-abc/REVISION")
        return release
    }

    private static func specification(
        _ script: String, in directory: TemporaryDirectory, environment: [String: String] = path, silence: Duration = .seconds(60),
        secrets: [String: Secret] = [:]
    ) throws -> StepSpecification {
        let release = try Self.release(in: directory)
        let command = StepCommand(script: script, environment: environment, secrets: [:], directory: release)
        return try specification(.command(command), in: directory, silence: silence, secrets: secrets)
    }

    /// - Parameter wrapper: what starts it in its turn.
    private static func start(_ specification: StepSpecification, in directory: TemporaryDirectory, by wrapper: [String] = []) async throws
        -> Started
    {
        let sealed = try specification.sealed()
        let process = try await start(input: "/proc/\(getpid())/fd/\(sealed)", in: directory, by: wrapper)
        return Started(process, directory, sealed: sealed)
    }

    private static func start(input: String, in directory: TemporaryDirectory, by wrapper: [String] = []) async throws -> RunningProcess {
        // The shell opens what the runner would hand over, and becomes the program.
        let shell = ["/bin/sh", "-c", "exec \"$@\" <\"$0\"", input]
        let program = try BitternBinary.path()
        return try await RunningProcess.start(
            shell + wrapper + [program, "step"], output: directory.path("log"), error: directory.path("result"))
    }

    @Test(
        "the log gets the output without the secrets, and the end of the command is told as a result and an exit status",
        arguments: [("exit 7", 7, StepOutcome.exited(status: 7)), ("true", 0, .succeeded), ("kill -ABRT $$", 134, .signalled(6))])
    func end(script: String, status: Int32, outcome: StepOutcome) async throws {
        try await withTemporaryDirectory { directory in
            let secret = "a-secret-of-the-shop"
            let specification = try Self.specification(
                "echo using $TOKEN; echo so >&2; \(script)", in: directory,
                environment: Self.path.merging(["TOKEN": secret]) { _, given in given }, secrets: ["TOKEN": Secret(secret)])
            let step = try await Self.start(specification, in: directory)
            #expect(try await step.process.waitForExit() == .exited(status))
            #expect(step.log == "using ***\nso\n")
            #expect(step.result?.outcome == outcome)
        }
    }

    @Test("a command that runs into a limit is ended, and the result says which")
    func limits() async throws {
        try await withTemporaryDirectory { directory in
            let specification = try Self.specification("echo begun; sleep 100", in: directory, silence: .milliseconds(300))
            let step = try await Self.start(specification, in: directory)
            #expect(try await step.process.waitForExit() == 124)
            #expect(step.result?.outcome == .exceeded(.silence(.milliseconds(300))))
            #expect(step.log == "begun\n")
        }
    }

    @Test("when the unit is stopped, all that the command began is ended with it")
    func stop() async throws {
        try await withTemporaryDirectory { directory in
            let environment = Self.path.merging(["BITTERN_JOB": "71", "BITTERN_RELEASE": directory.path]) { _, given in given }
            let script = "setsid sleep 300 & echo begun; sleep 300"
            let step = try await Self.start(Self.specification(script, in: directory, environment: environment), in: directory)
            try await eventually("the command's first word") { step.log == "begun\n" }
            step.process.send(signal: SIGTERM)
            #expect(try await step.process.waitForExit() == 143)
            #expect(step.result?.outcome == .stopped)
            #expect(try ProcessTable.processes(withEnvironmentContaining: "BITTERN_RELEASE=\(directory.path)").isEmpty)
        }
    }

    @Test("a release is put live, and one that is none is refused with a reason that stands in the log too")
    func activation() async throws {
        try await withTemporaryDirectory { directory in
            _ = try Self.release(in: directory)
            for (path, isThere) in [("7-abc", true), ("8-def", false), ("../elsewhere", false)] {
                let specification = try Self.specification(.activate, in: directory, release: path)
                try? FileManager.default.removeItem(atPath: directory.path("log"))  // of the one before
                try? FileManager.default.removeItem(atPath: directory.path("result"))
                let step = try await Self.start(specification, in: directory)
                #expect(try await step.process.waitForExit() == (isThere ? 0 : 125))
                #expect(step.log.hasPrefix(isThere ? "\(directory.path)/srv/current -> releases/7-abc\n" : "bittern: "), "\(step.log)")
                #expect((step.result?.reason?.contains("is no release of") == true) != isThere, "\(path)")
            }
            let live = try FileManager.default.destinationOfSymbolicLink(atPath: directory.path("srv/current"))
            #expect(live == "releases/7-abc")
        }
    }

    @Test("a command runs in its release, and not where a link in the place of one leads")
    func confinement() async throws {
        try await withTemporaryDirectory { directory in
            _ = try Self.release(in: directory)
            try directory.makeDirectory("srv/releases/7-abc/public")
            // Of another commit, whose name begins alike.
            try directory.write(String(repeating: "a", count: 39) + "b\n", to: "srv/releases/6-abc/REVISION")
            try FileManager.default.createSymbolicLink(atPath: directory.path("srv/releases/8-def"), withDestinationPath: "/etc")
            try FileManager.default.createSymbolicLink(atPath: directory.path("srv/releases/7-abc/out"), withDestinationPath: "../..")
            let places = [
                ("7-abc", "", true), ("7-abc", "/public", true), ("7-abc", "/out", false), ("8-def", "", false), ("9-none", "", false),
                ("6-abc", "", false),
            ]
            for (name, below, isFine) in places {
                let command = StepCommand(
                    script: "echo ran", environment: Self.path, secrets: [:], directory: directory.path("srv/releases/" + name + below))
                let specification = try Self.specification(.command(command), in: directory, release: name)
                try? FileManager.default.removeItem(atPath: directory.path("log"))  // of the one before
                let step = try await Self.start(specification, in: directory)
                #expect(try await step.process.waitForExit() == (isFine ? 0 : 125), "\(name)\(below)")
                #expect(step.log.contains(isFine ? "ran\n" : "bittern: "), "\(step.log)")
            }
        }
    }

    @Test("a check by a command is repeated until it is right, or its time is over")
    func health() async throws {
        try await withTemporaryDirectory { directory in
            let release = try Self.release(in: directory)
            let command = StepCommand(
                script: "echo asked; test -e \(directory.path)/ok", environment: Self.path, secrets: [:], directory: release)
            let health = Health(.run(""), within: .milliseconds(400), interval: .milliseconds(50))
            let specification = try Self.specification(.health(health, command), in: directory)
            let sick = try await Self.start(specification, in: directory)
            #expect(try await sick.process.waitForExit() == 125)
            #expect(sick.result?.reason == "the command exited with status 1, for 0.4s")
            try directory.write("", to: "ok")
            try FileManager.default.removeItem(atPath: directory.path("result"))
            let well = try await Self.start(specification, in: directory)
            #expect(try await well.process.waitForExit() == 0)
            #expect(well.result?.end == .succeeded)
        }
    }

    @Test("what anybody could still change is no specification")
    func unsealed() async throws {
        try await withTemporaryDirectory { directory in
            let file = try directory.write("{}", to: "specification")
            let step = Started(try await Self.start(input: file, in: directory), directory)
            #expect(try await step.process.waitForExit() == 125)
            #expect(step.log.isEmpty)
            #expect(step.result?.reason?.contains("no sealed specification") == true, "\(String(describing: step.result))")
        }
    }

    @Test(
        "the command cannot look into its supervisor, which has secrets the command was not given",
        .enabled(if: geteuid() == 0, "another user is needed, and for that root"))
    func hidden() async throws {
        try await withTemporaryDirectory { directory in
            let script = "cat /proc/$PPID/environ 2>&1 || true; cat /proc/self/environ > /dev/null; echo done"
            let specification = try Self.specification(script, in: directory)
            // Whoever runs there may come there.
            try await Shell.check(["chmod", "-R", "go+rX", directory.path])
            let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
            let step = try await Self.start(specification, in: directory, by: nobody)
            #expect(try await step.process.waitForExit() == 0, "\(step.log)")
            #expect(step.log.contains("Permission denied") && step.log.hasSuffix("done\n"), "\(step.log)")
        }
    }

    @Test("a result is read as it was written, whatever the end was, and nothing else is one")
    func results() throws {
        let commit = try #require(CommitID(String(repeating: "a", count: 40)))
        let facts = CommitFacts(tree: commit, message: "a \u{1F600} \"message\"\n", changed: ["one"])
        let fetched = OrderRules.Fetched(head: commit, headObject: nil, commit: commit, facts: facts)
        let outcomes: [StepOutcome] = [
            .succeeded, .exited(status: 3), .signalled(9), .stopped, .failed(reason: "a \"reason\""), .exceeded(.step(.seconds(5))),
            .exceeded(.job(.seconds(60))), .exceeded(.silence(.milliseconds(1500))), .fetched(fetched),
        ]
        for outcome in outcomes { #expect(StepResult(line: Array(try StepResult(outcome).line()))?.outcome == outcome) }
        for text in ["", "\n", "{\"end\":\"succeeded\"}", "{\"end\":\"won\"}\n", "{}\n", "Fatal error: all is lost\n"] {
            #expect(StepResult(line: Array(text.utf8)) == nil, "\(text)")
        }
    }
}
