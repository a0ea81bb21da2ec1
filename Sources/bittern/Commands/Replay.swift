import ArgumentParser
import ControlAPI

struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a delivery through matching again.",
        discussion: """
            For a push that came before the configuration was right. That it came before does not count; whether its commit is still the \
            head of its branch does.
            """)

    @OptionGroup var named: DeliveryArgument
    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.order(.replay(named.delivery), as: ReplayReply.self, text: Self.text)
    }

    static func text(_ reply: ReplayReply) -> String {
        reply.results.isEmpty ? "Delivery \(reply.delivery) moved nothing." : DeliveryResults.text(reply.results)
    }
}
