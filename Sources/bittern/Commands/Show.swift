import ArgumentParser
import ControlAPI

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one job with its steps.")

    @Argument(help: "The job's number.")
    var job: Int64

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.show(.job(job), as: JobReply.self, text: Self.text)
    }

    static func text(_ job: JobReply) -> String {
        var facts = Table(["job \(job.id)", "\(job.app), \(job.state)"])
        facts.add(["reason", job.reason ?? "-"])
        facts.add(["commit", job.commit])
        facts.add(["ref", job.ref ?? "-"])
        facts.add(["repository", job.repository])
        facts.add(["cause", job.cause + (job.by.map { " by \($0)" } ?? "")])
        facts.add(["delivery", job.delivery ?? "-"])
        facts.add(["release", job.release.map(String.init) ?? "-"])
        facts.add(["attempt", String(job.attempt)])
        facts.add(["queued", Terminal.localTime(job.queued_at)])
        facts.add(["started", Terminal.localTime(job.started_at)])
        facts.add(["finished", Terminal.localTime(job.finished_at)])
        guard !job.steps.isEmpty else { return facts.text }
        var steps = Table(["STEP", "STATE", "EXIT", "STARTED", "FINISHED"])
        for step in job.steps {
            let exit = step.exit_status.map(String.init) ?? step.signal.map { "signal \($0)" } ?? "-"
            steps.add([step.name, step.state, exit, Terminal.localTime(step.started_at), Terminal.localTime(step.finished_at)])
        }
        return facts.text + "\n\n" + steps.text
    }
}
