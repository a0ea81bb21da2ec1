import ArgumentParser
import ControlAPI

struct HooksList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the webhooks there are, ours and others'.")

    @OptionGroup var places: HookPlaces
    @OptionGroup var options: ReadOptions

    func run() async throws {
        let path = ControlPath.forgeHooks(account: places.account.account, places: places.places)
        try await options.show(path, as: [ForgeHookReply].self, patience: nil, text: Self.text)
    }

    static func text(_ hooks: [ForgeHookReply]) -> String {
        var table = Table(["PLACE", "HOOK", "NAME", "OURS", "ACTIVE", "SECRET", "EVENTS"])
        for hook in hooks {
            let secret = hook.secret_set.map { $0 ? "set" : "none" } ?? "not known"
            table.add([
                hook.place, hook.url, hook.name, hook.ours ? "yes" : "no", hook.active ? "yes" : "no", secret,
                hook.events.joined(separator: ", "),
            ])
        }
        return table.text
    }
}
