import RealParts
import Testing

/// A daemon with one account of either kind, the fake forge it speaks to, and the repository that app `shop` deploys from there.
struct ForgeSite: Sendable {
    let kind: FakeBitbucket.Kind
    let forge: FakeBitbucket
    let site: Site

    var daemon: BitternDaemon { site.daemon }
    var origin: GitOrigin { site.origin }

    /// As the forge calls it.
    var repository: String { kind.repository }

    /// Commits files on a branch and pushes them; no webhook is sent.
    @discardableResult
    func pushSilently(_ files: [String: String] = [:], on branch: String = "main") async throws -> String {
        try await origin.commit(files: files, on: branch)
    }

    /// The webhook of a push.
    func delivery(_ branch: String, old: String?, new: String, repository: String? = nil) throws -> Delivery {
        switch kind {
        case .cloud:
            try CloudPush(repository: repository ?? self.repository, uuid: Self.uuid).branch(branch, old: old, new: new)
                .delivery(secret: hookSecret)
        case .datacenter:
            try DataCenterPush(repository: repository ?? self.repository, id: Self.id).branch(branch, old: old, new: new)
                .delivery(secret: hookSecret)
        }
    }

    /// Commits, pushes, and has the forge send its webhook.
    @discardableResult
    func push(_ files: [String: String] = [:], on branch: String = "main") async throws -> Push {
        let old = try await origin.head(of: branch)
        let new = try await origin.commit(files: files, on: branch)
        return Push(commit: new, answer: try await daemon.send(try delivery(branch, old: old, new: new), to: "/hooks/acme"))
    }

    /// Waits until the forge was told of these states of a commit, the last one last.
    func eventualStates(of commit: String, end: String, within limit: Duration = .seconds(60)) async throws -> [String] {
        try await eventualValue("\(end) for \(commit.prefix(7))", within: limit) {
            let states = try await forge.states(of: commit)
            return states.last == end ? states : nil
        }
    }

    /// The forge has nothing to complain of: neither what it was sent, nor where else somebody tried to go.
    func expectNoComplaints(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(try await forge.complaints() == [], sourceLocation: sourceLocation)
    }

    static let uuid = "{0ac5e4a1-2f5d-4e0f-9a0e-2b1f3c4d5e6f}"
    static let id = 7
}

extension FakeBitbucket.Kind {
    /// As the configuration names it.
    var account: String {
        switch self {
        case .cloud: "bitbucket-cloud"
        case .datacenter: "bitbucket-datacenter"
        }
    }

    var repository: String {
        switch self {
        case .cloud: "acme/shop"
        case .datacenter: "SHOP/shop"
        }
    }

    /// What it calls the end of a job that was stopped.
    var stopped: String {
        switch self {
        case .cloud: "STOPPED"
        case .datacenter: "CANCELLED"
        }
    }
}

/// Secrets that a test finds again wherever they do not belong.
enum ForgeSecret {
    static let apiToken = "ATATT3xFfGF0-user-token"
    static let accessToken = "ATCTT3xFfGN0-repository-token"
    static let weakToken = "ATCTT3xFfGN0-weak-token"
    static let dataCenterToken = "NDc5NjQwNTAz-admin-token"
    static let readToken = "MTIzNDU2Nzg5-read-token"
    static let consumerSecret = "oauth-consumer-secret-1234567890"
    static let appPassword = "old-app-password"

    static let all = [apiToken, accessToken, weakToken, dataCenterToken, readToken, consumerSecret, appPassword]
}

