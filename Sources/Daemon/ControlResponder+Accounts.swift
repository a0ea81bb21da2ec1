import ControlAPI
import Domain
import Hummingbird
import Providers
import ServiceLifecycle

/// What is asked of forges, and done there.
extension ControlResponder {
    func addAccounts(to router: Router<ControlContext>) {
        router.get("/accounts/:account/test") { _, context in
            let account = try account(context)
            let test = AccountTest(forges: forges, mirrors: mirrors)
            let configuration = configuration
            return try Self.reply(try await asking { await test.findings(account, in: configuration) }.map(FindingReply.init))
        }
        router.get("/accounts/:account/repositories") { request, context in
            try await repositories(of: account(context), request.uri.queryParameters)
        }
        router.get("/accounts/:account/branches") { request, context in
            try await branches(of: account(context), request.uri.queryParameters)
        }
        router.get("/accounts/:account/hooks") { request, context in
            let account = try account(context)
            let places = try places(request.uri.queryParameters.getAll("place").map { String($0) }, of: account)
            return try Self.reply(try await registering(account) { try await $0.list(places) })
        }
        router.post("/accounts/:account/hooks") { request, context in
            let account = try account(for: context)
            let order = try await Self.body(of: request, as: HooksRequest.self)
            let wanted = try wantedHooks(at: places(order.places, of: account), of: account)
            let replies = try await registering(account) { await $0.add(wanted, setsSecret: order.new_secret) }
            reporter.hooksChanged(
                account: account.name, replies.filter { $0.done == .added || $0.done == .changed }.map(\.place), by: context.requester.name)
            return try Self.reply(replies)
        }
        router.post("/accounts/:account/hooks/remove") { request, context in
            let account = try account(for: context)
            let order = try await Self.body(of: request, as: HooksRequest.self)
            let places = try places(order.places, of: account)
            let replies = try await registering(account) { await $0.remove(places) }
            reporter.hooksRemoved(account: account.name, replies.filter { $0.done == .removed }.map(\.place), by: context.requester.name)
            return try Self.reply(replies)
        }
        router.post("/accounts/:account/login") { _, context in
            let account = try account(for: context)
            let login = try await asking { try await logins.begin(account) }
            return try Self.reply(LoginReply(address: login.address, state: login.state))
        }
        router.post("/accounts/:account/login/end") { request, context in
            let account = try account(for: context)
            let order = try await Self.body(of: request, as: LoginRequest.self)
            try await asking { try await logins.outcome(of: order.state).get() }
            reporter.loggedIn(account: account.name, by: context.requester.name)
            return try Self.reply(LoggedInReply(account: account.name))
        }
    }

    /// - Throws: ``Refused`` when it is not configured.
    private func account(_ context: ControlContext) throws -> Account {
        let name = try context.parameters.require("account")
        let accounts = configuration.accounts
        guard let account = accounts[name] else {
            let near = Spelling.nearest(to: name, among: accounts.keys.sorted())
            throw Refused(
                .notFound,
                "there is no account \(SafeText.shown(name, limit: 80))"
                    + (near.map { "; did you mean \($0)?" } ?? "; bittern accounts lists them"))
        }
        return account
    }

    /// The same for those who may act on all of its apps: what is done there concerns each of them.
    private func account(for context: ControlContext) throws -> Account {
        let account = try account(context)
        for app in configuration.apps(of: account) { try admit(context.requester, to: app) }
        return account
    }

    /// A daemon that stops does not wait for a forge to answer whoever looks on.
    private func asking<Result: Sendable>(_ ask: @Sendable @escaping () async throws -> Result) async throws -> Result {
        do {
            return try await cancelWhenGracefulShutdown(ask)
        } catch let error as ForgeError {
            throw Refused(.conflict, error.phrase)
        } catch is CancellationError {
            throw Refused(.conflict, "the daemon stops; ask again when it is back")
        }
    }

    private func withForge<Result: Sendable>(
        _ account: Account, _ body: @escaping @Sendable (ForgeClient) async throws -> Result
    ) async throws -> Result {
        guard account.rest != nil else {
            throw Refused(
                .conflict, "account \(account.name) has no credential for its forge's REST; give it an api_token, access_token or oauth")
        }
        return try await asking { try await forges.with(account, body) }
    }

    // MARK: Lists

