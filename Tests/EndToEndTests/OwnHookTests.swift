import Foundation
import RealParts
import Testing

/// An app with a hook and a credential of its own.
@Suite(.fewAtOnce) struct OwnHookTests {
    private static let secret = "a-hook-of-its-own-0123456789"

    @Test("an app with a hook of its own hears that one alone, with its own secret")
    func ownHook() async throws {
        let shop = "hook_secret: credential:own\n"
        try await withSite(app: shop, apps: ["blog": ""], config: "workers: 0\n", credentials: ["own": Self.secret]) { site in
            let push = CloudPush(repository: "acme/shop").branch("main", old: nil, new: sha("b"))
            let common = try await site.daemon.send(push.delivery(secret: hookSecret), to: "/hooks/acme")
            #expect(common.results.map(\.app) == ["blog"])
            let own = try await site.daemon.send(push.delivery(secret: Self.secret), to: "/hooks/acme/shop")
            #expect(own.status == 202 && own.results.map(\.app) == ["shop"], "\(own)")
            #expect(try await site.daemon.send(push.delivery(secret: hookSecret), to: "/hooks/acme/shop").status == 401)
            #expect(try await site.daemon.send(push.delivery(secret: Self.secret), to: "/hooks/acme").status == 401)
            #expect(try await site.daemon.send(push.delivery(secret: hookSecret), to: "/hooks/acme/blog").status == 404)
        }
    }
}
