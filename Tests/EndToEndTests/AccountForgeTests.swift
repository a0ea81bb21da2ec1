import RealParts
import Testing

/// What the CLI says of an account's forge; both kinds.
@Suite struct AccountForgeTests {
    private func findings(_ place: ForgeSite) async throws -> [Found] {
        let result = try await place.daemon.run("account", "test", "acme", "--json")
        return try JSONValue(parsing: result.output).array.map(Found.init)
    }

    private struct Found: CustomStringConvertible {
        let json: JSONValue

        var level: String { json["level"].string ?? "" }
        var subject: String { json["subject"].string ?? "" }
        var sentence: String { json["sentence"].string ?? "" }
        var remedy: String { json["remedy"].string ?? "" }
        var description: String { "\(level) \(subject): \(sentence) → \(remedy)" }
    }

    @Test("account test says what works", arguments: FakeBitbucket.Kind.allCases)
    func works(kind: FakeBitbucket.Kind) async throws {
        let auth = kind == .cloud ? "{api_token: credential:api-token, email: ci@acme.example}" : nil
        try await withForge(kind, auth: auth) { place in
            try await place.pushSilently(["a": "1"])
            let found = try await findings(place)
            #expect(found.allSatisfy { $0.level == "ok" }, "\(found)")
            let sentences = found.map { "\($0.subject): \($0.sentence)" }
            #expect(sentences.contains("repository \(kind.repository): it is seen over REST"), "\(sentences)")
            #expect(sentences.contains { $0.hasPrefix("repositories: it sees 2 repositories in ") }, "\(sentences)")
            #expect(sentences.contains { $0.hasPrefix("repository of shop: ") && $0.contains("main is at") }, "\(sentences)")
            switch kind {
            case .cloud: #expect(sentences.contains { $0.hasPrefix("credential: it is an API token of ") }, "\(sentences)")
            case .datacenter: #expect(sentences.contains("server: it is Bitbucket 9.4.1"), "\(sentences)")
            }
            #expect(try await place.daemon.run("account", "test", "acme").status == 0)
            try await place.expectNoComplaints()
        }
    }

