import RealParts

/// A daemon with a Cloud account `acme` and a Data Center account `dc`, at whose hooks listener a test knocks. App `shop` deploys
/// branch `main` of `acme/shop` from a repository that is not there: what is answered does not depend on it.
func withDoor(
    hooks: String? = nil,
    config: String = "",
    app: String = "",
    in directory: String? = nil,
    _ body: (BitternDaemon) async throws -> Void
) async throws {
    let accounts = """
        accounts:
          acme: {kind: bitbucket-cloud, workspace: acme, hook_secret: credential:hook}
          dc: {kind: bitbucket-datacenter, url: "https://git.example.com/bitbucket", hook_secret: credential:hook}

        """
    let shop = Site.completed(app, "shop")
    let listener = hooks.map { "hooks:\n  listen: 127.0.0.1:@PORT@\n  \($0)\n" } ?? ""
    try await withBittern(
        config: listener + accounts + config,
        apps: ["shop": shop],
        credentials: ["hook": hookSecret],
        in: directory,
        body
    )
}

extension BitternDaemon {
    /// A signed push of `main` that is well in every way.
    static func goodPush(to branch: String = "main", new: String = sha("b")) throws -> Delivery {
        try CloudPush(repository: "acme/shop").branch(branch, old: sha("a"), new: new).delivery(secret: hookSecret)
    }
}
