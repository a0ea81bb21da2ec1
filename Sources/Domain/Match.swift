/// What one change means for one app, as far as the configuration alone can tell.
package struct Match: Sendable, Equatable {
    package enum Decision: Sendable, Equatable {
        case deploy
        case ignore(reason: String)
    }

    /// nil where no app is configured for the repository.
    package var app: String?
    /// What its jobs lock.
    package var lock: String?
    package var decision: Decision

    package init(app: String?, lock: String? = nil, decision: Decision) {
        self.app = app
        self.lock = lock ?? app
        self.decision = decision
    }
}

/// One rule an app was asked about: what it looked at and whether it let the change through.
package struct MatchRule: Sendable, Equatable {
    package let name: String
    package let seen: String
    package let passed: Bool
    /// Why not; the verdict's reason when this is the first rule that failed.
    package let reason: String?
}

/// Decides, from the configuration alone, which apps a push concerns.
package struct Matcher: Sendable {
    private let appsByRepository: [RepositoryName: [App]]
    /// By the forge's own id of the repository, as far as that is known: those configured under any of its names.
    private let appsByID: [String: [App]]
    private let names: RepositoryNames

    /// A repository of which a push may tell.
    private struct Known {
        let name: RepositoryName
        let apps: [App]
        /// nil: the name is not known to be anybody's current one.
        let id: String?
    }

    /// By the name as the forge writes it: nearly every push is found here, with one look.
    private let known: [String: Known]

    /// - Parameters:
    ///   - apps: those of one account that listen where the delivery came in.
    ///   - names: what that account's repositories were ever called.
    package init(apps: [App], names: RepositoryNames = RepositoryNames()) {
        appsByRepository = Dictionary(grouping: apps, by: \.repository)
        appsByID = apps.reduce(into: [:]) { byID, app in
            if let id = names.id(of: app.repository) { byID[id, default: []].append(app) }
        }
        self.names = names
        let (byRepository, byID) = (appsByRepository, appsByID)
        known = Set(apps.map(\.repository)).union(names.all).reduce(into: [:]) { known, name in
            let id = names.id(of: name).flatMap { names.name(of: $0) == name ? $0 : nil }
            let both = Self.both(byRepository[name] ?? [], names.id(of: name).flatMap { byID[$0] } ?? [])
            known[name.description] = Known(name: name, apps: both, id: id)
        }
    }

    /// What is known of the push's repository already, and that is all there is to know of it.
    private func known(_ push: Push) -> Known? {
        guard let known = known[push.repository], push.repositoryID == nil || push.repositoryID == known.id else { return nil }
        return known
    }

    /// What the push says of the name of an app's repository, where it is news.
    package func news(of push: Push) -> RepositoryNaming? {
        guard known(push) == nil, let name = RepositoryName(push.repository), !apps(of: name, id: push.repositoryID).isEmpty else {
            return nil
        }
        return names.news(id: push.repositoryID, name: name)
    }

    /// The same of an event that tells of a new name.
    package func news(of id: String, from: String, to: String) -> RepositoryNaming? {
        guard let former = RepositoryName(from), let name = RepositoryName(to) else { return nil }
        guard !apps(of: former, id: id).isEmpty || !apps(of: name, id: id).isEmpty else { return nil }
        // Told late, it is no news: the repository has another name by now.
        guard names.name(of: id).map({ $0 == former }) ?? true else { return nil }
        return RepositoryNaming(id: id, name: name, formerName: former)
    }

    /// Those configured with its name, or with another one that it had before or has now.
    private func apps(of repository: RepositoryName, id: String?) -> [App] {
        Self.both(appsByRepository[repository] ?? [], (id ?? names.id(of: repository)).flatMap { appsByID[$0] } ?? [])
    }

    /// Each once, in the order of their names.
    private static func both(_ some: [App], _ others: [App]) -> [App] {
        let new = others.filter { app in !some.contains { $0.name == app.name } }
        return new.isEmpty ? some : (some + new).sorted { $0.name < $1.name }
    }

    /// Every change of the push, in its order, with one match per app of the repository.
    package func changes(of push: Push) -> [MatchedChange] {
        if let known = known(push) {
            return push.refs.map { MatchedChange(ref: $0, repository: known.name, matches: Self.matches(for: $0, known.name, known.apps)) }
        }
        guard let repository = RepositoryName(push.repository) else {
            let reason = "the repository name \"\(SafeText.shown(push.repository, limit: 200))\" is not one Bitbucket could have"
            return push.refs.map { MatchedChange(ref: $0, repository: nil, matches: [Match(app: nil, decision: .ignore(reason: reason))]) }
        }
        let apps = apps(of: repository, id: push.repositoryID)
        return push.refs.map { MatchedChange(ref: $0, repository: repository, matches: Self.matches(for: $0, repository, apps)) }
    }

    private static func matches(for ref: PushedRef, _ repository: RepositoryName, _ apps: [App]) -> [Match] {
        guard !apps.isEmpty else {
            return [Match(app: nil, decision: .ignore(reason: "no app is configured for \(repository)"))]
        }
        return apps.map { app in
            let failed = rules(for: ref, app: app).first { !$0.passed }
            return Match(app: app.name, lock: app.lock, decision: failed.map { .ignore(reason: $0.reason ?? $0.name) } ?? .deploy)
        }
    }

    /// The rules in the order in which they are asked; a rule that has no sense after an earlier one failed is left out.
    package static func rules(for ref: PushedRef, app: App) -> [MatchRule] {
        guard case .change(let change) = ref else {
            let reason = if case .unusable(_, let reason) = ref { reason } else { "" }
            return [MatchRule(name: "ref is usable", seen: ref.refText, passed: false, reason: reason)]
        }
        return [
            MatchRule(name: "ref is usable", seen: change.ref.full, passed: true, reason: nil),
            notDeleted(change),
            change.ref.kind == .branch ? branch(change.ref.shortName, app) : tag(change.ref.shortName, app),
        ]
    }

    private static let refExists = "ref still exists"

    private static func notDeleted(_ change: Change) -> MatchRule {
        let what = change.ref.kind == .branch ? "branch" : "tag"
        return MatchRule(
            name: refExists, seen: change.new?.hex ?? "no commit", passed: change.new != nil,
            reason: change.new == nil ? "\(what) \(SafeText.shown(change.ref.shortName)) was deleted" : nil)
    }

    private static func branch(_ name: String, _ app: App) -> MatchRule {
        let admitted = app.branches.admit(name)
        let why =
            app.branches.isEmpty
            ? "\(app.name) deploys no branches" : "branch \(SafeText.shown(name)) does not match \(list(app.branches))"
        return MatchRule(name: "branch is deployed", seen: name, passed: admitted, reason: admitted ? nil : why)
    }

    private static func tag(_ name: String, _ app: App) -> MatchRule {
        let admitted = app.tags.admit(name)
        let why = app.tags.isEmpty ? "\(app.name) deploys no tags" : "tag \(SafeText.shown(name)) does not match \(list(app.tags))"
        return MatchRule(name: "tag is deployed", seen: name, passed: admitted, reason: admitted ? nil : why)
    }

    private static func list(_ globs: [Glob]) -> String {
        SafeText.shown(globs.map(\.pattern).joined(separator: ", "), limit: 200)
    }
}

