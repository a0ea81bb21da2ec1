import ArgumentParser
import ControlAPI

struct Hooks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Register this daemon's webhooks at the forge.",
        discussion: """
            Only hooks that lead to this daemon, by their address, are ever changed or removed. A place is a repository (workspace/slug or \
            PROJECT/slug), or a workspace or project, for all of its repositories; by default the repositories of the account's apps.
            """,
        subcommands: [HooksList.self, HooksAdd.self, HooksRemove.self])
}

/// Where hooks are looked for, registered or removed.
struct HookPlaces: ParsableArguments {
    @OptionGroup var account: AccountArgument

    @Argument(help: "Repositories, workspaces or projects.")
    var places: [String] = []
}

/// What was done, place by place.
enum HookChanges {
    static func show(_ replies: [HookChangeReply], _ options: ReadOptions) throws {
        if options.json {
            try Terminal.printJSON(replies)
        } else {
            var table = Table(["PLACE", "HOOK", "DONE", "WHY"])
            for reply in replies {
                let why = (reply.reasons + [reply.test].compactMap(\.self)).joined(separator: "; ")
                table.add([reply.place, reply.url, reply.done.rawValue, why])
            }
            Terminal.print(table.text)
        }
        let failed = replies.count { $0.done == .failed }
        guard failed == 0 else { throw Failure(.failed, "\(failed) of \(replies.count) could not be done; see above") }
    }
}
