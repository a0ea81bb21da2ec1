import ArgumentParser
import ControlAPI

struct Metrics: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the daemon's numbers as text for Prometheus.",
        discussion: "Totals count since the daemon's start. The same is GET /metrics on the control socket.")

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        Terminal.write(Array(try await ControlClient(connection).get(.metrics)))
    }
}
