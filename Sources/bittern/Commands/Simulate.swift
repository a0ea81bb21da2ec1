import ArgumentParser
import ControlAPI

struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Try what the forge would do.", subcommands: [Push.self])

    struct Push: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send the daemon a signed delivery, through the listener that hears the forge.",
            discussion: """
                Without --commit it tells of the head of the branch, which the forge is asked for. What was told before is known, as \
                of the forge: it makes no second job. What comes of it is what would come of a \
                real push: a job, when the branch is one that the app deploys.
                """)

        @OptionGroup var named: AppArgument

        @Option(help: ArgumentHelp("The branch that moves; default: the app's first without wildcards.", valueName: "name"))
        var branch: String?

        @Option(help: ArgumentHelp("Where it moves to, with all digits; default: where it is.", valueName: "id"))
        var commit: String?

        @OptionGroup var options: ReadOptions

        func validate() throws {
            try TargetOptions.check(commit: commit)
        }

        func run() async throws {
            let request = DeployRequest(branch: branch, tag: nil, commit: commit)
            try await options.order(.simulate(app: named.app, request), as: DeliveryReply.self) { delivery in
                "Delivery \(delivery.id) was answered \(delivery.answer).\n\n" + DeliveryResults.text(delivery.results)
            }
        }
    }
}