/// What one change of a push means for one app, rule by rule.
package struct Explanation: Sendable, Equatable {
    package let app: String
    /// In the order in which they are asked, up to the first that failed.
    package let rules: [MatchRule]

    /// Why the change is none of the app's business; nil: it deploys.
    package var refusal: String? {
        rules.first { !$0.passed }.map { $0.reason ?? $0.name }
    }
}

/// A push as somebody wants it explained: one that was delivered, or one that is only thought of.
package struct ExplainedPush: Sendable, Equatable {
    /// nil: any account that has apps of the repository.
    package var account: String?
    /// The app whose own hook it came to; nil: the account's, or no hook at all.
    package var hookApp: String?
    /// Whether it came to a hook; one that is only thought of would come to the right one.
    package var wasDelivered: Bool
    /// As the forge wrote it.
    package var repository: String
    package var ref: PushedRef
    /// Files that differ from the live commit; nil: known only after the fetch.
    package var paths: [String]?

    package init(
        account: String?, hookApp: String? = nil, wasDelivered: Bool, repository: String, ref: PushedRef, paths: [String]? = nil
    ) {
        self.account = account
        self.hookApp = hookApp
        self.wasDelivered = wasDelivered
        self.repository = repository
        self.ref = ref
        self.paths = paths
    }
}

