import ArgumentParser
import ControlAPI
import Domain

struct Log: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the output of a job.",
        discussion: """
            With --follow it goes on until the job has ended, and exits with 0 when it succeeded or was skipped, otherwise with 3. With \
            --json each line of output is an object of its own, with its step, and so is each beginning and end.
            """
    )

    @OptionGroup var named: JobArgument

    @Option(help: ArgumentHelp("Only this step.", valueName: "name"))
    var step: String?

    @Flag(name: [.short, .customLong("follow")], help: "Go on until the job has ended, and exit as it did.")
    var follow = false

    @Flag(help: "The bytes as they are, without headings; a terminal may misbehave.")
    var raw = false

    @OptionGroup var options: ReadOptions

    func validate() throws {
        guard !(raw && options.json) else { throw ValidationError("--raw and --json exclude each other") }
        guard step.map(NameText.isName) != false else {
            throw ValidationError("--step takes the name of a step; bittern show \(named.job) lists them")
        }
    }

    func run() async throws {
        try await JobLog(job: named.job, step: step, follow: follow, raw: raw, json: options.json)
            .show(over: ControlClient(options.connection))
    }
}
