package import Domain

/// What the CLI may have the daemon do: each order is a POST with a body of JSON.
package enum ControlOrder: Sendable, Equatable {
    /// Answered with the ``JobReply``.
    case cancel(Int64)
    /// Answered with the ``JobReply`` of the new job.
    case retry(Int64)
    /// Answered with the ``HoldReply``.
    case hold(app: String, HoldRequest)
    /// Answered with the ``HoldReply`` of what held the app.
    case resume(app: String)
    /// Answered with the ``JobReply`` of the new job.
    case rollback(app: String, RollbackRequest)
    /// Answered with the ``AppReply``.
    case clearCache(app: String)
    /// Answered with the ``JobReply`` of the new job.
    case deploy(app: String, DeployRequest)
    /// Answered with the ``JobReply``s of the new jobs: each app's live commit once more.
    case deployAll
    /// Answered with the ``ReplayReply``.
    case replay(Int64)
    /// Answered with the ``DeliveryReply`` of what came in.
    case simulate(app: String, DeployRequest)
    /// Answered with the ``ExplanationReply``s of each app; nothing is changed.
    case explain(ExplainRequest)
    /// Answered with the ``HookChangeReply``s, one for each hook and place.
    case addHooks(account: String, HooksRequest)
    /// Answered with the ``HookChangeReply``s, one for each place.
    case removeHooks(account: String, HooksRequest)
    /// Answered with the ``LoginReply``.
    case logIn(account: String)
    /// Answered with the ``LoggedInReply`` when the person has come back.
    case awaitLogin(account: String, LoginRequest)
    /// Answered with the ``ReloadReply``.
    case reload

    package var path: String {
        switch self {
        case .cancel(let job): "/jobs/\(job)/cancel"
        case .retry(let job): "/jobs/\(job)/retry"
        case .hold(let app, _): "/apps/\(app)/hold"
        case .resume(let app): "/apps/\(app)/resume"
        case .rollback(let app, _): "/apps/\(app)/rollback"
        case .clearCache(let app): "/apps/\(app)/cache/clear"
        case .deploy(let app, _): "/apps/\(app)/deploy"
        case .deployAll: "/deploy"
        case .replay(let delivery): "/deliveries/\(delivery)/replay"
        case .simulate(let app, _): "/apps/\(app)/simulate"
        case .explain: "/explain"
        case .addHooks(let account, _): "/accounts/\(account)/hooks"
        case .removeHooks(let account, _): "/accounts/\(account)/hooks/remove"
        case .logIn(let account): "/accounts/\(account)/login"
        case .awaitLogin(let account, _): "/accounts/\(account)/login/end"
        case .reload: "/reload"
        }
    }

    /// What is sent along, as JSON.
    package var body: (any Encodable & Sendable)? {
        switch self {
        case .hold(_, let hold): hold
        case .rollback(_, let rollback): rollback
        case .deploy(_, let deploy), .simulate(_, let deploy): deploy
        case .explain(let push): push
        case .addHooks(_, let hooks), .removeHooks(_, let hooks): hooks
        case .awaitLogin(_, let login): login
        case .cancel, .retry, .resume, .clearCache, .deployAll, .replay, .logIn, .reload: nil
        }
    }
}

/// Which commit of an app is meant: at most one of branch and tag.
package struct DeployRequest: Codable, Sendable, Equatable {
    package var branch: String?
    package var tag: String?
    /// In full; nil: the ref's head.
    package var commit: String?

    package init(branch: String?, tag: String?, commit: String?) {
        self.branch = branch
        self.tag = tag
        self.commit = commit
    }
}

/// A push that is only thought of.
package struct ExplainRequest: Codable, Sendable, Equatable {
    package var repository: String
    package var branch: String?
    package var tag: String?
    /// Files that differ; nil: not known before the fetch.
    package var paths: [String]?
    package var account: String?

    package init(repository: String, branch: String?, tag: String?, paths: [String]?, account: String?) {
        self.repository = repository
        self.branch = branch
        self.tag = tag
        self.paths = paths
        self.account = account
    }

    /// nil: neither a branch nor a tag is named.
    package var push: ExplainedPush? {
        // Which commit it is does not matter to any rule; that there is one does.
        let somewhere = String(repeating: "1", count: 40)
        guard let name = branch ?? tag else { return nil }
        return ExplainedPush(
            account: account, wasDelivered: false, repository: repository,
            ref: .reading(branch == nil ? .tag : .branch, name: name, old: nil, new: somewhere), paths: paths)
    }

    /// What to say where the account is none of the configuration's.
    package func unknownAccount(in configuration: Configuration) -> String? {
        guard let account, configuration.accounts[account] == nil else { return nil }
        let near = Spelling.nearest(to: account, among: configuration.accounts.keys.sorted())
        return "there is no account \(SafeText.shown(account, limit: 80))"
            + (near.map { "; did you mean \($0)?" } ?? "; bittern accounts lists them")
    }
}

/// Where an app is to go back to.
package struct RollbackRequest: Codable, Sendable, Equatable {
    /// nil: the good release that was live before.
    package var release: Int64?
    /// Whether its pushes are to wait afterwards.
    package var hold: Bool

    package init(release: Int64?, hold: Bool) {
        self.release = release
        self.hold = hold
    }
}

/// How an app is to be held.
package struct HoldRequest: Codable, Sendable, Equatable {
    /// RFC 3339 in UTC; nil: until somebody resumes the app.
    package var until: String?
    package var reason: String?

    package init(until: String?, reason: String?) {
        self.until = until
        self.reason = reason
    }
}

/// A hold that is, or was, in force.
package struct HoldReply: Codable, Sendable, Equatable {
    package var app: String
    package var held_at: String
    @Nullable package var until: String?
    @Nullable package var reason: String?
    @Nullable package var by: String?

    package init(_ hold: Hold) {
        app = hold.app
        held_at = hold.heldAt.rfc3339
        until = hold.until?.rfc3339
        reason = hold.reason
        by = hold.by
    }
}