/// Starts the fake forge, a daemon with account `acme` there and app `shop`, and makes the repository; nothing is in it yet.
/// - Parameters:
///   - auth: the account's credential; by default one with all rights.
///   - account: further keys of the account, a line each with two blanks too many in front.
///   - app: keys of the app beyond the usual ones.
///   - starts: whether the daemon is started before `body`; else it is for the body to do.
func withForge(
    _ kind: FakeBitbucket.Kind, auth: String? = nil, account: String = "", app: String = "", apps: [String: String] = [:],
    config: String = "", _ body: (ForgeSite) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let origin = try await GitOrigin(bare: directory.path("forge/shop.git"), work: directory.path("work"))
        try await withFakeBitbucket(scenario(origin.bare)) { forge in
            let address =
                switch kind {
                case .cloud: "    proxy: \(forge.proxy)\n"
                case .datacenter: "    url: \(forge.dataCenter)\n"
                }
            let credential = auth ?? (kind == .cloud ? "{access_token: credential:token}" : "{access_token: credential:dc-token}")
            let accounts = """
                accounts:
                  acme:
                    kind: \(kind.account)
                    hook_secret: credential:hook
                    ca: \(forge.caFile)
                    auth: \(credential)
                \(address)\(account)
                """
            let usual = "account: acme\nrepository: \(kind.repository)\nroot: @DIR@/srv/shop\n"
            let files = apps.merging(["shop": app]) { given, _ in given }
            try await withBittern(
                config: accounts + "\nname: web1\npublic_url: https://deploy.example.com\n" + config,
                apps: files.reduce(into: [:]) { files, file in
                    let branch = file.value.contains("branch") || file.value.contains("tags:") ? "" : "branch: main\n"
                    files[file.key] = usual.replacing("srv/shop", with: "srv/\(file.key)") + branch + file.value
                },
                credentials: credentials, in: directory.makeDirectory("bittern")
            ) { daemon in
                try await body(ForgeSite(kind: kind, forge: forge, site: Site(daemon: daemon, origin: origin)))
            }
        }
    }
}

private let credentials = [
    "hook": hookSecret, "api-token": ForgeSecret.apiToken, "token": ForgeSecret.accessToken, "weak": ForgeSecret.weakToken,
    "dc-token": ForgeSecret.dataCenterToken, "dc-read": ForgeSecret.readToken, "consumer": ForgeSecret.consumerSecret,
    "password": ForgeSecret.appPassword,
]

/// Both forges with the repository, and a credential of each sort.
private func scenario(_ bare: String) -> JSONValue {
    let granular: JSONValue = [
        "read:repository:bitbucket", "read:user:bitbucket", "read:workspace:bitbucket", "read:webhook:bitbucket",
        "write:webhook:bitbucket", "delete:webhook:bitbucket",
    ]
    let callback: JSONValue = ["https://deploy.example.com/oauth/callback"]
    return [
        "cloud": [
            "repositories": [
                [
                    "workspace": "acme", "project": "WEB", "slug": "shop", "name": "Shop", "uuid": .string(ForgeSite.uuid),
                    "path": .string(bare),
                ],
                ["workspace": "acme", "project": "WEB", "slug": "blog", "name": "Blog", "path": .string(bare)],
            ],
            "credentials": [
                [
                    "kind": "api_token", "email": "ci@acme.example", "token": .string(ForgeSecret.apiToken), "scopes": granular,
                    "repositories": nil,
                ],
                [
                    "kind": "access_token", "level": "workspace", "token": .string(ForgeSecret.accessToken),
                    "scopes": ["repository", "webhook"], "repositories": nil,
                ],
                [
                    "kind": "access_token", "level": "repository", "token": .string(ForgeSecret.weakToken),
                    "scopes": ["repository", "repository:write", "pipeline"], "repositories": ["acme/shop"],
                ],
                [
                    "kind": "oauth", "key": "consumer-key", "secret": .string(ForgeSecret.consumerSecret),
                    "scopes": ["repository", "account", "webhook"], "redirect_uris": callback,
                ],
                ["kind": "app_password", "username": "ann", "password": .string(ForgeSecret.appPassword)],
            ],
        ],
        "datacenter": [
            "version": "9.4.1",
            "repositories": [
                ["project": "SHOP", "slug": "shop", "name": "Shop", "id": .number(Double(ForgeSite.id)), "path": .string(bare)],
                ["project": "SHOP", "slug": "blog", "name": "Blog", "id": 8, "path": .string(bare)],
            ],
            "credentials": [
                [
                    "kind": "access_token", "token": .string(ForgeSecret.dataCenterToken), "permission": "PROJECT_ADMIN", "user": "ci",
                    "repositories": nil,
                ],
                [
                    "kind": "access_token", "token": .string(ForgeSecret.readToken), "permission": "REPO_READ", "user": "ci",
                    "repositories": ["SHOP/shop"],
                ],
                [
                    "kind": "oauth", "key": "consumer-key", "secret": .string(ForgeSecret.consumerSecret), "redirect_uris": callback,
                ],
            ],
        ],
    ]
}
