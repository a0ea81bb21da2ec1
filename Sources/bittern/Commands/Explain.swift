import ArgumentParser
import ControlAPI
import Daemon
import Domain

struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say for each app, rule by rule, why a push is deployed or not.",
        discussion: """
            Name a delivery (bittern deliveries lists them), or think of a push: --repository with --branch or --tag. With --config the answer \
            is that of a configuration which is not loaded yet. Nothing is changed.
            """)

    @Argument(help: "The delivery's number.", completion: .custom { _, _, _ in await Completion.deliveries() })
    var delivery: Int64?

    @Option(help: ArgumentHelp("The repository that is pushed to.", valueName: "owner/name"))
    var repository: String?

    @Option(help: ArgumentHelp("The branch that is pushed.", valueName: "name"))
    var branch: String?

    @Option(help: ArgumentHelp("The tag that is pushed.", valueName: "name"))
    var tag: String?

    @Option(name: .customLong("path"), help: ArgumentHelp("A file that the push changes; may be given several times.", valueName: "file"))
    var paths: [String] = []

    @Option(help: ArgumentHelp("The account whose hook it comes to; default: any.", valueName: "name"))
    var account: String?

    @Option(help: ArgumentHelp("Ask this configuration file, not the daemon's.", valueName: "file"), completion: .file())
    var config: String?

    @Flag(help: "Also show the apps of other repositories.")
    var all = false

    @OptionGroup var options: ReadOptions

    func validate() throws {
        guard (delivery != nil) != (repository != nil) else { throw ValidationError("name a delivery, or --repository") }
        if delivery != nil {
            let others = [branch, tag, account].contains { $0 != nil } || !paths.isEmpty
            guard !others else { throw ValidationError("a delivery says its own branch, tag and account") }
        } else {
            guard (branch != nil) != (tag != nil) else { throw ValidationError("name the branch or the tag that is pushed") }
        }
    }

    func run() async throws {
        let explanations = try await explanations()
        if options.json {
            try Terminal.printJSON(explanations)
        } else if explanations.isEmpty, let delivery,
            let reason = try await ControlClient(options.connection).get(.delivery(delivery), as: DeliveryReply.self).reason
        {
            Terminal.print("Delivery \(delivery) was refused, and no push was read from it: \(SafeText.shown(reason)).")
        } else {
            Terminal.print(Self.text(explanations, all: all))
        }
    }

    private func explanations() async throws -> [ExplanationReply] {
        let client = ControlClient(options.connection)
        if let delivery {
            guard let config else { return try await client.get(.explanation(delivery: delivery), as: [ExplanationReply].self) }
            let configuration = try LoadedConfiguration.read(config)
            let stored = try await client.get(.delivery(delivery), as: DeliveryReply.self)
            let names = try await client.get(.repositoryNames, as: [String: RepositoryNames].self)
            return stored.pushes.flatMap { push in
                configuration.explanations(of: push, names: names).map { ExplanationReply($0, of: push) }
            }
        }
        let request = ExplainRequest(
            repository: repository ?? "", branch: branch, tag: tag, paths: paths.isEmpty ? nil : paths, account: account)
        guard let config else { return try ReplyCoding.decode([ExplanationReply].self, from: try await client.post(.explain(request))) }
        let configuration = try LoadedConfiguration.read(config)
        if let sentence = request.unknownAccount(in: configuration) { throw Failure(.notFound, sentence) }
        guard let push = request.push else { return [] }
        return configuration.explanations(of: push).map { ExplanationReply($0, of: push) }
    }

    static func text(_ explanations: [ExplanationReply], all: Bool) -> String {
        guard !explanations.isEmpty else { return "No push was read from it, so there is nothing to match." }
        // Those that fail at the repository have nothing to do with it; they are only counted.
        let shown = explanations.filter { all || $0.rules.last?.name != "repository is the app's" || $0.rules.last?.passed == true }
        let rest = explanations.count - shown.count
        var parts = shown.isEmpty ? ["No app deploys this repository (bittern apps lists what they deploy)."] : shown.map(text)
        if rest > 0 {
            parts.append(
                "\(rest) app\(rest == 1 ? " deploys another repository" : "s deploy other repositories") (--all shows \(rest == 1 ? "it" : "them"))."
            )
        }
        return parts.joined(separator: "\n\n")
    }

    private static func text(_ explanation: ExplanationReply) -> String {
        let commit = explanation.commit.map { " at \($0.prefix(7))" } ?? ""
        var lines = [SafeText.shown("\(explanation.app): \(explanation.ref)") + commit]
        let width = explanation.rules.map(\.name.count).max() ?? 0
        for rule in explanation.rules {
            let name = rule.name + String(repeating: " ", count: width - rule.name.count)
            lines.append("  \(rule.passed ? "pass" : "FAIL")  \(name)  \(SafeText.shown(rule.seen))")
        }
        lines.append("  \(explanation.verdict == "deploy" ? "It is deployed" : "It is ignored: \(explanation.reason ?? "")").")
        if let hold = explanation.hold, explanation.verdict == "deploy" {
            lines.append("  Its job waits: the app is held\(holdText(hold)).")
        }
        if let then = explanation.then { lines.append("  When it came: \(thenText(then, explanation.job)).") }
        return lines.joined(separator: "\n")
    }

    private static func holdText(_ hold: HoldReply) -> String {
        (hold.until.map { " until \(Terminal.localTime($0))" } ?? "") + (hold.reason.map { ", \(SafeText.shown($0))" } ?? "")
    }

    private static func thenText(_ then: DeliveryReply.Result, _ job: JobReply?) -> String {
        guard let number = then.job else { return "ignored, \(SafeText.shown(then.reason ?? ""))" }
        guard let job else { return "queued as job \(number)" }
        let became =
            switch job.state {
            case "queued": "still waits"
            case "running": "still runs"
            case "succeeded", "failed": job.state
            case let state: "was \(state)"
            }
        return "queued as job \(number), which \(became)" + (job.reason.map { ": \(SafeText.shown($0))" } ?? "")
    }
}
