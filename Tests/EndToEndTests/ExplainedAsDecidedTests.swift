import Foundation
import RealParts
import Testing

/// The same code decides and explains: whatever was decided of a delivery is what `explain` says of it.
@Suite(.fewAtOnce) struct ExplainedAsDecidedTests {
    @Test("what is explained of every stored delivery is what was decided when it came")
    func everyDelivery() async throws {
        let seed = SeededRandom.seed
        print("explained as decided: BITTERN_TEST_SEED=\(seed)")
        let recorded = Payloads.exist ? try Payloads.recorded() : []
        var crowd = Crowd(random: SeededRandom(seed: seed))
        try await withBittern(
            config: Self.config, apps: Crowd.apps.merging(Self.apps(for: recorded)) { given, _ in given },
            credentials: ["hook": hookSecret, "own": Crowd.ownSecret]
        ) { daemon in
            var answers: [String: Answer] = [:]
            // Each tenth of them twice in a row, because chance alone repeats too few.
            let pushes = (0..<300).map { _ in crowd.next() }.enumerated().flatMap { $0.isMultiple(of: 10) ? [$1, $1] : [$1] }
            for delivery in recorded.map(Self.delivery) + pushes {
                let answer = try await daemon.send(delivery.delivery(), to: delivery.path)
                // Those that are refused decide nothing.
                if let id = answer.delivery { answers[id] = answer }
            }
            var tally = Tally()
            for stored in try await daemon.json("deliveries", "--limit", "10000").array {
                guard let id = stored["id"].string, let answer = answers.removeValue(forKey: id) else { continue }
                let comment: Comment = "BITTERN_TEST_SEED=\(seed), delivery \(id)"
                #expect(try answer.decode(JSONValue.self)["results"] == stored["results"], comment)
                // What the command prints with --json, without a process for each.
                let request = Request(method: "GET", path: "/deliveries/\(id)/explanation")
                let explanations = try await request.send(to: daemon.control).decode(JSONValue.self)
                #expect(
                    explanations.array.compactMap(Decision.init(explained:)) == stored["results"].array.compactMap(Decision.init(stored:)),
                    comment)
                tally.add(stored["results"].array)
                guard tally.deliveries.isMultiple(of: 50) else { continue }
                #expect(try await daemon.json("explain", id) == explanations, comment)
            }
            #expect(answers.isEmpty, "BITTERN_TEST_SEED=\(seed): these were answered and are not stored")
            #expect(tally.isWide, "BITTERN_TEST_SEED=\(seed): \(tally)")
            // The CLI reads the same files and finds nothing that it would decide otherwise.
            #expect(try await daemon.json("check", daemon.setup.configurationFile, "--replay", "1d") == [])
        }
    }

    private static let config = """
        workers: 0
        accounts:
          acme: {kind: bitbucket-cloud, hook_secret: credential:hook}
          dc: {kind: bitbucket-datacenter, url: "https://git.example.com/bitbucket", hook_secret: credential:hook}

        """

    /// An app for every third repository of the recorded deliveries.
    private static func apps(for recorded: [Payloads.Recorded]) -> [String: String] {
        let names = Set(recorded.compactMap { body in body.repositoryName.map { [$0, body.isCloud ? "acme" : "dc"] } })
        let usable = names.filter { $0[0].wholeMatch(of: /[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+/) != nil }
        var apps: [String: String] = [:]
        let refs = ["branches: [\"**\"]", "branches: [master, main]\ntags: [\"**\"]", "branches: [\"feature/*\", \"!master\"]"]
        for (number, name) in usable.sorted(by: { $0[0] < $1[0] }).enumerated() where number.isMultiple(of: 3) {
            let app = "recorded-\(number)"
            let text = "account: \(name[1])\nrepository: \(name[0])\n\(refs[number / 3 % refs.count])\n"
            apps[app] = Site.completed(text, app)
        }
        return apps
    }

    private static func delivery(_ recorded: Payloads.Recorded) -> Sent {
        Sent(path: recorded.isCloud ? "/hooks/acme" : "/hooks/dc") {
            let body = withoutIDs(recorded.body)
            return recorded.isCloud
                ? .cloud(event: recorded.event, body: body, secret: hookSecret)
                : .dataCenter(event: recorded.event, body: body, secret: hookSecret)
        }
    }

    /// Those who made the bodies fit to be shown gave many repositories one id; that would be one repository with many names.
    private static func withoutIDs(_ body: [UInt8]) -> [UInt8] {
        guard case .object(var members)? = try? JSONValue(parsing: String(decoding: body, as: UTF8.self)),  // no JSON: sent as it is
            case .object(var repository)? = members["repository"]
        else { return body }
        repository["uuid"] = nil
        repository["id"] = nil
        members["repository"] = .object(repository)
        return (try? JSONValue.object(members).bytes) ?? body  // what was JSON is again
    }
}

/// A delivery with where it goes.
private struct Sent {
    let path: String
    let delivery: () throws -> Delivery
}

/// What one change means for one app, however it was learned.
private struct Decision: Equatable {
    let app: String
    let ref: String?
    let isDeployed: Bool
    /// nil: it is deployed.
    let reason: String?

