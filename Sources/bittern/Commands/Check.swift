import ArgumentParser
import ControlAPI
import Daemon
import Domain

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration and say everything that is wrong with it.",
        discussion: """
            Prints each problem as FILE:LINE:COLUMN and exits with 2, or says what it read and exits with 0. With --replay it also asks the \
            daemon for its deliveries and lists those that would get another verdict under this configuration.
            """)

    @Argument(help: "The configuration file.", completion: .file())
    var file = "/etc/bittern/bittern.yaml"

    @Option(help: ArgumentHelp("Compare the verdicts of deliveries of the last 30d, say.", valueName: "time"))
    var replay: String?

    @OptionGroup var options: ReadOptions

    func run() async throws {
        let period = try replay.map { text in
            guard let period = DurationText.duration(text) else {
                throw Failure(.usage, "\"\(SafeText.shown(text, limit: 60))\" is no time; write 12h or 30d")
            }
            return period
        }
        let reading = LoadedConfiguration.reading(of: file)
        reading.problems.forEach { Terminal.tell($0.line) }
        if !options.json { reading.notChecked.forEach { Terminal.print("not checked: credential \($0)") } }
        guard let configuration = reading.configuration else { throw Failure(.usage, nil) }
        guard let period else {
            if options.json {
                try Terminal.printJSON(CheckReply(configuration, notChecked: reading.notChecked))
            } else {
                Terminal.print(Self.summary(of: configuration, file: file))
            }
            return
        }
        try await compare(configuration, since: WallClock.system.now.advanced(by: .zero - period))
    }

    private func compare(_ configuration: Configuration, since moment: Timestamp) async throws {
        let client = ControlClient(options.connection, patience: nil)
        let names = try await client.get(.repositoryNames, as: [String: RepositoryNames].self)
        var changed: [VerdictChange] = []
        var count = 0
        var before: Int64?
        while case let page = try await client.get(.deliveriesSince(moment, before: before), as: [DeliveryReply].self), let last = page.last
        {
            changed += page.flatMap { delivery in VerdictChange.all(in: delivery, under: configuration, names: names) }
            count += page.count
            before = Int64(last.id)
        }
        if options.json { return try Terminal.printJSON(changed) }
        guard !changed.isEmpty else {
            return Terminal.print("\(count) deliver\(count == 1 ? "y" : "ies") compared: each would get the verdict it got.")
        }
        var table = Table(["DELIVERY", "APP", "REF", "THEN", "UNDER THIS"])
        for change in changed {
            table.add([change.delivery, change.app, change.ref, change.then, change.now + (change.reason.map { ": \($0)" } ?? "")])
        }
        Terminal.print(table.text)
    }

    static func summary(of configuration: Configuration, file: String) -> String {
        let accounts = configuration.accounts.keys.sorted().joined(separator: ", ")
        let apps = configuration.apps.map { "\($0.name) (\($0.repository) to \($0.root))" }.joined(separator: ", ")
        return SafeText.shown("\(file) is fine; accounts: \(accounts); apps: \(apps.isEmpty ? "none" : apps)", limit: 4096)
    }
}

/// What `check --json` says of a configuration that can be used.
private struct CheckReply: Encodable {
    let accounts: [String]
    let apps: [String]
    let not_checked: [String]

    init(_ configuration: Configuration, notChecked: [String]) {
        accounts = configuration.accounts.keys.sorted()
        apps = configuration.apps.map(\.name)
        not_checked = notChecked
    }
}

/// A change of a stored delivery that another configuration would judge otherwise.
struct VerdictChange: Encodable {
    let delivery: String
    let app: String
    let ref: String
    /// `deploy`, `ignore` or `no such app`.
    let then: String
    let now: String
    /// Why it would be ignored.
    @Nullable var reason: String?

    static func all(
        in delivery: DeliveryReply, under configuration: Configuration, names: [String: RepositoryNames]
    ) -> [VerdictChange] {
        delivery.pushes.enumerated().flatMap { place, push -> [VerdictChange] in
            let before = delivery.results(ofChange: place)
            let after = Dictionary(configuration.explanations(of: push, names: names).map { ($0.app, $0) }) { first, _ in first }
            return Set(before.keys).union(after.keys).sorted().compactMap { app in
                let then = before[app].map(\.decision) ?? "no such app"
                let now = after[app].map { $0.refusal == nil ? "deploy" : "ignore" } ?? "no such app"
                // An app of another repository, or one that was not there, ignored it then too.
                let same = then == now || (then != "deploy" && now != "deploy")
                guard !same else { return nil }
                return VerdictChange(
                    delivery: delivery.id, app: app, ref: push.ref.refText, then: then, now: now, reason: after[app]?.refusal)
            }
        }
    }
}
