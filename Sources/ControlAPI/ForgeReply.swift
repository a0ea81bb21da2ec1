package import Domain

/// A repository that an account sees.
package struct RepositoryReply: Codable, Sendable, Equatable {
    package var repository: String
    @Nullable package var main_branch: String?
    /// Names of the apps that deploy it.
    package var apps: [String]

    package init(_ repository: ForgeRepository, apps: [String]) {
        self.repository = repository.name.description
        main_branch = repository.mainBranch.map { SafeText.shown($0, limit: 250) }
        self.apps = apps
    }
}

/// A branch of a repository.
package struct BranchReply: Codable, Sendable, Equatable {
    package var branch: String
    package var commit: String
    /// Names of the apps that deploy it.
    package var apps: [String]

    package init(_ branch: ForgeBranch, apps: [String]) {
        self.branch = SafeText.shown(branch.name)
        commit = branch.commit.hex
        self.apps = apps
    }
}

/// A webhook at the forge.
package struct ForgeHookReply: Codable, Sendable, Equatable {
    /// The repository's full name, or the workspace's or project's.
    package var place: String
    package var id: String
    package var url: String
    package var name: String
    package var active: Bool
    package var events: [String]
    /// null: the forge does not say.
    @Nullable package var secret_set: Bool?
    /// Whether it leads to this daemon.
    package var ours: Bool

    package init(_ hook: ForgeHook, at place: HookPlace, isOurs: Bool) {
        self.place = place.name
        id = SafeText.shown(hook.id, limit: 100)
        url = SafeText.shown(hook.url)
        name = SafeText.shown(hook.name, limit: 200)
        active = hook.isActive
        events = hook.events.sorted().map { SafeText.shown($0, limit: 100) }
        secret_set = hook.hasSecret
        ours = isOurs
    }
}

/// Where hooks are to be registered, or removed.
package struct HooksRequest: Codable, Sendable, Equatable {
    /// Repositories, workspaces or projects; empty: the repositories of the account's apps.
    package var places: [String]
    /// Whether the secret is set anew where there is a hook already.
    package var new_secret: Bool

    package init(places: [String], newSecret: Bool) {
        self.places = places
        new_secret = newSecret
    }
}

/// What was done at one place.
package struct HookChangeReply: Codable, Sendable, Equatable {
    package enum Done: String, Codable, Sendable { case added, changed, unchanged, removed, missing, failed }

    package var place: String
    package var url: String
    package var done: Done
    /// What was not as it should be, or why it failed.
    package var reasons: [String]
    /// What the forge's connection test came to; null: it has none, or was not asked.
    @Nullable package var test: String?

    package init(place: String, url: String, done: Done, reasons: [String] = [], test: String? = nil) {
        self.place = place
        self.url = url
        self.done = done
        self.reasons = reasons
        self.test = test
    }
}

/// A login that was begun.
package struct LoginReply: Codable, Sendable, Equatable {
    /// To be opened in a browser.
    package var address: String
    /// By which its end is asked for.
    package var state: String

    package init(address: String, state: String) {
        self.address = address
        self.state = state
    }
}

/// Which login's end is waited for.
package struct LoginRequest: Codable, Sendable, Equatable {
    package var state: String

    package init(state: String) {
        self.state = state
    }
}

/// A login that has ended well.
package struct LoggedInReply: Codable, Sendable, Equatable {
    package var account: String

    package init(account: String) {
        self.account = account
    }
}
