import Domain
import Exec
import Providers
import ServiceLifecycle
import Storage

/// Looks for pushes that no delivery told of: asks forges where their refs are, and has the ledger compare and queue.
///
/// At start, as often as the configuration wants, after a reload, and for a repository of which a delivery says that it leaves refs out.
actor CatchUp: Service {
    /// Repositories that are asked at once.
    private static let atOnce = 4

    /// A repository with all apps that are compared with it.
    struct Watch: Sendable {
        let account: String
        /// As the forge calls it now.
        let repository: RepositoryName
        let apps: [App]
    }

    private let live: LiveConfiguration
    private let ledger: Ledger
    private let mirrors: GitMirrors
    private let forges: Forges
    private let reporter: Reporter
    private let clock: WallClock
    private let found: @Sendable () -> Void

    /// Repositories that could not be asked, and how often in a row.
    private var failures: [String: CatchUpPace] = [:]
    private var wanted: Set<RepositoryName>? = []
    private var hasLookedAtAll = false
    private var clockwork: Task<Void, Never>?
    private var again: [String: Task<Void, Never>] = [:]
    private let (wakings, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    /// - Parameter found: called when jobs were queued.
    init(
        live: LiveConfiguration, ledger: Ledger, mirrors: GitMirrors, forges: Forges, reporter: Reporter, clock: WallClock,
        found: @escaping @Sendable () -> Void
    ) {
        self.live = live
        self.ledger = ledger
        self.mirrors = mirrors
        self.forges = forges
        self.reporter = reporter
        self.clock = clock
        self.found = found
    }

    func run() async throws {
        wake()
        await cancelWhenGracefulShutdown {
            for await _ in self.wakings { await self.lookAtWanted() }
        }
        clockwork?.cancel()
        again.values.forEach { $0.cancel() }
    }

    /// Looks at all repositories, soon, and from then on as often as the configuration in force wants.
    func wake() {
        wanted = nil
        waker.yield()
        clockwork?.cancel()
        guard let pause = live.current.catchUp else { return }
        clockwork = Task {
            guard (try? await Task.sleep(for: pause)) != nil else { return }  // cancelled: another one took over, or the daemon stops
            wake()
        }
    }

    /// Looks at one repository, soon.
    func wake(for repository: RepositoryName) {
        wanted?.insert(repository)
        waker.yield()
    }

    private func lookAtWanted() async {
        let only = wanted
        wanted = []
        guard let only else { return await lookAtAll() }
        await look(at: Self.watches(of: live.inForce).filter { only.contains($0.repository) })
    }

    private func lookAtAll() async {
        let inForce = live.inForce
        guard inForce.configuration.catchUp != nil else { return }
        let watches = Self.watches(of: inForce)
        do {
            try await ledger.forgetWatched(except: watches.flatMap { $0.apps.map(\.name) })
        } catch {
            if !Task.isCancelled { reporter.ledgerTrouble("\(error)") }
        }
        let missed = await look(
            at: watches.filter { watch in
                failures[watch.id, default: CatchUpPace()].isDue(isUnderPressure: forges.pressure.isOn(watch.account))
            })
        guard !hasLookedAtAll, !watches.isEmpty, !Task.isCancelled else { return }
        hasLookedAtAll = true
        reporter.firstLookEnded(repositories: watches.count, unanswered: failures.count, missed: missed)
    }

    /// - Returns: how many missed pushes were found.
    @discardableResult
    private func look(at watches: [Watch]) async -> Int {
        await withTaskGroup(of: Int.self) { group in
            var waiting = watches.makeIterator()
            func lookAtNext() {
                guard let watch = waiting.next(), !Task.isCancelled else { return }
                group.addTask { await self.look(at: watch) }
            }
            for _ in 0..<Self.atOnce { lookAtNext() }
            var missed = 0
            while let found = await group.next() {
                missed += found
                lookAtNext()
            }
            return missed
        }
    }

    private func look(at watch: Watch) async -> Int {
        do {
            let before = try await ledger.lastChange()
            let (heads, moved) = try await heads(of: watch)
            let queued = try await ledger.catchUp(
                account: watch.account, repository: watch.repository, heads, apps: watch.watchedApps, before: before, at: clock.now)
            if failures.removeValue(forKey: watch.id)?.hasFailed == true { reporter.catchUpWorksAgain(watch.repository) }
            for (job, superseded) in queued { reporter.missedPushFound(job, superseded: superseded) }
            if !queued.isEmpty { found() }
            // What was accounted goes with it.
            if let moved { await learnName(of: watch, moved) }
            return queued.count
        } catch {
            guard !Task.isCancelled else { return 0 }
            let failure = failures[watch.id, default: CatchUpPace()].failed()
            if failure.isNews { reporter.catchUpFailed(watch.repository, "\(error)") }
            if let pause = failure.again { lookAgain(at: watch, after: pause) }
            return 0
        }
    }

    private func lookAgain(at watch: Watch, after pause: Duration) {
        guard pause < live.current.catchUp ?? .zero else { return }
        again[watch.id]?.cancel()
        again[watch.id] = Task {
            guard (try? await Task.sleep(for: pause)) != nil else { return }  // cancelled: the daemon stops
            wake(for: watch.repository)
        }
    }

    /// What the apps deploy of what the forge has. The apps are asked for their way one after the other, should one of them not work.
    ///
    /// - Returns: the heads, and the account over which the repository was found under another name.
    private func heads(of watch: Watch) async throws -> (heads: [FoundHead], moved: Account?) {
        let configuration = live.current
        let watched = watch.watchedApps
        var trouble: (any Error)?
        var asked: [(String, Account)] = []
        for app in watch.apps {
            guard let named = configuration.accounts[app.account] else { continue }
            let own = named.used(by: app)
            guard !asked.contains(where: { $0.0 == app.cloneURL && $0.1 == own }) else { continue }
            asked.append((app.cloneURL, own))
            do {
                let found = try await ask(watch, over: app, as: own, configuration.environment)
                let heads = FoundHead.all(
                    found.heads.mapValues { (commit: $0.commit, object: $0.object) }, of: watch.apps, watched,
                    tellsObjects: own.kind == .bitbucketDataCenter)
                return (heads: heads, moved: found.hasMoved ? own : nil)
            } catch {
                if Task.isCancelled { throw error }
                trouble = trouble ?? error
            }
        }
        throw trouble ?? CancellationError()
    }

    private func ask(
        _ watch: Watch, over app: App, as account: Account, _ environment: [String: String]
    ) async throws -> (heads: [RefName: RemoteHead], hasMoved: Bool) {
        let shown = try await forges.bearer(for: account)
        let refs = watch.refs
        do {
            return try await mirrors.heads(
                named: refs.names, branches: refs.branches, tags: refs.tags, app: app, account: shown, environment: environment
            ) { ref in watch.apps.contains { $0.deploys(ref) } }
        } catch {
            // What an OAuth consumer was given may have been taken back before its time.
            if account.consumer != nil, case .accessToken(let token) = shown.rest { await forges.tokens.forget(token) }
            throw error
        }
    }

    /// No event told of the new name; where the forge can be asked, it says what it is.
    private func learnName(of watch: Watch, _ account: Account) async {
        guard account.rest != nil else { return }
        do {
            let seen = try await forges.with(account) { client in
                try await client.send(client.api.repository(watch.repository)).repository
            }
            guard let id = seen.id, seen.name != watch.repository else { return }
            let naming = RepositoryNaming(id: id, name: seen.name, formerName: watch.repository)
            try await ledger.learn(naming, account: watch.account)
            live.learn(naming, account: watch.account)
            reporter.repositoryRenamed(naming)
        } catch {
            // It deploys all the same, and the next look asks again.
            if !Task.isCancelled { reporter.problem("what \(watch.repository) is called now cannot be known: \(error)") }
        }
    }

    /// Every repository once, with its apps in the order of their names.
    static func watches(of inForce: LiveConfiguration.InForce) -> [Watch] {
        let single = inForce.configuration.apps.filter(\.catchUp).map { app in
            Watch(account: app.account, repository: inForce.names.currentName(of: app), apps: [app])
        }
        return Dictionary(grouping: single, by: \.id).sorted { $0.key < $1.key }.map { _, same in
            Watch(account: same[0].account, repository: same[0].repository, apps: same.flatMap(\.apps))
        }
    }
}

extension CatchUp.Watch {
    var id: String { account + "/" + repository.folded }

    var watchedApps: [WatchedApp] { apps.map { WatchedApp($0, repository: repository) } }

    /// Which refs could be wanted: named one by one, where all patterns are names.
    var refs: (names: [RefName]?, branches: Bool, tags: Bool) {
        let branches = apps.flatMap(\.branches).filter { !$0.excludes }
        let tags = apps.flatMap(\.tags).filter { !$0.excludes }
        let names =
            branches.map { $0.literalName.flatMap { RefName(.branch, $0) } } + tags.map { $0.literalName.flatMap { RefName(.tag, $0) } }
        let all = names.compactMap(\.self)
        return (all.count == names.count ? Array(Set(all)) : nil, !branches.isEmpty, !tags.isEmpty)
    }
}
