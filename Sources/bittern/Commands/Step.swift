import ArgumentParser
import Glibc
import Runner

/// For the runner alone: it speaks through its descriptors and its exit status.
struct Step: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Supervise one step; started by the runner.", shouldDisplay: false)

    func run() async throws {
        Glibc.exit(await StepProcess.run())
    }
}
