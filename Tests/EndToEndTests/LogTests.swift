import Foundation
import RealParts
import Testing

/// `bittern log` and `--wait` before a person, and before many programs.
@Suite(.fewAtOnce) struct LogTests {
    /// A build that says something, is silent at gate `g`, and goes on.
    private static func build(then end: String = "true") -> String {
        "build: ['echo begun; \(Site.gate("g")); echo goes on; \(end)']\n"
    }

    @Test("while a step is silent a terminal shows what runs and for how long, until output comes; each step's end has its time")
    func runningLine() async throws {
        try await withSite(app: Self.build()) { site in
            let job = try await site.push(["a": "1"]).job
            try await site.terminal { terminal in
                let number = try await terminal.begin("bittern log \(job) -f")
                let silent = try await terminal.waitFor("how long the build runs", Self.isSilent)
                #expect(Self.lines(silent).suffix(3).dropLast() == ["==> build-1", "begun"], "\(silent)")
                try site.open("g")
                let answer = try await terminal.answer(number)
                #expect(answer.status == 0)
                #expect(Self.runningLines(in: answer.text).isEmpty, "\(answer)")
                let lines = Self.lines(answer.text)
                #expect(lines.filter { $0.hasPrefix("==> ") }.prefix(4) == ["==> fetch", "==> checkout", "==> build-1", "==> activate"])
                for step in ["fetch", "checkout", "build-1", "activate"] {
                    #expect(lines.contains { $0.hasPrefix("    \(step) succeeded after ") }, "\(step): \(answer)")
                }
                #expect(lines.contains("goes on") && lines.last?.hasPrefix("==> succeeded: ") == true, "\(answer)")
            }
        }
    }

    @Test(
        "Ctrl-C ends the looking on and leaves the job running, and says how to come back",
        arguments: ["log 1 -f", "deploy shop --wait"])
    func interrupt(command: String) async throws {
        try await withSite(app: Self.build()) { site in
            if command.hasPrefix("log") { _ = try await site.push(["a": "1"]) } else { try await site.origin.commit(files: ["a": "1"]) }
            try await site.terminal { terminal in
                let number = try await terminal.begin("bittern \(command)")
                try await terminal.waitFor("how long the build runs", Self.isSilent)
                try await terminal.press(.ctrlC)
                let answer = try await terminal.answer(number)
                #expect(answer.status == 130)
                let word = "bittern: job 1 goes on; bittern log 1 -f follows it again, bittern cancel 1 ends it"
                #expect(Self.lines(answer.text).last == word, "\(answer)")
                #expect(Self.runningLines(in: answer.text).isEmpty, "\(answer)")
                #expect(try await site.daemon.job(1).state == "running")
                let again = try await terminal.begin("bittern log 1 -f")
                try site.open("g")
                #expect(try await terminal.answer(again).status == 0)
                #expect(try site.live("a") == "1")
            }
        }
    }

    @Test("colours reach a terminal, and nothing else that a build could do to it; NO_COLOR keeps it plain")
    func colours() async throws {
        let said = "\u{1B}[31mred\u{1B}[0m\u{1B}]0;stolen\u{7} \u{1B}[2Jhere\n"
        try await withSite(app: "build: ['cat said; \(Site.gate("g"))']\n") { site in
            let job = try await site.push(["said": said]).job
            let plain = #"red\x1b]0;stolen\x07 \x1b[2Jhere"#
            for environment in [[:], ["NO_COLOR": "1"]] {
                try await site.terminal(environment: environment) { terminal in
                    let number = try await terminal.begin("bittern log \(job) -f")
                    let shown = try await terminal.waitFor("the output and a running line") {
                        $0.contains("here") && !Self.runningLines(in: $0).isEmpty
                    }
                    #expect(Self.lines(shown).contains(plain), "\(shown)")
                    #expect(try await terminal.title != "stolen")
                    let styles = try await terminal.screenWithStyles
                    #expect(styles.contains("\u{1B}[31m") == environment.isEmpty, "\(styles)")
                    #expect(styles.contains("\u{1B}[") == environment.isEmpty, "\(styles)")
                    try await terminal.press(.ctrlC)
                    _ = try await terminal.answer(number)
                }
            }
            try site.open("g")
            _ = try await site.runToEnd(job)
        }
    }

    @Test("for programs each line is an object, with its step, and so is each beginning and end")
    func json() async throws {
        try await withSite(app: "build: ['printf \"one\\ntwo \\\\351\"; exit 4']\n") { site in
            let job = try await site.push(["a": "1"]).job
            _ = try await site.runToEnd(job)
            for (options, status) in [([], RealParts.ExitStatus.exited(0)), (["--follow"], .exited(3))] {
                let result = try await site.daemon.run(["log", "\(job)", "--json"] + options)
                #expect(result.status == status)
                let objects = try result.output.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
                #expect(objects.filter { $0["step"].string == "build-1" }.compactMap { $0["line"].string } == ["one", #"two \xe9"#])
                let ends = objects.filter { !$0["state"].isNull }.map { "\($0["step"].string ?? "-") \($0["state"].string ?? "")" }
                #expect(ends == ["fetch succeeded", "checkout succeeded", "build-1 failed", "- failed"], "\(result)")
                #expect(objects.filter { !$0["started_at"].isNull }.count == 3)
                #expect(objects.last?["reason"].string == "step \"build-1\" exited with status 4")
            }
        }
    }

