import RealParts
import Testing

/// `bittern hooks`, on both kinds of forge.
@Suite struct HooksCommandTests {
    private static let ours = "https://deploy.example.com/hooks/acme"

    private func hooks(_ place: ForgeSite) async throws -> [JSONValue] {
        try await place.forge.hooks().filter { $0["url"].string?.hasPrefix(Self.ours) == true }
    }

    @Test("a hook is added once, and the second time nothing is written", arguments: FakeBitbucket.Kind.allCases)
    func add(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            try await place.pushSilently(["a": "1"])
            let first = try await place.daemon.json("hooks", "add", "acme")
            #expect(first[0]["done"].string == "added" && first[0]["place"].string == kind.repository, "\(first)")
            let hook = try #require(try await hooks(place).first)
            #expect(hook["secret"].string == hookSecret || hook["configuration"]["secret"].string == hookSecret, "\(hook)")
            try await place.forge.forgetRequests()
            let second = try await place.daemon.json("hooks", "add", "acme")
            #expect(second[0]["done"].string == "unchanged", "\(second)")
            let written = try await place.forge.requests().filter { $0.method != "GET" && !$0.path.contains("/test") }
            #expect(written.isEmpty, "\(written.map(\.path))")
            #expect(try await hooks(place).count == 1)
            let list = try await place.daemon.json("hooks", "list", "acme")
            #expect(list[0]["ours"].bool == true && list[0]["active"].bool == true, "\(list)")
            try await place.expectNoComplaints()
        }
    }

    @Test("of a hook that is there only what differs is changed, and its secret only when that is asked for")
    func change() async throws {
        try await withForge(.cloud) { place in
            try await place.pushSilently(["a": "1"])
            _ = try await place.daemon.json("hooks", "add", "acme")
            let hook = try #require(try await hooks(place).first)
            let id = try #require(hook["uuid"].string)
            // Somebody switches it off and adds an event.
            try await put(place, id, events: ["repo:push", "repo:fork"], active: false)
            try await place.forge.forgetRequests()
            let changed = try await place.daemon.json("hooks", "add", "acme")
            #expect(changed[0]["done"].string == "changed", "\(changed)")
            #expect(changed[0]["reasons"] == ["it did not send repo:updated", "it was switched off"], "\(changed)")
            let after = try #require(try await hooks(place).first)
            #expect(Set(after["events"].array.compactMap(\.string)) == ["repo:push", "repo:updated", "repo:fork"])
            #expect(after["active"].bool == true && after["secret"].string == hookSecret)
            let body = try await place.forge.requests().first { $0.method == "PUT" }?.body
            #expect(body?["secret"].isNull == true, "\(String(describing: body))")

            try await place.forge.forgetRequests()
            let anew = try await place.daemon.json("hooks", "add", "acme", "--new-secret")
            #expect(anew[0]["reasons"] == ["its secret was set anew"], "\(anew)")
            #expect(try await hooks(place).first?["secret"].string == hookSecret)
            try await place.expectNoComplaints()
        }
    }

    /// As a person would, by hand.
    private func put(_ place: ForgeSite, _ id: String, events: [String], active: Bool) async throws {
        let body: JSONValue = [
            "description": "by hand", "url": .string(Self.ours), "active": .bool(active), "events": .array(events.map { .string($0) }),
        ]
        let path = id.replacing("{", with: "%7B").replacing("}", with: "%7D")
        try await Shell.check(
            [
                "curl", "--silent", "--fail", "--proxy", place.forge.proxy, "--cacert", place.forge.caFile, "--request", "PUT",
                "--header", "Authorization: Bearer \(ForgeSecret.accessToken)", "--header", "Content-Type: application/json",
                "--user-agent", "bittern/test", "--data-binary", "@-",
                "https://api.bitbucket.org/2.0/repositories/acme/shop/hooks/\(path)",
            ], input: String(decoding: try body.bytes, as: UTF8.self))
    }

    @Test("remove takes ours away and no other", arguments: FakeBitbucket.Kind.allCases)
    func remove(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            try await place.pushSilently(["a": "1"])
            _ = try await place.daemon.json("hooks", "add", "acme", kind.repository, kind.other)
            // The same daemon under another name is somebody else's as far as this one knows.
            try await place.daemon.setup.replacePublicURL("https://other.example.com")
            #expect(try await place.daemon.run("reload").status == 0)
            _ = try await place.daemon.json("hooks", "add", "acme")
            #expect(try await place.forge.hooks().count == 3)
            let removed = try await place.daemon.json("hooks", "remove", "acme")
            #expect(removed[0]["done"].string == "removed", "\(removed)")
            #expect(try await place.forge.hooks().count == 2)
            #expect(try await hooks(place).count == 2)
            let again = try await place.daemon.json("hooks", "remove", "acme")
            #expect(again[0]["done"].string == "missing", "\(again)")
            try await place.expectNoComplaints()
        }
    }

    @Test("a workspace or project has one hook for all of its repositories", arguments: FakeBitbucket.Kind.allCases)
    func owner(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind) { place in
            let owner = kind == .cloud ? "acme" : "SHOP"
            let added = try await place.daemon.json("hooks", "add", "acme", owner)
            #expect(added[0]["done"].string == "added", "\(added)")
            let list = try await place.daemon.json("hooks", "list", "acme", owner)
            #expect(list[0]["place"].string == owner && list[0]["ours"].bool == true)
            try await place.expectNoComplaints()
        }
    }

    @Test("Data Center's connection test is sent, and what came of it is said")
    func ping() async throws {
        try await withForge(.datacenter) { place in
            try await place.pushSilently(["a": "1"])
            let unreached = try await place.daemon.json("hooks", "add", "acme")
            #expect(unreached[0]["test"].string?.hasPrefix("the forge could not reach it") == true, "\(unreached)")
            try await place.daemon.setup.replacePublicURL("http://127.0.0.1:@PORT@")
            #expect(try await place.daemon.run("reload").status == 0)
            let reached = try await place.daemon.json("hooks", "add", "acme")
            #expect(reached[0]["test"].string == "the forge reached it", "\(reached)")
            try await place.expectNoComplaints()
        }
    }

    @Test("a credential that may not register hooks says which right is missing", arguments: FakeBitbucket.Kind.allCases)
    func forbidden(kind: FakeBitbucket.Kind) async throws {
        let auth = kind == .cloud ? "{access_token: credential:weak}" : "{access_token: credential:dc-read}"
        try await withForge(kind, auth: auth) { place in
            try await place.pushSilently(["a": "1"])
            let result = try await place.daemon.run("hooks", "add", "acme")
            #expect(result.status == 1, "\(result)")
            #expect(result.output.contains(kind == .cloud ? "the scope webhook" : "(401)"), "\(result)")
        }
    }
}

extension BitternSetup {
    /// Gives bittern.yaml another `public_url`.
    func replacePublicURL(_ url: String) async throws {
        let filled = url.replacing("@PORT@", with: String(port))
        try await Shell.check(["sed", "-i", "s|^public_url:.*|public_url: \(filled)|", configurationFile])
    }
}
