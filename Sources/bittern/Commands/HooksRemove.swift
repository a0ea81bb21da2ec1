import ArgumentParser
import ControlAPI

struct HooksRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove this daemon's webhook, and no other.")

    @OptionGroup var places: HookPlaces
    @OptionGroup var options: ReadOptions

    func run() async throws {
        let order = ControlOrder.removeHooks(
            account: places.account.account, HooksRequest(places: places.places, newSecret: false))
        let data = try await ControlClient(options.connection, patience: nil).post(order)
        try HookChanges.show(try ReplyCoding.decode([HookChangeReply].self, from: data), options)
    }
}
