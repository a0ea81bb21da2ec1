import ArgumentParser
import ControlAPI

struct Accounts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the accounts, the addresses of their hooks, and when each hook secret last proved a delivery.",
        discussion: """
            Paste the address into the forge's webhook, with the secret that the configuration names. Of two secrets, while one is being \
            rotated, the old one may go when only the new one proves deliveries.
            """)

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.show(.accounts, as: [AccountReply].self, text: Self.text)
    }

    static func text(_ accounts: [AccountReply]) -> String {
        var table = Table(["ACCOUNT", "KIND", "CREDENTIALS", "HOOK", "LAST PROVED DELIVERY"])
        for account in accounts {
            let credentials = account.credentials.isEmpty ? "none" : account.credentials.joined(separator: ", ")
            for hook in account.hooks {
                let own = hook.app.map { " (\($0) alone)" } ?? ""
                table.add([account.account, account.kind, credentials, hook.address + own, Self.proofs(hook)])
            }
            if account.hooks.isEmpty { table.add([account.account, account.kind, credentials, "-", "-"]) }
        }
        return table.text
    }

    private static func proofs(_ hook: AccountReply.HookReply) -> String {
        guard let last = hook.last_verified else { return "never" }
        guard hook.secrets.count > 1 else { return Terminal.localTime(last) }
        // Which of them it was is known only of those that came since.
        guard hook.secrets.contains(where: { $0.last_verified != nil }) else {
            return "\(Terminal.localTime(last)), before the configuration was read"
        }
        let each = hook.secrets.enumerated().map { number, secret in
            "secret \(number + 1) \(secret.last_verified.map(Terminal.localTime) ?? "not since the configuration was read")"
        }
        return each.joined(separator: ", ")
    }
}