    @Test("where no terminal is there is no running line, no time and no escape, however long a step is silent")
    func piped() async throws {
        try await withSite(app: Self.build()) { site in
            let job = try await site.push(["a": "1"]).job
            let piped = try await Self.follow(job, of: site, into: "piped", "--follow")
            try await eventually("the first word in the pipe") { site.lines("piped").last == "begun" }
            try await site.terminal { terminal in
                let number = try await terminal.begin("bittern log \(job) -f")
                // A terminal beside has long been told; that is the moment to look.
                try await terminal.waitFor("the clock go on") { screen in
                    Self.isSilent(screen) && !["0:00", "0:01"].contains { Self.lines(screen).last?.hasSuffix($0) == true }
                }
                #expect(site.lines("piped").suffix(2) == ["==> build-1", "begun"])
                try site.open("g")
                _ = try await terminal.answer(number)
            }
            #expect(try await piped.waitForExit() == 0)
            let text = try site.read("piped")
            #expect(!text.contains("\u{1B}") && !text.contains("\r") && Self.runningLines(in: text).isEmpty, "\(text)")
            #expect(!text.contains("succeeded after"), "\(text)")
        }
    }

    @Test("--wait exits as the job does", arguments: [("true", 0, "succeeded"), ("exit 5", 3, "failed")])
    func wait(end: String, status: Int, state: String) async throws {
        try await withSite(app: "build: ['\(end)']\n") { site in
            try await site.origin.commit(files: ["a": "1"])
            try await site.terminal { terminal in
                let answer = try await terminal.run("bittern deploy shop --wait")
                #expect(answer.status == status)
                let lines = Self.lines(answer.text)
                #expect(lines.first?.hasPrefix("Job 1 is queued: shop at ") == true, "\(answer)")
                #expect(lines.last?.hasPrefix("==> \(state): ") == true, "\(answer)")
            }
        }
    }

    @Test("twenty followers of one job all get the same bytes, and the daemon keeps none of them")
    func manyFollowers() async throws {
        try await withSite(app: "build: ['\(Site.gate("g")); seq -f %0999.0f 10000']\n") { site in
            let daemon = try #require(site.daemon.processID)
            let job = try await site.push(["a": "1"]).job
            try await site.reached("g")
            var followers: [RunningProcess] = []
            for number in 1...20 {
                followers.append(try await Self.follow(job, of: site, into: "out-\(number)", "--raw", "--step", "build-1", "--follow"))
            }
            let before = try ProcessTable.anonymousMemory(of: daemon)
            try site.open("g")
            for follower in followers { #expect(try await follower.waitForExit(within: .seconds(120)) == 0) }
            // What waits on twenty connections, against the 200 MB that were sent.
            let grown = try ProcessTable.anonymousMemory(of: daemon) - before
            #expect(grown < 16 << 20, "it grew by \(grown >> 10) KB")
            let wanted = Data((1...10_000).map { String(repeating: "0", count: 999 - "\($0)".count) + "\($0)\n" }.joined().utf8)
            for number in 1...20 {
                let seen = try Data(contentsOf: URL(filePath: site.daemon.setup.path("out-\(number)")))
                #expect(seen == wanted, "follower \(number) got \(seen.count) bytes")
            }
        }
    }

    @Test("output lies in files: the daemon holds no 50 MB of it, nor does one who looks on make it")
    func memory() async throws {
        try await withSite(app: "build: ['\(Site.gate("g")); seq -f %0999.0f 50000']\n") { site in
            let daemon = try #require(site.daemon.processID)
            let job = try await site.push(["a": "1"]).job
            try await site.reached("g")
            let following = try await Self.follow(job, of: site, into: "followed", "--raw", "--step", "build-1", "--follow")
            let before = try ProcessTable.anonymousMemory(of: daemon)
            try site.open("g")
            #expect(try await following.waitForExit(within: .seconds(120)) == 0)
            let grown = try ProcessTable.anonymousMemory(of: daemon) - before
            #expect(grown < 16 << 20, "it grew by \(grown >> 10) KB")
            let size = try FileManager.default.attributesOfItem(atPath: site.daemon.setup.path("followed"))[.size] as? Int
            #expect(size == 50_000_000)
        }
    }

    @Test("a follower who never reads holds up no job, and has lost nothing when he reads again")
    func stoppedFollower() async throws {
        try await withSite(app: "build: ['\(Site.gate("g")); seq -f %0999.0f 10000']\n") { site in
            let job = try await site.push(["a": "1"]).job
            try await site.reached("g")
            let stopped = try await Self.follow(job, of: site, into: "late", "--raw", "--step", "build-1", "--follow")
            stopped.send(signal: SIGSTOP)
            try site.open("g")
            #expect(try await site.runToEnd(job).state == "succeeded")
            #expect(stopped.exitStatus == nil)
            stopped.send(signal: SIGCONT)
            #expect(try await stopped.waitForExit(within: .seconds(60)) == 0)
            #expect(site.lines("late").count == 10_000)
        }
    }

    // Words.

    private static func follow(_ job: Int, of site: Site, into file: String, _ options: String...) async throws -> RunningProcess {
        try await RunningProcess.start(
            [try BitternBinary.path(), "log", "\(job)", "--socket", site.daemon.setup.controlSocket] + options,
            output: site.daemon.setup.path(file), error: site.daemon.setup.path(file + ".err"))
    }

    private static func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    /// The build has said its first word and nothing since.
    private static func isSilent(_ screen: String) -> Bool {
        screen.contains("\nbegun\n") && lines(screen).last?.hasPrefix("… build-1 runs, 0:") == true
    }

    /// The lines as `… build-1 runs, 0:03`.
    private static func runningLines(in text: String) -> [String] {
        lines(text).filter { $0.wholeMatch(of: /… .+, \d+:\d\d/) != nil }
    }
}