extension Configuration {
    /// What the push means for each app, by the rules of ``Matcher``: those of its repository first.
    ///
    /// - Parameter names: what the repositories of each account were ever called.
    package func explanations(of push: ExplainedPush, names: [String: RepositoryNames] = [:]) -> [Explanation] {
        func isNear(_ app: App) -> Bool {
            guard let name = RepositoryName(push.repository) else { return false }
            return names[app.account, default: RepositoryNames()].isSame(name, id: nil, as: app.repository)
        }
        let (near, far) = (apps.filter(isNear), apps.filter { !isNear($0) })
        return near.map { Explanation(app: $0.name, rules: Matcher.explain(push, for: $0, isItsRepository: true)) }
            + far.map { Explanation(app: $0.name, rules: Matcher.explain(push, for: $0, isItsRepository: false)) }
    }
}

extension Matcher {
    /// Every rule of ``rules(for:app:)``, behind those by which a delivery finds its way to the apps it may concern.
    fileprivate static func explain(_ push: ExplainedPush, for app: App, isItsRepository: Bool) -> [MatchRule] {
        // The repository first: an app of another one has nothing to do with the push, whatever else is wrong.
        var rules = [repository(push, app, isItsRepository), account(push, app)]
        if push.wasDelivered { rules.append(hook(push, app)) }
        rules += Self.rules(for: push.ref, app: app)
        // Of a push that is only thought of no commit was named, so there is none to show.
        if !push.wasDelivered { rules.removeAll { $0.name == refExists } }
        if let paths = push.paths { rules.append(files(paths, app)) }
        let end = rules.firstIndex { !$0.passed } ?? rules.endIndex - 1
        return Array(rules[...end])
    }

    private static func account(_ push: ExplainedPush, _ app: App) -> MatchRule {
        let passed = push.account == nil || push.account == app.account
        return MatchRule(
            name: "account is the app's", seen: push.account ?? "any", passed: passed,
            reason: passed ? nil : "\(app.name) belongs to account \(app.account)")
    }

    private static func hook(_ push: ExplainedPush, _ app: App) -> MatchRule {
        let own = app.hookSecrets == nil ? nil : app.name
        let path = "/hooks/\(push.account ?? "")" + (push.hookApp.map { "/\($0)" } ?? "")
        let right = "/hooks/\(app.account)" + (own.map { "/\($0)" } ?? "")
        let passed = push.hookApp == own
        return MatchRule(
            name: "hook is the app's", seen: path, passed: passed, reason: passed ? nil : "\(app.name) hears only \(right)")
    }

    private static func repository(_ push: ExplainedPush, _ app: App, _ passed: Bool) -> MatchRule {
        MatchRule(
            name: "repository is the app's", seen: SafeText.shown(push.repository, limit: 300), passed: passed,
            reason: passed ? nil : "\(app.name) deploys \(app.repository)")
    }

    private static func files(_ paths: [String], _ app: App) -> MatchRule {
        let end = FilterRules(app.filters).skips(files: paths)
        return MatchRule(
            name: "a pushed file is the app's", seen: SafeText.shown(paths.joined(separator: ", "), limit: 300), passed: end == nil,
            reason: end?.reason)
    }
}
