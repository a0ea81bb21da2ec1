import Foundation
import RealParts
import Testing

/// What somebody does in the first days, who has only the README and `--help`: at a terminal, with what the screen named before.
@Suite(.fewAtOnce) struct WalkTests {
    @Test(
        "install the demo, break a build and see why, roll back, hold over a weekend, and find out why a push was ignored")
    func walk() async throws {
        try await Self.withDemo { terminal in
            try await terminal.sees("bittern status", ["APP", "Hello again (release 2)", "2 succeeded"])
            try await breaksABuild(terminal)
            try await rollsBack(terminal)
            try await holdsOverAWeekend(terminal)
            try await findsOutWhyAPushWasIgnored(terminal)
        }
    }

    private func breaksABuild(_ terminal: TerminalScreen) async throws {
        try await terminal.sees("git mv page.html start.html && git commit --quiet -m 'Rename the page' && git push --quiet origin main")
        try await terminal.sees("bittern simulate push site", ["Delivery 3 was answered 202.", "queued   3"])
        // The status names the command that says why.
        let watching = try await terminal.begin("bittern status --watch")
        let status = try await terminal.waitFor("  bittern log 3 shows what its steps wrote")
        #expect(status.contains("\njob 3 of site failed: step \"render\" exited with status 2\n"), "\(status)")
        try await terminal.press(.ctrlC)
        #expect(try await terminal.answer(watching).status == 0)
        let log = try await terminal.sees("bittern log 3", ["==> render", "page.html: No such file or directory"])
        #expect(log.text.hasSuffix("==> failed: step \"render\" exited with status 2"), "\(log)")
        // Nothing of it went live.
        try await terminal.sees("cat $BITTERN_DEMO/srv/site/current/index.html", ["<h1>Hello again</h1>"])
    }

    private func rollsBack(_ terminal: TerminalScreen) async throws {
        try await terminal.sees("bittern --help", ["rollback                Put a kept release live again, without building."])
        try await terminal.sees("bittern help rollback", ["--wait", "default: the good one that was live before"])
        try await terminal.sees("bittern releases site", ["failed", "live", "good"])
        let back = try await terminal.sees("bittern rollback site --wait", ["Job 4 is queued: site goes back to release 1."])
        #expect(back.text.hasSuffix(" is live again as release 1"), "\(back)")
        try await terminal.sees("cat $BITTERN_DEMO/srv/site/current/index.html", ["<h1>Hello</h1>"])
    }

