/// What a forge calls a repository at this moment, under the number or UUID that never changes.
package struct RepositoryNaming: Sendable, Hashable {
    /// The forge's own.
    package var id: String
    package var name: RepositoryName
    /// What it was called until now, where that is known and another name.
    package var formerName: RepositoryName?

    package init(id: String, name: RepositoryName, formerName: RepositoryName? = nil) {
        self.id = id
        self.name = name
        self.formerName = formerName == name ? nil : formerName
    }
}

/// What the repositories of each account were ever called.
extension [String: RepositoryNames] {
    /// What the app's repository is called at the forge, as far as is known.
    package func currentName(of app: App) -> RepositoryName { currentName(of: app.repository, account: app.account) }

    package func currentName(of name: RepositoryName, account: String) -> RepositoryName {
        self[account]?.currentName(of: name) ?? name
    }

    /// Those of one account.
    package func of(_ account: Account) -> RepositoryNames { self[account.name] ?? RepositoryNames() }
}

/// The names under which the repositories of one account were ever known, so that an app goes on deploying one that was renamed.
package struct RepositoryNames: Sendable, Equatable, Codable {
    /// Which repository bore a name last.
    private var ids: [RepositoryName: String] = [:]
    /// What each is called now.
    private var current: [String: RepositoryName] = [:]

    package init() {}

    /// A name that a repository bears or bore, oldest first; of one repository the last is its current one.
    package mutating func add(id: String, name: RepositoryName) {
        ids[name] = id
        current[id] = name
    }

    /// What a push says of its repository, where it is news.
    package func news(id: String?, name: RepositoryName) -> RepositoryNaming? {
        guard let id, current[id] != name || ids[name] != id else { return nil }
        return RepositoryNaming(id: id, name: name, formerName: current[id])
    }

    /// Every name there ever was.
    package var all: Set<RepositoryName> { Set(ids.keys) }

    /// Which repository bears a name, or bore it last; nil: none that is known.
    package func id(of name: RepositoryName) -> String? { ids[name] }

    /// What a repository is called now; nil: it is not known.
    package func name(of id: String) -> RepositoryName? { current[id] }

    /// The repository that is meant by a name in the configuration, as it is called now.
    package func currentName(of name: RepositoryName) -> RepositoryName {
        ids[name].flatMap { current[$0] } ?? name
    }

    /// Whether both name the same repository, the one as it is called or was, the other as it is configured.
    ///
    /// - Parameter id: of the first.
    package func isSame(_ name: RepositoryName, id: String?, as configured: RepositoryName) -> Bool {
        if name == configured { return true }
        guard let id = id ?? ids[name] else { return false }
        return ids[configured] == id
    }
}
