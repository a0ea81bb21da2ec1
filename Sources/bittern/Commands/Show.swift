import ArgumentParser
import ControlAPI
import Domain

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one job with its steps.")

    @OptionGroup var named: JobArgument

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.show(.job(named.job), as: JobReply.self, text: Self.text)
    }

    static func text(_ job: JobReply) -> String {
        var facts = Table(["job \(job.id)", "\(job.app), \(job.state)"])
        facts.add(["reason", job.reason ?? "-"])
        facts.add(["commit", job.commit])
        if let subject = job.subject { facts.add(["subject", subject]) }
        facts.add(["ref", job.ref ?? "-"])
        facts.add(["repository", job.repository])
        facts.add(["cause", job.cause + (job.by.map { " by \($0)" } ?? "")])
        facts.add(["delivery", job.delivery ?? "-"])
        facts.add(["release", job.release.map(String.init) ?? "-"])
        facts.add(["attempt", String(job.attempt)])
        facts.add(["tree", job.tree ?? "-"])
        facts.add(["configuration", job.configuration_hash.map { String($0.prefix(12)) } ?? "-"])
        facts.add(["queued", Terminal.localTime(job.queued_at)])
        facts.add(["started", Terminal.localTime(job.started_at)])
        facts.add(["finished", Terminal.localTime(job.finished_at)])
        guard !job.steps.isEmpty else { return ([facts.text] + next(job)).joined(separator: "\n\n") }
        // Only where steps are units does anybody know.
        let isCounted = job.steps.contains { $0.cpu_ms != nil || $0.memory_peak != nil }
        var steps = Table(["STEP", "STATE", "EXIT", "STARTED", "TOOK"] + (isCounted ? ["CPU", "MEMORY"] : []))
        for step in job.steps {
            let exit = step.exit_status.map(String.init) ?? step.signal.map { "signal \($0)" } ?? "-"
            steps.add(
                [step.name, step.state, exit, Terminal.localTime(step.started_at), Self.took(step)] + (isCounted ? Self.usage(step) : []))
        }
        return ([facts.text, steps.text] + next(job)).joined(separator: "\n\n")
    }

    /// What people mostly want then.
    private static func next(_ job: JobReply) -> [String] {
        switch job.state {
        case "queued": ["bittern status says what it waits for; bittern cancel \(job.id) takes it out of the queue."]
        case "running": ["bittern log \(job.id) -f follows it; bittern cancel \(job.id) ends it."]
        case "failed" where !job.steps.isEmpty:
            ["bittern log \(job.id) shows what its steps wrote; bittern retry \(job.id) does the same again."]
        default: []
        }
    }

    private static func usage(_ step: StepReply) -> [String] {
        [step.cpu_ms.map { Terminal.took(milliseconds: $0) } ?? "not known", step.memory_peak.map { "\($0 >> 20) MB" } ?? "not known"]
    }

    private static func took(_ step: StepReply) -> String {
        guard let began = Timestamp(rfc3339: step.started_at), let ended = step.finished_at.flatMap({ Timestamp(rfc3339: $0) }) else {
            return "-"
        }
        return Terminal.took(milliseconds: ended.since(began).wholeMilliseconds)
    }
}
