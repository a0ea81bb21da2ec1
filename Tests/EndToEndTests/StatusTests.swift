import Foundation
import RealParts
import Testing

/// `bittern status`, as people read it.
@Suite(.fewAtOnce) struct StatusTests {
    @Test("what is live is told with its subject line and since when, and a failed last job with its reason and where to read more")
    func live() async throws {
        try await withSite(app: "build: [\"test ! -e bad\"]\n", apps: ["blog": "branch: blog\n"]) { site in
            let subject = "A subject line that is longer than any table has room for"
            let new = try await site.origin.commit(files: ["a": "1"], message: subject + "\n\nand a body")
            let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", old: nil, new: new))
            _ = try await site.runToEnd(try Push(commit: new, answer: answer).job)
            let lines = try await Self.lines(of: site)
            #expect(lines.first?.wholeMatch(of: /bittern \S+, up \d+ \w+; 2 workers, 0 running, 0 queued/) != nil, "\(lines)")
            #expect(Self.row("blog", of: lines) == ["blog", "nothing yet", "-", "none yet"], "\(lines)")
            let shop = Self.row("shop", of: lines)
            #expect(shop.count == 4 && shop[1] == "\(new.prefix(7)) A subject line that is longer… (release 1)", "\(lines)")
            #expect(shop.last?.wholeMatch(of: /1 succeeded \d+ s ago/) != nil, "\(lines)")
            #expect(shop.dropFirst(2).first?.wholeMatch(of: /\d+ s ago/) != nil, "\(lines)")
            _ = try await site.deploy(["bad": ""])
            let after = try await Self.lines(of: site)
            #expect(Self.row("shop", of: after).last?.wholeMatch(of: /2 failed \d+ s ago/) != nil, "\(after)")
            let why = [#"job 2 of shop failed: step "build-1" exited with status 1"#, "  bittern log 2 shows what its steps wrote"]
            #expect(Array(after.suffix(2)) == why, "\(after)")
        }
    }

    @Test("what runs is told with its step, its time and the usual one, and what is queued with what it waits for")
    func runningAndQueued() async throws {
        let gated = "build: [{name: bundle, run: '\(Site.gate("g"))'}]\n"
        try await withSite(app: gated, apps: ["blog": "branch: blog\n" + gated], config: "workers: 1\n") { site in
            try site.open("g")
            _ = try await site.deploy(["a": "1"])
            try site.shut("g")
            let running = try await site.push(["a": "2"]).job
            try await site.reached("g")
            #expect(try await site.daemon.run("deploy", "shop").status == 0)
            let blog = try await site.push(["b": "1"], on: "blog").job
            let lines = try await Self.lines(of: site)
            #expect(lines.first?.hasSuffix("; 1 worker, 1 running, 2 queued") == true, "\(lines)")
            let row = Self.row("\(running)", of: lines)
            #expect(row.count == 7 && row[1] == "shop" && row[3...4] == ["main", "bundle"], "\(lines)")
            #expect(row.suffix(2).allSatisfy { $0.wholeMatch(of: /\d+ s/) != nil }, "\(lines)")
            #expect(Self.row("3", of: lines).last == "behind job \(running)", "\(lines)")
            #expect(Self.row("\(blog)", of: lines).last == "for a free worker", "\(lines)")
            try site.open("g")
            for job in [running, 3, blog] { #expect(try await site.runToEnd(job).state == "succeeded") }
        }
    }

    @Test("what is held is told with by whom, until when in the reader's zone, why, and how it is let go")
    func held() async throws {
        try await withSite { site in
            try await site.origin.commit(files: ["a": "1"])
            let end = Date(timeIntervalSince1970: (Date().timeIntervalSince1970 / 60).rounded(.down) * 60 + 86_400)
            let hold = ["--until", end.formatted(.iso8601), "--reason", "nobody is in"]
            #expect(try await site.daemon.run("hold", "shop", hold[0], hold[1], hold[2], hold[3]).status == 0)
            let job = try await site.push(["a": "2"]).job
            let result = try await site.daemon.run("status", environment: ["TZ": "IST-5:30"])
            let lines = Self.lines(result.output)
            let zone = DateFormatter()
            zone.locale = Locale(identifier: "en_US_POSIX")
            zone.timeZone = TimeZone(secondsFromGMT: 19_800)
            zone.dateFormat = "yyyy-MM-dd HH:mm:ss"
            #expect(lines.contains("shop is held by \(user) until \(zone.string(from: end)) IST: nobody is in"), "\(lines)")
            #expect(lines.contains("  bittern resume shop lets it go"), "\(lines)")
            #expect(Self.row("shop (held)", of: lines).last == "\(job) queued", "\(lines)")
            #expect(Self.row("\(job)", of: lines).last == "shop is held", "\(lines)")
        }
    }

    @Test("too little space and no workers are told as what jobs wait for")
    func shortages() async throws {
        try await withSite(config: "workers: 0\n") { site in
            let job = try await site.push(["a": "1"]).job
            let lines = try await Self.lines(of: site)
            #expect(Self.row("\(job)", of: lines).last == "there are no workers (workers: 0)", "\(lines)")
        }
        try await withSite(config: "min_free: 900000G\n") { site in
            let job = try await site.push(["a": "1"]).job
            try await eventually("the shortage") {
                let lines = try await Self.lines(of: site)
                return Self.row("\(job)", of: lines).last?.hasPrefix("only ") == true && lines.last?.hasPrefix("Jobs wait: only ") == true
            }
        }
    }

    @Test("--watch on a terminal shows what changes without a key, fits every window, and leaves it as it was")
    func watch() async throws {
        try await withSite(app: "build: ['\(Site.gate("g"))']\n") { site in
            try await site.terminal { terminal in
                let number = try await terminal.begin("bittern status --watch")
                try await terminal.waitFor("nothing yet")
                #expect(try await !terminal.showsCursor)
                let job = try await site.push(["a": "1"]).job
                let running = try await terminal.waitFor("the step that runs") { $0.contains("build-1") && $0.contains("1 running") }
                #expect(running.hasPrefix("bittern "), "\(running)")
                try await terminal.resize(to: .init(columns: 40, rows: 4))
                let small = try await terminal.waitFor("the whole head of it") {
                    $0.hasPrefix("bittern ") && $0.contains("…\n\nAPP")
                }
                #expect(small.split(separator: "\n", omittingEmptySubsequences: false).count == 3, "\(small)")
                try await terminal.resize(to: .init(columns: 100, rows: 30))
                try site.open("g")
                try await terminal.waitFor("\(job) succeeded")
                try await terminal.press(.ctrlC)
                #expect(try await terminal.answer(number).status == 0)
                #expect(try await terminal.showsCursor)
            }
        }
    }

    @Test("--watch where no terminal is prints only what is news, and no escapes")
    func watchPiped() async throws {
        try await withSite(app: "build: ['\(Site.gate("g"))']\n") { site in
            let watching = try await RunningProcess.start(
                [try BitternBinary.path(), "status", "--watch", "--socket", site.daemon.setup.controlSocket],
                output: site.daemon.setup.path("watched"), error: site.daemon.setup.path("watched.err"))
            try await eventually("the first of it") { site.lines("watched").contains { $0.contains("nothing yet") } }
            try await site.terminal { try await Self.seeNewsLate(in: $0, of: site) }
            watching.send(signal: SIGINT)
            #expect(try await watching.waitForExit() == 0)
            #expect(try !site.read("watched").contains("\u{1B}"))
            try site.open("g")
            _ = try await site.runToEnd(1)
        }
    }

    /// A second one at a terminal shows that the clock has gone on, which is no news.
    private static func seeNewsLate(in terminal: TerminalScreen, of site: Site) async throws {
        let number = try await terminal.begin("bittern status --watch")
        try await terminal.waitFor("the clock") { upSeconds(in: $0) >= 3 }
        let later = upSeconds(in: try await terminal.screen) + 2
        try await terminal.waitFor("the clock go on") { upSeconds(in: $0) >= later }
        #expect(site.lines("watched").filter { $0.hasPrefix("bittern ") }.count == 1)
        _ = try await site.push(["a": "1"])
        try await eventually("the news") { site.lines("watched").contains { $0.contains("build-1") } }
        try await terminal.press(.ctrlC)
        _ = try await terminal.answer(number)
    }

    @Test("tables are broken at words to fit a terminal, below their own column")
    func folding() async throws {
        try await withSite(app: "build: [\"exit 3\"]\n") { site in
            _ = try await site.deploy(["a": "1"])
            let piped = Self.lines(try await site.daemon.run("jobs").output)
            #expect(piped.count == 2, "\(piped)")
            try await site.terminal(size: .init(columns: 90, rows: 30)) { terminal in
                let answer = try await terminal.run("bittern jobs")
                let lines = Self.lines(answer.text)
                let column = try #require(lines.first?.range(of: "REASON")?.lowerBound.utf16Offset(in: lines[0]))
                #expect(lines.count > 2 && lines.allSatisfy { $0.count <= 90 }, "\(answer)")
                #expect(lines.dropFirst(2).allSatisfy { $0.prefix(column).allSatisfy { $0 == " " } }, "\(answer)")
                let reason = lines.dropFirst().map { String($0.dropFirst(column)) }.joined(separator: " ")
                #expect(reason == #"step "build-1" exited with status 3"#, "\(answer)")
            }
        }
    }

    // Words.

    private static func lines(of site: Site) async throws -> [String] {
        lines(try await site.daemon.run("status").output)
    }

    private static func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    /// The cells of the last row that begins with this cell.
    private static func row(_ first: String, of lines: [String]) -> [String] {
        // Cells are two spaces apart.
        lines.map { line in line.split(separator: /\ \ +/).map(String.init) }.last { $0.first == first } ?? []
    }

    private static func upSeconds(in screen: String) -> Int {
        screen.firstMatch(of: /up (\d+) s;/).flatMap { Int($0.output.1) } ?? 0
    }
}