    private func repositories(of account: Account, _ query: Parameters) async throws -> Response {
        let apps = configuration.apps(of: account)
        let search = query["search"].map { String($0).lowercased() } ?? ""
        let test = AccountTest(forges: forges, mirrors: mirrors)
        let found = try await withForge(account) { client in
            var found: [ForgeRepository] = []
            let owners = if let only = query["owner"] { [String(only)] } else { await test.owners(account, apps, client) }
            for owner in owners { found += try await client.all(client.api.repositories(of: owner)) }
            return found
        }
        let shown = found.filter { search.isEmpty || $0.name.folded.contains(search) }
        return try Self.reply(
            shown.map { repository in
                let names = live.inForce.names.of(account)
                let users = apps.filter { names.isSame(repository.name, id: repository.id, as: $0.repository) }
                return RepositoryReply(repository, apps: users.map(\.name))
            })
    }

    private func branches(of account: Account, _ query: Parameters) async throws -> Response {
        let text = query["repository"].map(String.init) ?? ""
        guard let name = RepositoryName(text) ?? account.workspace.flatMap({ RepositoryName(owner: $0, slug: text) }) else {
            throw Refused(
                .badRequest, "\"\(SafeText.shown(text, limit: 200))\" is no repository; write workspace/slug or PROJECT/slug")
        }
        let branches = try await withForge(account) { client in
            try await client.all(client.api.branches(of: name, search: query["search"].map(String.init)))
        }
        let names = live.inForce.names.of(account)
        let apps = configuration.apps(of: account).filter { names.isSame(name, id: nil, as: $0.repository) }
        return try Self.reply(
            branches.map { branch in
                let ref = RefName(.branch, branch.name)
                return BranchReply(branch, apps: apps.filter { app in ref.map(app.deploys) ?? false }.map(\.name))
            })
    }

    // MARK: Hooks

    private func registering<Result: Sendable>(
        _ account: Account, _ body: @escaping @Sendable (HookRegistrar) async throws -> Result
    ) async throws -> Result {
        let hooks = try ourHooks(of: account).map { (hook: $0.hook, secret: $0.secret) }
        return try await withForge(account) { client in try await body(HookRegistrar(client: client, wanted: hooks)) }
    }

    private func places(_ names: [String], of account: Account) throws -> [HookPlace] {
        guard !names.isEmpty else {
            let used = configuration.apps(of: account).map { live.inForce.names.currentName(of: $0) }
            guard !used.isEmpty else {
                throw Refused(.badRequest, "account \(account.name) has no apps; name a repository, workspace or project")
            }
            return Set(used).sorted { $0.folded < $1.folded }.map { .repository($0) }
        }
        return try names.map { name in
            guard let place = HookPlace(name) else {
                throw Refused(.badRequest, "\"\(SafeText.shown(name, limit: 200))\" is no repository, workspace or project")
            }
            return place
        }
    }

    /// Every hook that leads to this account: its own, which stands first, and those of apps with one of their own.
    private func ourHooks(of account: Account) throws -> [(app: App?, hook: WantedHook, secret: Secret?)] {
        let configuration = configuration
        guard !configuration.hooks.isOff else { throw Refused(.conflict, "`hooks: off`: nobody listens, and catch-up finds the pushes") }
        guard let base = configuration.publicURL else {
            throw Refused(.conflict, "set public_url to the address by which the forge reaches the listener, and reload")
        }
        guard let events = forgeAPI(for: account)?.hookEvents else {
            throw Refused(.conflict, "accounts of kind \(account.kind.rawValue) are not supported yet")
        }
        func hook(_ path: String) -> WantedHook {
            WantedHook(url: "\(base)/hooks/\(path)", name: "Bittern on \(configuration.name)", events: events)
        }
        let own = configuration.apps(of: account).filter { $0.hookSecrets != nil }
        return [(app: nil, hook: hook(account.name), secret: account.hookSecrets.first)]
            + own.map { (app: $0, hook: hook("\(account.name)/\($0.name)"), secret: $0.hookSecrets?.first) }
    }

    /// Which hooks a place is to have: the account's, unless each of the repository's apps has its own.
    private func wantedHooks(
        at places: [HookPlace], of account: Account
    ) throws -> [(place: HookPlace, hook: WantedHook, secret: Secret)] {
        let ours = try ourHooks(of: account)
        let apps = configuration.apps(of: account)
        return places.flatMap { place in
            var users: [App] = []
            if case .repository(let name) = place {
                let names = live.inForce.names.of(account)
                users = apps.filter { names.isSame(name, id: nil, as: $0.repository) }
            }
            let needsCommon = users.isEmpty || users.contains { $0.hookSecrets == nil }
            let due = ours.filter { hook in hook.app.map { app in users.contains { $0.name == app.name } } ?? needsCommon }
            return due.compactMap { hook in hook.secret.map { (place: place, hook: hook.hook, secret: $0) } }
        }
    }
}
