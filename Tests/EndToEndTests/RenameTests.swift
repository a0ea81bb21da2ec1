import RealParts
import Testing

/// Repositories that get another name; both kinds of forge.
@Suite struct RenameTests {
    private static let app = "build: [\"echo $BITTERN_CAUSE >> @DIR@/ran\"]\n"

    @Test(
        "an app goes on deploying its repository under the new name, and doctor says what to change", arguments: FakeBitbucket.Kind.allCases
    )
    func told(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, app: Self.app) { place in
            let first = try await place.push(["a": "1"])
            _ = try await place.site.runToEnd(try first.job)
            let old = kind.repository
            let new = kind == .cloud ? "acme/store" : "SHOP/store"
            try await place.forge.rename(kind, from: old, to: new)
            let rename =
                switch kind {
                case .cloud: try CloudPush(repository: new, uuid: ForgeSite.uuid).renameDelivery(from: old, secret: hookSecret)
                case .datacenter: try DataCenterPush(repository: new, id: ForgeSite.id).renameDelivery(from: old, secret: hookSecret)
                }
            #expect(try await place.daemon.send(rename, to: "/hooks/acme").status == 200)
            try await checkNewName(place, new, after: first.commit)
        }
    }

    @Test("the same when nobody told of the new name but the push itself", arguments: FakeBitbucket.Kind.allCases)
    func found(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, app: Self.app) { place in
            let first = try await place.push(["a": "1"])
            _ = try await place.site.runToEnd(try first.job)
            let new = kind == .cloud ? "acme/store" : "SHOP/store"
            try await place.forge.rename(kind, from: kind.repository, to: new)
            try await checkNewName(place, new, after: first.commit)
        }
    }

    @Test("where nobody listens, a new name is learnt by looking", arguments: FakeBitbucket.Kind.allCases)
    func silent(kind: FakeBitbucket.Kind) async throws {
        try await withForge(kind, app: Self.app, config: "hooks: off\n") { place in
            try await place.pushSilently(["a": "1"])
            #expect(try await place.daemon.run("deploy", "shop", "--wait").status == 0)
            let new = kind == .cloud ? "acme/store" : "SHOP/store"
            try await place.forge.rename(kind, from: kind.repository, to: new)
            let commit = try await place.pushSilently(["a": "2"])
            #expect(try await place.daemon.run("reload").status == 0)
            _ = try await place.eventualStates(of: commit, end: "SUCCESSFUL")
            #expect(try await place.daemon.run("doctor").output.contains("is called \(new) now"))
            try await place.expectNoComplaints()
        }
    }

    @Test("a rename that is told of once more is no news")
    func toldAgain() async throws {
        try await withForge(.cloud, app: Self.app) { place in
            let first = try await place.push(["a": "1"])
            _ = try await place.site.runToEnd(try first.job)
            func rename(_ old: String, _ new: String) throws -> Delivery {
                try CloudPush(repository: new, uuid: ForgeSite.uuid).renameDelivery(from: old, secret: hookSecret)
            }
            let there = try rename("acme/shop", "acme/store")
            for delivery in [there, try rename("acme/store", "acme/shop"), there] {
                #expect(try await place.daemon.send(delivery, to: "/hooks/acme").status == 200)
            }
            #expect(!(try await place.daemon.run("doctor").output.contains("is called")))
        }
    }

    private func checkNewName(_ place: ForgeSite, _ new: String, after old: String) async throws {
        let commit = try await place.pushSilently(["a": "2"])
        let answer = try await place.daemon.send(try place.delivery("main", old: old, new: commit, repository: new), to: "/hooks/acme")
        #expect(answer.status == 202, "\(answer)")
        let job = try await place.site.runToEnd(try #require(answer.results.first?.job))
        #expect(job.state == "succeeded", "\(job)")
        _ = try await place.eventualStates(of: commit, end: "SUCCESSFUL")
        let doctor = try await place.daemon.run("doctor")
        #expect(doctor.output.contains("is called \(new) now"), "\(doctor)")

        // A push that nobody tells of is found under the new name, also by the next daemon.
        try await place.daemon.terminate()
        try await place.pushSilently(["a": "3"])
        try await place.daemon.start()
        try await eventually("the missed push") { place.site.lines("ran").count == 3 }

        // When the configuration has the new name, nothing is deployed by that.
        let text = try place.site.read("apps.d/shop.yaml").replacing(place.repository, with: new)
        try place.daemon.setup.write(app: "shop", text)
        #expect(try await place.daemon.run("reload").status == 0)
        try await place.forge.forgetRequests()
        #expect(try await place.daemon.run("reload").status == 0)
        try await place.eventualLook()
        #expect(place.site.lines("ran").count == 3)
        #expect(!(try await place.daemon.run("doctor").output.contains("is called")))
        let explained = try await place.daemon.run("explain", "--repository", new, "--branch", "main")
        #expect(explained.output.contains("shop"), "\(explained)")
        try await place.expectNoComplaints()
    }
}
