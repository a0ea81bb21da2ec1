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

    /// - Parameter apps: those of one account that listen where the delivery came in.
    package init(apps: [App]) {
        appsByRepository = Dictionary(grouping: apps, by: \.repository)
    }

    /// Every change of the push, in its order, with one match per app of the repository.
    package func changes(of push: Push) -> [MatchedChange] {
        guard let repository = RepositoryName(push.repository) else {
            let reason = "the repository name \"\(SafeText.shown(push.repository, limit: 200))\" is not one Bitbucket could have"
            return push.refs.map { MatchedChange(ref: $0, repository: nil, matches: [Match(app: nil, decision: .ignore(reason: reason))]) }
        }
        return push.refs.map {
            MatchedChange(ref: $0, repository: repository, matches: matches(for: $0, in: repository))
        }
    }

    private func matches(for ref: PushedRef, in repository: RepositoryName) -> [Match] {
        guard let apps = appsByRepository[repository], !apps.isEmpty else {
            return [Match(app: nil, decision: .ignore(reason: "no app is configured for \(repository)"))]
        }
        return apps.map { app in
            let failed = Self.rules(for: ref, app: app).first { !$0.passed }
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

    private static func notDeleted(_ change: Change) -> MatchRule {
        let what = change.ref.kind == .branch ? "branch" : "tag"
        return MatchRule(
            name: "ref still exists", seen: change.new?.hex ?? "no commit", passed: change.new != nil,
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
