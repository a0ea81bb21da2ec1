import ArgumentParser
import ControlAPI
import Domain
import Glibc

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the daemon, its queue, and what is live for each app.",
        discussion: "With --watch it is shown anew every second until Ctrl-C; where no terminal is, whenever something changed.")

    @Flag(help: "Go on and show what changes.")
    var watch = false

    @OptionGroup var options: ReadOptions

    func run() async throws {
        guard watch else { return try await options.show(.status, as: StatusReply.self) { Self.text($0) } }
        try await watchStatus()
    }

    private func watchStatus() async throws {
        let client = ControlClient(options.connection)
        let interrupt = Interrupt {
            if Terminal.isInteractive { Terminal.write(Array("\u{1B}[?25h\n".utf8)) }
            Glibc.exit(0)
        }
        defer { interrupt.cancel() }
        if Terminal.isInteractive { Terminal.write(Array("\u{1B}[?25l\u{1B}[2J".utf8)) }
        defer { if Terminal.isInteractive { Terminal.write(Array("\u{1B}[?25h".utf8)) } }
        var last = ""
        while !Task.isCancelled {
            let data = try await client.get(.status)
            let reply = try ReplyCoding.decode(StatusReply.self, from: data)
            if Terminal.isInteractive, !options.json {
                Terminal.redraw(Self.text(reply))
            } else {
                // The moment of the reply is no news.
                let news = Self.text(reply, tellsTimes: false)
                if news != last { options.json ? Terminal.write(Array(data) + [0x0A]) : Terminal.print(Self.text(reply)) }
                last = news
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// - Parameter tellsTimes: whether what changes with the clock alone is said.
    static func text(_ status: StatusReply, tellsTimes: Bool = true) -> String {
        let now = Timestamp(rfc3339: status.now)
        let up = tellsTimes ? "up \(Age.text(since: status.started_at, now))" : "up"
        let head =
            "bittern \(status.version), \(up); \(status.workers) worker\(status.workers == 1 ? "" : "s"), \(status.running) running, "
            + "\(status.queued) queued"
        guard !status.apps.isEmpty else { return head + "\n\nNo apps are configured." }
        var table = Table(["APP", "LIVE", "SINCE", "LAST JOB"])
        for app in status.apps {
            table.add([
                app.held ? "\(app.app) (held)" : app.app, live(app), since(app, now, tellsTimes), lastJob(app, now, tellsTimes),
            ])
        }
        var parts = [head, table.text]
        let held = status.apps.compactMap { app in app.hold.map(Self.held) }
        if !held.isEmpty { parts.append(held.joined(separator: "\n")) }
        if let running = running(status, now, tellsTimes) { parts.append(running) }
        if let queue = queue(status, now, tellsTimes) { parts.append(queue) }
        // Mostly one disk is short for all of them.
        let waits = Set(status.apps.compactMap(\.waits)).sorted()
        if !waits.isEmpty { parts.append(waits.map { "Jobs wait: \($0)." }.joined(separator: "\n")) }
        let failed = status.apps.compactMap { $0.last_job.flatMap(Self.failed) }
        if !failed.isEmpty { parts.append(failed.joined(separator: "\n")) }
        return parts.joined(separator: "\n\n")
    }

    private static func live(_ app: StatusReply.AppStatus) -> String {
        guard let live = app.live else { return "nothing yet" }
        let subject = app.live_subject.map { " \(Table.cut($0, to: 30))" } ?? ""
        return "\(live.commit.prefix(7))\(subject) (release \(live.id))"
    }

    private static func since(_ app: StatusReply.AppStatus, _ now: Timestamp?, _ tellsTimes: Bool) -> String {
        guard let moment = app.live?.activated_at ?? app.live?.created_at else { return "-" }
        return tellsTimes ? "\(Age.text(since: moment, now)) ago" : Terminal.localTime(moment)
    }

    private static func lastJob(_ app: StatusReply.AppStatus, _ now: Timestamp?, _ tellsTimes: Bool) -> String {
        guard let job = app.last_job else { return "none yet" }
        let what = "\(job.id)\(job.cause == "rollback" ? " rollback" : "") \(job.state)"
        guard tellsTimes, let end = job.finished_at else { return what }
        return "\(what) \(Age.text(since: end, now)) ago"
    }

    private static func held(_ hold: HoldReply) -> String {
        let by = hold.by.map { " by \(SafeText.shown($0))" } ?? ""
        let until = hold.until.map { " until \(Terminal.localTime($0))" } ?? ""
        let why = hold.reason.map { ": \(SafeText.shown($0))" } ?? ""
        return lines("\(hold.app) is held\(by)\(until)\(why)") + "\n  bittern resume \(hold.app) lets it go"
    }

    /// Why the last job of an app failed, and where to read more.
    private static func failed(_ job: JobReply) -> String? {
        guard job.state == "failed" else { return nil }
        return lines("job \(job.id) of \(job.app) failed: \(SafeText.shown(job.reason ?? ""))")
            + "\n  bittern log \(job.id) shows what its steps wrote"
    }

    private static func lines(_ sentence: String) -> String {
        Terminal.folded(sentence).joined(separator: "\n")
    }

    private static func running(_ status: StatusReply, _ now: Timestamp?, _ tellsTimes: Bool) -> String? {
        guard !status.running_jobs.isEmpty else { return nil }
        var table = Table(["RUNNING", "APP", "COMMIT", "FROM", "STEP", "FOR", "USUALLY"])
        for job in status.running_jobs {
            let usual = status.apps.first { $0.app == job.app }?.usual_ms
            table.add([
                String(job.id), job.app, String(job.commit.prefix(7)), Terminal.ref(job.ref),
                job.steps.last { $0.state == "running" }?.name ?? "-",
                tellsTimes ? job.started_at.map { Age.text(since: $0, now) } ?? "-" : "",
                usual.map { Age.text(of: .milliseconds($0)) } ?? "-",
            ])
        }
        return table.text
    }

    private static func queue(_ status: StatusReply, _ now: Timestamp?, _ tellsTimes: Bool) -> String? {
        guard !status.queue.isEmpty else { return nil }
        var table = Table(["QUEUED", "APP", "COMMIT", "FROM", "FOR", "WAITS"])
        for queued in status.queue {
            let job = queued.job
            table.add([
                String(job.id), job.app, String(job.commit.prefix(7)), Terminal.ref(job.ref),
                tellsTimes ? Age.text(since: job.queued_at, now) : "", queued.waits,
            ])
        }
        let rest = status.queued - status.queue.count
        return table.text + (rest > 0 ? "\nand \(rest) more" : "")
    }
}

/// How long ago, as people say it: in one unit, not more exact than anybody wants.
enum Age {
    static func text(since rfc3339: String, _ now: Timestamp?) -> String {
        guard let now, let moment = Timestamp(rfc3339: rfc3339) else { return "?" }
        return text(of: now.since(moment))
    }

    static func text(of duration: Duration) -> String {
        let seconds = max(0, duration.wholeMilliseconds / 1000)
        return switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3600) h"
        default: "\(seconds / 86_400) days"
        }
    }
}
