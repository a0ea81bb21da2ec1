import ArgumentParser
import ControlAPI
import Domain

/// The argument of every command that is about one app.
struct AppArgument: ParsableArguments {
    @Argument(help: "The app's name.", completion: .custom { _, _, _ in await Completion.apps() })
    var app: String

    func validate() throws {
        try Self.check(app)
    }

    /// A bad name is no question for the daemon, and must not become part of a request's path.
    static func check(_ name: String) throws {
        guard NameText.isName(name) else { throw ValidationError("\"\(name)\" is not the name of an app; bittern apps lists them") }
    }
}

/// The argument of every command that is about one account.
struct AccountArgument: ParsableArguments {
    @Argument(help: "The account's name.", completion: .custom { _, _, _ in await Completion.accounts() })
    var account: String

    func validate() throws {
        guard NameText.isName(account) else {
            throw ValidationError("\"\(SafeText.shown(account, limit: 80))\" is not the name of an account; bittern accounts lists them")
        }
    }
}

/// The argument of every command that is about one job.
struct JobArgument: ParsableArguments {
    @Argument(help: "The job's number.", completion: .custom { _, _, _ in await Completion.jobs() })
    var job: Int64
}

/// The argument of every command that is about one delivery.
struct DeliveryArgument: ParsableArguments {
    @Argument(help: "The delivery's number.", completion: .custom { _, _, _ in await Completion.deliveries() })
    var delivery: Int64
}

/// How much of a list is wanted.
struct LimitOption: ParsableArguments {
    @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
    var limit = 20

    func validate() throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit takes a number from 1 to 10000") }
    }
}

/// Which commit of an app is meant.
struct TargetOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The head of this branch.", valueName: "name"))
    var branch: String?

    @Option(help: ArgumentHelp("The commit of this tag.", valueName: "name"))
    var tag: String?

    @Option(help: ArgumentHelp("This commit, with all its digits; the branch or tag must hold it.", valueName: "id"))
    var commit: String?

    var request: DeployRequest { DeployRequest(branch: branch, tag: tag, commit: commit) }

    func validate() throws {
        guard branch == nil || tag == nil else { throw ValidationError("name a branch or a tag, not both") }
        try Self.check(commit: commit)
    }

    static func check(commit: String?) throws {
        guard let commit, CommitID(commit) == nil else { return }
        throw ValidationError("\"\(SafeText.shown(commit, limit: 80))\" is not a whole commit; give all 40 or 64 digits (git rev-parse)")
    }

    var isEmpty: Bool { branch == nil && tag == nil && commit == nil }
}

/// Whether the command waits for the job it queued.
struct WaitOption: ParsableArguments {
    @Flag(help: "Show the job's output until it has ended, and exit as it did.")
    var wait = false

    /// - Parameter options: with `--json` nothing but JSON is printed, so the job is awaited in silence.
    func follow(_ job: Int64, _ options: ReadOptions) async throws {
        guard wait else { return }
        try await JobLog(job: job, follow: true, isSilent: options.json).show(over: ControlClient(options.connection))
    }
}

/// What a shell offers for an argument: the daemon is asked, and where none answers nothing is offered.
enum Completion {
    static func apps() async -> [String] {
        await ask(.apps, as: [AppReply].self).map(\.app)
    }

    static func accounts() async -> [String] {
        await ask(.accounts, as: [AccountReply].self).map(\.account)
    }

    static func jobs() async -> [String] {
        await ask(.jobs(app: nil, state: nil, limit: 50), as: [JobReply].self).map { String($0.id) }
    }

    static func deliveries() async -> [String] {
        await ask(.deliveries(limit: 50), as: [DeliveryReply].self).map(\.id)
    }

    private static func ask<Reply: Decodable>(_ path: ControlPath, as type: [Reply].Type) async -> [Reply] {
        // A shell that completes shows no errors.
        let client = ControlClient(socket: ConnectionOptions.usualPath, patience: .seconds(2))
        return (try? await client.get(path, as: type)) ?? []
    }
}
