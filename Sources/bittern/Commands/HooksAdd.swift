import ArgumentParser
import ControlAPI

struct HooksAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Register this daemon's webhook.",
        discussion: """
            Where there is one already, only what differs is changed, and its secret is left as it is. Bitbucket Data Center is then asked \
            for its connection test. Exits with 1 when it could not be done everywhere.
            """)

    @OptionGroup var places: HookPlaces

    @Flag(help: "Set the secret also where there is a hook already, as after it was rotated.")
    var newSecret = false

    @OptionGroup var options: ReadOptions

    func run() async throws {
        let order = ControlOrder.addHooks(
            account: places.account.account, HooksRequest(places: places.places, newSecret: newSecret))
        let data = try await ControlClient(options.connection, patience: nil).post(order)
        try HookChanges.show(try ReplyCoding.decode([HookChangeReply].self, from: data), options)
    }
}