    @Test("account test names the scopes that are missing and those beyond need")
    func scopes() async throws {
        try await withForge(.cloud, auth: "{access_token: credential:weak}") { place in
            try await place.pushSilently(["a": "1"])
            let found = try await findings(place)
            #expect(found.contains { $0.level == "warning" && $0.sentence == "it may not register hooks" && $0.remedy.contains("webhook") })
            #expect(
                found.contains {
                    $0.level == "warning" && $0.sentence == "it may do more than Bittern ever does: pipeline, repository:write"
                }, "\(found)")
        }
    }

    @Test("a credential that is wrong, or of a kind that is switched off, is said to be", arguments: FakeBitbucket.Kind.allCases)
    func wrongCredential(kind: FakeBitbucket.Kind) async throws {
        let auth = kind == .cloud ? "{app_password: credential:password, username: ann}" : "{access_token: credential:api-token}"
        try await withForge(kind, auth: auth) { place in
            try await place.pushSilently(["a": "1"])
            let test = try await place.daemon.run("account", "test", "acme")
            #expect(test.status == 1, "\(test)")
            switch kind {
            case .cloud:
                #expect(test.output.contains("Bitbucket Cloud switched those off in July 2026"), "\(test)")
                #expect(test.output.contains("(410)"), "\(test)")
            case .datacenter:
                #expect(test.output.contains("refused the credential (401)"), "\(test)")
            }
        }
    }

    @Test("a Data Center that is too old, or whose links lead nowhere, is warned of")
    func oldServer() async throws {
        try await withForge(.datacenter) { place in
            try await place.pushSilently(["a": "1"])
            try await place.forge.fault(
                ["status": 200, "headers": ["Content-Type": "application/json"], "body": #"{"version":"7.6.0"}"#],
                path: "application-properties", times: 1)
            let found = try await findings(place)
            #expect(found.contains { $0.level == "problem" && $0.sentence.contains("7.6.0") && $0.sentence.contains("7.14") }, "\(found)")
        }
    }

    @Test(
        "repositories and branches are listed, searched, and marked with the apps that deploy them", arguments: FakeBitbucket.Kind.allCases)
    func lists(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            try await place.pushSilently(["a": "1"])
            for number in 1...120 { try await place.origin.git("push", "--quiet", "origin", "HEAD:refs/heads/topic/\(number)") }
            let all = try await place.daemon.json("account", "repositories", "acme")
            #expect(
                Set(all.array.compactMap { $0["repository"].string?.lowercased() })
                    == Set([kind.repository, kind.other].map { $0.lowercased() }))
            #expect(all.array.first { $0["repository"].string == kind.repository }?["apps"] == ["shop"])
            let some = try await place.daemon.json("account", "repositories", "acme", "--search", "blo")
            #expect(some.array.count == 1)
            let branches = try await place.daemon.json("account", "branches", "acme", kind.repository)
            #expect(branches.array.count == 121)
            #expect(branches.array.first { $0["branch"].string == "main" }?["apps"] == ["shop"])
            let found = try await place.daemon.json("account", "branches", "acme", kind.repository, "--search", "topic/11")
            #expect(found.array.count == 11)
            let table = try await place.daemon.run("account", "branches", "acme", kind.repository, "--search", "main")
            #expect(table.output.hasPrefix("BRANCH  COMMIT        APPS\nmain "), "\(table)")
            try await place.expectNoComplaints()
        }
    }

    @Test("pages that never end, lead elsewhere or are broken are refused in a sentence", arguments: FakeBitbucket.Kind.allCases)
    func badPages(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            try await place.pushSilently(["a": "1"])
            func branches() async throws -> ShellResult {
                try await place.daemon.run(["account", "branches", "acme", kind.repository], within: .seconds(60))
            }
            for (action, words) in [
                (["broken_json": true], "something that cannot be read"),
                (["redirect": "https://elsewhere.example/x"], "leads to another address"),
                (["huge": 20_000_000], "more than 8 MB"),
                (["status": 404, "headers": [:], "body": "{}"], "(404)"),
                (["status": 410, "headers": [:], "body": "{}"], "(410)"),
                (["status": 500, "headers": [:], "body": "oops"], "answered 500"),
                (["drop": true], "could not be reached"),
            ] as [(JSONValue, String)] {
                try await place.forge.fault(action, path: "/branches")
                let result = try await branches()
                #expect(result.status == 1 && result.error.contains(words), "\(action): \(result)")
                try await place.forge.endFaults()
            }
            if kind == .cloud {
                try await place.forge.fault(["foreign_next": "https://evil.example/2.0/x"], path: "/branches")
                #expect(try await branches().error.contains("names another server for the next page"))
                try await place.forge.endFaults()
            }
            try await place.forge.fault(["endless_pages": true], path: "/branches")
            let endless = try await branches()
            #expect(endless.status == 1 && endless.error.contains("has no end of pages"), "\(endless)")
            try await place.forge.endFaults()
            try await place.expectNoComplaints()
        }
    }

    @Test("a forge that takes a request and never answers it is given up", arguments: FakeBitbucket.Kind.allCases)
    func hangs(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            try await place.forge.fault(["hang": true], path: "/branches")
            let result = try await place.daemon.run(["account", "branches", "acme", kind.repository], within: .seconds(60))
            #expect(result.status == 1 && result.error.contains("it took too long"), "\(result)")
        }
    }

    @Test("account key makes a key once, and prints its public half each time")
    func key() async throws {
        try await withForge(.cloud) { place in
            let file = place.daemon.setup.path("deploy-key")
            let first = try await place.daemon.run("account", "key", "acme", "--output", file)
            #expect(first.status == 0 && first.output.hasPrefix("ssh-ed25519 "), "\(first)")
            #expect(first.error.contains("auth: {ssh_key: file:\(file)}"), "\(first)")
            let mode = try await Shell.check(["stat", "-c", "%a", file]).output
            #expect(mode == "600\n")
            let second = try await place.daemon.run("account", "key", "acme", "--output", file)
            #expect(second.output == first.output)
            let json = try await place.daemon.run("account", "key", "acme", "--output", file, "--json")
            #expect(try JSONValue(parsing: json.output)["created"].bool == false)
            let nowhere = try await place.daemon.run("account", "key", "acme", "--output", "/nonexistent/key")
            #expect(nowhere.status == 1 && nowhere.error.contains("ssh-keygen failed"), "\(nowhere)")
        }
    }

    @Test("an account that is not there is said with the one that was meant")
    func unknown() async throws {
        try await withForge(.cloud) { place in
            let result = try await place.daemon.run("account", "test", "acm")
            #expect(result.status == 5 && result.error.contains("did you mean acme?"), "\(result)")
        }
    }
}

extension FakeBitbucket.Kind {
    /// A repository that no app deploys.
    var other: String {
        switch self {
        case .cloud: "acme/blog"
        case .datacenter: "SHOP/blog"
        }
    }
}
