import Testing

@testable import Domain

// The small words the tests of this room speak.

/// A commit whose hexadecimal digits are all `digit`.
func commit(_ digit: Character) throws -> CommitID {
    try #require(CommitID(String(repeating: digit, count: 40)))
}

func branch(_ name: String) throws -> RefName { try #require(RefName(.branch, name)) }

func tag(_ name: String) throws -> RefName { try #require(RefName(.tag, name)) }

func globs(_ patterns: String...) throws -> [Glob] { try patterns.map { try #require(Glob($0)) } }

func app(
    _ name: String = "shop", repository: String = "acme/shop", branches: [Glob]? = nil, tags: [Glob] = [],
    environment: [String: String] = [:], secrets: [String: Secret] = [:], build: [CommandStep] = [], preDeploy: [CommandStep] = [],
    deploy: [CommandStep] = [], timeout: Duration = .seconds(1800)
) throws -> App {
    App(
        name: name, account: "acme", repository: try #require(RepositoryName(repository)), cloneURL: "https://bitbucket.org/acme/shop.git",
        branches: try branches ?? globs("main"), tags: tags, root: "/srv/\(name)", environment: environment, secrets: secrets, build: build,
        preDeploy: preDeploy, deploy: deploy, timeout: timeout)
}

func job(_ id: Int64 = 42, ref: RefName?, cause: Job.Cause = .push) throws -> Job {
    Job(
        id: id, app: "shop", repository: "acme/shop", ref: ref, commit: try commit("a"), cause: cause, state: .queued,
        queuedAt: Timestamp(milliseconds: 0))
}

func account(_ kind: Account.Kind, url: String? = nil, rest: RESTCredential? = nil, ssh: SSHCredential? = nil) -> Account {
    Account(name: "acme", kind: kind, url: url, hookSecrets: [Secret("hook secret")], rest: rest, ssh: ssh)
}

extension Secret {
    var text: String { withBytes { String(decoding: $0, as: UTF8.self) } }
}
