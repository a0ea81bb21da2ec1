package import Domain
import GRDB

extension Ledger {
    /// What the repositories of each account were ever called.
    package func repositoryNames() async throws -> [String: RepositoryNames] {
        try await read { database in
            try database.rows("SELECT account, forge_id, name FROM repository_names ORDER BY id").reduce(into: [:]) { names, row in
                guard let name = RepositoryName(row["name"] as String) else { return }
                names[row["account"], default: RepositoryNames()].add(id: row["forge_id"], name: name)
            }
        }
    }
}

extension Ledger {
    /// Notes what a repository is called from now on, when no delivery told of it.
    package func learn(_ naming: RepositoryNaming, account: String) async throws {
        try await write { try $0.note(naming, account: account) }
    }
}

extension Database {
    /// Notes what a repository is called from now on. What was accounted of its refs goes with it.
    func note(_ naming: RepositoryNaming, account: String) throws {
        for name in [naming.formerName, naming.name].compactMap(\.self) {
            // Once each, the current one last.
            try run(
                "DELETE FROM repository_names WHERE account = ? AND forge_id = ? AND name = ? COLLATE NOCASE",
                [account, naming.id, name.description])
            try run(
                "INSERT INTO repository_names (account, forge_id, name) VALUES (?, ?, ?)", [account, naming.id, name.description])
        }
        guard let former = naming.formerName else { return }
        // A ref of the new name may be known already, where a delivery of it came before this news.
        try run(
            "UPDATE OR IGNORE refs SET repository = ? WHERE account = ? AND repository = ?", [naming.name.folded, account, former.folded])
    }
}