    /// nil: the app heard nothing of it, because it is of another repository, account or hook.
    init?(explained: JSONValue) {
        let deaf = ["repository is the app's", "account is the app's", "hook is the app's"]
        let failed = explained["rules"].array.first { $0["passed"] == false }
        if let name = failed?["name"].string, deaf.contains(name) { return nil }
        app = explained["app"].string ?? ""
        ref = explained["ref"].string
        isDeployed = explained["verdict"] == "deploy"
        reason = explained["reason"].string
    }

    /// nil: no app is configured for it.
    init?(stored: JSONValue) {
        guard let name = stored["app"].string else { return nil }
        app = name
        ref = stored["ref"].string
        // Rules for duplicates come after the ones that are explained.
        let isDuplicate = stored["reason"].string?.hasPrefix("already job ") == true
        isDeployed = stored["verdict"] == "queued" || isDuplicate
        reason = isDeployed ? nil : stored["reason"].string
    }
}

/// What the deliveries came to, so that the comparison is known to have met all of it.
private struct Tally: CustomStringConvertible {
    var deliveries = 0
    private var kinds: [String: Int] = [:]

    mutating func add(_ results: [JSONValue]) {
        deliveries += 1
        for result in results {
            let reason = result["reason"].string ?? ""
            let kind = [
                "already job ", "no app is configured", "the ref name breaks", "is not a commit", "was deleted", "does not match",
                "deploys no ",
            ].first { reason.contains($0) }
            kinds[kind ?? (result["verdict"] == "queued" ? "queued" : "other"), default: 0] += 1
            if result["app"] == "own" { kinds["own", default: 0] += 1 }
        }
    }

    var isWide: Bool {
        let wanted = ["queued", "already job ", "no app is configured", "the ref name breaks", "was deleted", "does not match", "own"]
        return wanted.allSatisfy { kinds[$0, default: 0] >= 5 }
    }

    var description: String { "\(deliveries) deliveries, \(kinds)" }
}

/// Random pushes to the hooks of a dozen apps, seldom but sometimes of what no app can deploy.
private struct Crowd {
    static let ownSecret = "a-hook-of-its-own-0123456789"

    static let apps: [String: String] = [
        "main": "", "stage": "branch: stage\n", "all": "branches: [\"**\"]\n", "features": "branches: [\"feature/*\", \"!feature/b\"]\n",
        "releases": "branches: [\"release/**\", main]\ntags: [\"v*\", \"!v1*\"]\n", "tags": "tags: [\"**\"]\n",
        "own": "branches: [main, stage]\nhook_secret: credential:own\n", "blog": "repository: acme/blog\nbranches: [main, \"f*\"]\n",
        "files": "repository: acme/blog\npaths: [\"src/**\"]\n", "odd": "branches: [\"[a-m]*\", \"?\"]\n",
        "inner": "account: dc\nrepository: ACME/shop\n",
        "inner-all": "account: dc\nrepository: ACME/shop\nbranches: [\"**\"]\ntags: [\"?*\"]\n",
    ].reduce(into: [:]) { $0[$1.key] = Site.completed($1.value, $1.key) }

    var random: SeededRandom

    private let refs = [
        "main", "main", "stage", "feature/a", "feature/b", "feature/a/b", "release/1", "release/1/2", "v1.0", "v2.0", "x", "ünï/☃", "a\"q'",
        "a..b", "-x", "a b", "x.lock", "", "@", String(repeating: "n", count: 300),
    ]
    private let hashes = [sha("a"), sha("b"), sha("c"), sha("d"), sha("e"), String(repeating: "f", count: 64), "x", "", sha("0")]

    mutating func next() -> Sent {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5: cloud(to: "/hooks/acme", secret: hookSecret)
        case 5..<7: cloud(to: "/hooks/acme/own", secret: Self.ownSecret)
        default: dataCenter()
        }
    }

    private mutating func cloud(to path: String, secret: String) -> Sent {
        var push = CloudPush(repository: one(of: ["acme/shop", "acme/shop", "ACME/Shop", "acme/blog", "acme/none", "no name", "dc/shop"]))
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let (name, old, new) = change()
            switch Int.random(in: 0..<6, using: &random) {
            case 0: push = push.deletedBranch(name, old: old ?? sha("a"))
            case 1: push = push.tag(name, old: old, new: new)
            case 2: push = push.deletedTag(name, old: old ?? sha("a"))
            default: push = push.branch(name, old: old, new: new)
            }
        }
        return Sent(path: path) { [push] in try push.delivery(secret: secret) }
    }

    private mutating func dataCenter() -> Sent {
        var push = DataCenterPush(repository: one(of: ["ACME/shop", "acme/SHOP", "ACME/none", "~ada/shop"]))
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let (name, old, new) = change()
            switch Int.random(in: 0..<6, using: &random) {
            case 0: push = push.deletedBranch(name, old: old ?? sha("a"))
            case 1: push = push.tag(name, old: old, new: new)
            case 2: push = push.deletedTag(name, old: old ?? sha("a"))
            default: push = push.branch(name, old: old, new: new)
            }
        }
        return Sent(path: "/hooks/dc") { [push] in try push.delivery(secret: hookSecret) }
    }

    private mutating func change() -> (name: String, old: String?, new: String) {
        (one(of: refs), Bool.random(using: &random) ? one(of: hashes) : nil, one(of: hashes))
    }

    private mutating func one(of all: [String]) -> String { all[Int.random(in: all.indices, using: &random)] }
}