    private func holdsOverAWeekend(_ terminal: TerminalScreen) async throws {
        try await terminal.sees("bittern help hold", [#""Mon 08:00""#, "--reason"])
        let held = try await terminal.sees(#"bittern hold site --until "Mon 08:00" --reason "nobody is in""#)
        let day = try #require(
            held.text.wholeMatch(of: /site is held until (\d+-\d\d-\d\d) 08:00:00 UTC; bittern resume site lets it go\./), "\(held)"
        ).output.1
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        #expect(calendar.component(.weekday, from: try Date("\(day)T08:00:00Z", strategy: .iso8601)) == 2)
        try await terminal.sees("git mv start.html page.html && git commit --quiet -m 'Mend it' && git push --quiet origin main")
        try await terminal.sees("bittern simulate push site", ["queued   5"])
        try await terminal.sees(
            "bittern status",
            [
                "site (held)", "site is held by \(user) until \(day) 08:00:00 UTC: nobody is in", "  bittern resume site lets it go",
                "5 queued", "WAITS",
            ])
        try await terminal.sees("bittern resume site", ["site is no longer held."])
        let log = try await terminal.sees("bittern log 5 -f")
        #expect(log.text.hasSuffix(" is live as release 5"), "\(log)")
    }

    private func findsOutWhyAPushWasIgnored(_ terminal: TerminalScreen) async throws {
        try await terminal.sees("git push --quiet origin main:next")
        try await terminal.sees("bittern simulate push site --branch next", ["ignored  -    branch next does not match main"])
        try await terminal.sees("bittern deliveries --limit 1", ["branch next does not"])
        try await terminal.sees("bittern delivery 5", ["bittern explain 5 shows each rule"])
        try await terminal.sees(
            "bittern explain 5",
            [
                "pass  repository is the app's  acme/site", "FAIL  branch is deployed       next",
                "It is ignored: branch next does not match main.",
            ])
    }

    @Test(
        "give a colleague access: one deploys, one only looks, and a stranger is told what to do",
        .enabled("becoming other users takes root, and a bittern they may run") { try await Self.canBeOthers() })
    func colleague() async throws {
        try await withSite { site in
            _ = try await site.deploy(["a": "1"])
            let setup = site.daemon.setup
            let app = setup.path("apps.d/shop.yaml")
            let bittern = try BitternBinary.path()
            // Those in the socket's group get as far as the socket, as they do in /run/bittern.
            try FileManager.default.setAttributes([.posixPermissions: 0o711], ofItemAtPath: setup.directory)
            try await site.terminal { terminal in
                // The key is wrong by a letter: the check says where, and what was meant.
                _ = try await terminal.run("echo 'operator: [games]' >> \(app)")
                let wrong = try await terminal.run("bittern check \(setup.configurationFile)")
                #expect(wrong.status == 2 && wrong.text.contains("shop.yaml:6:1: error: ") && wrong.text.contains("operators"), "\(wrong)")
                let refused = try await terminal.run("bittern reload")
                #expect(refused.status == 2 && refused.text.contains("operators"), "\(refused)")
                _ = try await terminal.run("sed -i 's/^operator:/operators:/' \(app)")
                try await terminal.sees("bittern check \(setup.configurationFile)", ["is fine"])
                try await terminal.sees("bittern reload", ["Reloaded: app changed: shop."])

                let games = "setpriv --reuid games --regid games --groups 0 \(bittern)"
                try await terminal.sees("\(games) deploy shop --wait", ["Job 2 is queued: shop at ", "is live as release 2"])
                try await terminal.sees("bittern show 2", ["manual by games"])

                let news = "setpriv --reuid news --regid news --groups 0 \(bittern)"
                try await terminal.sees("\(news) status", ["2 succeeded"])
                for command in ["deploy shop", "rollback shop", "hold shop", "resume shop", "cancel 2", "retry 2"] {
                    let answer = try await terminal.run("\(news) \(command)")
                    let word = "bittern: news is none of the operators of shop (they are the group games); ask one of them, or "
                    #expect(answer.status == 1 && answer.text.hasPrefix(word), "\(command): \(answer)")
                }

                let stranger = try await terminal.run("setpriv --reuid news --regid news --clear-groups \(bittern) status")
                #expect(stranger.status == 1 && stranger.text.contains("its group may (sudo, or become a member)"), "\(stranger)")
            }
        }
    }

    // Words.

    /// The demo as `make demo KEEP=1` starts it, in a terminal of its own; what it says is to be tried in another one is typed there.
    private static func withDemo(_ body: (TerminalScreen) async throws -> Void) async throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
        try await withTemporaryDirectory { directory in
            let environment = ["KEEP": "1", "TMPDIR": directory.path, "PORT": "\(try FreePort.next())"]
            try await TerminalScreen.open(environment: environment) { demo in
                let number = try await demo.begin("cd \(root) && sh packaging/demo.sh \(try BitternBinary.path())")
                try await demo.waitFor("\nWhat there is besides: ")
                let said = try await demo.transcript.split(separator: "\n").map { $0.drop { $0 == " " } }
                let export = try #require(said.first { $0.hasPrefix("export BITTERN_SOCKET=") })
                let enter = try #require(said.first { $0.hasPrefix("cd ") })
                try await TerminalScreen.open(environment: GitOrigin.environment) { terminal in
                    try await terminal.sees("\(export)")
                    try await terminal.sees("\(enter); BITTERN_DEMO=$(dirname $PWD)")
                    try await body(terminal)
                }
                try await demo.press(.ctrlC)
                #expect(try await demo.answer(number).status == 0)
                #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
            }
        }
    }

    private static func canBeOthers() async throws -> Bool {
        guard geteuid() == 0 else { return false }
        for name in ["games", "news"] {
            let become = ["setpriv", "--reuid", name, "--regid", name, "--clear-groups"]
            guard try await Shell.run(become + [try BitternBinary.path(), "--version"]).status == 0 else { return false }
        }
        return true
    }
}

extension TerminalScreen {
    /// Runs a command that does what it is asked, and looks for what a person is to see of it.
    @discardableResult
    fileprivate func sees(_ command: String, _ texts: [String] = []) async throws -> Answer {
        let answer = try await run(command)
        #expect(answer.status == 0, "\(command): \(answer)")
        for text in texts { #expect(answer.text.contains(text), "\(text) of \(command): \(answer)") }
        return answer
    }
}
