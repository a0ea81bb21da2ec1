import Domain
import Foundation
import Providers
import Testing

/// What is asked of forges, as bytes alone; the same questions to each kind.
@Suite struct ForgeAPITests {
    struct Forge: Sendable, CustomTestStringConvertible {
        let account: Account
        let api: any ForgeAPI
        let repository: RepositoryName

        var testDescription: String { account.kind.rawValue }

        static let all: [Forge] = [
            forge(Account(name: "acme", kind: .bitbucketCloud, hookSecrets: [], rest: .apiToken(Secret("t"), email: "a@b")), "acme/shop"),
            forge(
                Account(
                    name: "acme", kind: .bitbucketDataCenter, url: "https://git.example.com/bitbucket", hookSecrets: [],
                    rest: .accessToken(Secret("t"))), "~ann/shop"),
        ].compactMap(\.self)

        private static func forge(_ account: Account, _ name: String) -> Forge? {
            guard let api = forgeAPI(for: account), let repository = RepositoryName(name) else { return nil }
            return Forge(account: account, api: api, repository: repository)
        }
    }

    private static func answer(_ status: Int, _ body: String, _ fields: [(name: String, value: String)] = []) -> ForgeAnswer {
        ForgeAnswer(status: status, fields: fields, body: Data(body.utf8))
    }

    private func status(_ forge: Forge, _ state: BuildStatus.State = .failed) throws -> BuildStatus {
        let report = JobReport(
            id: 1, job: 42, app: "shop", account: "acme", repository: forge.repository,
            commit: try #require(CommitID(String(repeating: "a", count: 40))), ref: RefName(.branch, "feature/x"), state: .failed,
            isVerdict: true, reason: "no \"luck\"", at: Timestamp(milliseconds: 5), key: "bittern:shop@web1", name: "shop on web1",
            attempts: 0)
        var status = BuildStatus(report, link: nil)
        status.state = state
        return status
    }

    private func json(_ body: ForgeBody?) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(try #require(body).bytes))
        return try #require(object as? [String: Any])
    }

    @Test("there are both kinds, and of no other one")
    func kinds() {
        #expect(Forge.all.count == 2)
        for kind in [Account.Kind.github, .gitlab, .gitea] {
            #expect(forgeAPI(for: Account(name: "a", kind: kind, url: "https://x", hookSecrets: [])) == nil)
        }
        // Without an address there is nobody to ask.
        #expect(forgeAPI(for: Account(name: "a", kind: .bitbucketDataCenter, hookSecrets: [])) == nil)
    }

    @Test("every request goes to the account's forge, below its base", arguments: Forge.all)
    func addresses(forge: Forge) throws {
        let (api, place) = (forge.api, HookPlace.repository(forge.repository))
        let hook = ForgeHook(id: "{1}/..", url: "https://x", name: "n", events: [], isActive: true, hasSecret: nil)
        let wanted = WantedHook(url: "https://x", name: "n", events: api.hookEvents)
        let status = try status(forge)
        var urls = [
            api.repository(forge.repository).address, api.repositories(of: "a b").address,
            api.branches(of: forge.repository, search: "a&b").address, api.hooks(at: place).address,
            api.add(wanted, secret: Secret("s"), at: place).address, api.change(hook, to: wanted, secret: nil, at: place).address,
            api.remove(hook, at: .owner("acme")).address,
        ]
        urls += api.report(status).map(\.address)
        urls += [api.user?.address, api.owners?.address, api.server?.address, api.tryOut(hook, at: place)?.address].compactMap(\.self)
        for url in urls {
            #expect(url.hasPrefix(api.base), "\(url)")
            #expect(!url.contains(" ") && !url.contains("/../") && !url.hasSuffix("/.."), "\(url)")
        }
        #expect(api.origin.map { api.base.hasPrefix($0) } == true)
    }

    @Test("a status has the states, names and limits of its forge", arguments: Forge.all)
    func report(forge: Forge) throws {
        let words: [BuildStatus.State: [String]] =
            forge.account.kind == .bitbucketCloud
            ? [.inProgress: ["INPROGRESS"], .successful: ["SUCCESSFUL"], .failed: ["FAILED"], .stopped: ["STOPPED"]]
            : [
                .inProgress: ["INPROGRESS", "IN_PROGRESS"], .successful: ["SUCCESSFUL", "SUCCESSFUL"], .failed: ["FAILED", "FAILED"],
                .stopped: ["CANCELLED", "CANCELLED"],
            ]
        for (state, expected) in words {
            let bodies = try forge.api.report(status(forge, state)).map { try json($0.body) }
            #expect(bodies.compactMap { $0["state"] as? String } == expected)
            for body in bodies {
                #expect(body["key"] as? String == "bittern:shop@web1")
                #expect(body["description"] as? String == "no \"luck\"")
                #expect((body["url"] as? String)?.hasSuffix(String(repeating: "a", count: 40)) == true)
            }
        }
        #expect(forge.api.report(try status(forge)).allSatisfy { $0.isRepeatable && $0.method == .post })
        var long = try status(forge)
        long.link = "https://logs.example.com/" + String(repeating: "x", count: 1000)
        if forge.account.kind == .bitbucketDataCenter {
            #expect((try json(forge.api.report(long)[0].body)["url"] as? String)?.utf8.count == 450)
        }
    }

    @Test("the secret of a hook is in the request that sets it, and in no other", arguments: Forge.all)
    func hookSecret(forge: Forge) throws {
        let place = HookPlace.repository(forge.repository)
        let wanted = WantedHook(url: "https://x/hooks/acme", name: "n", events: forge.api.hookEvents)
        let old = ForgeHook(id: "1", url: "https://x/hooks/acme/", name: "mine", events: ["other"], isActive: false, hasSecret: true)
        func text(_ body: ForgeBody?) -> String { String(decoding: body?.bytes ?? [], as: UTF8.self) }
        let added = forge.api.add(wanted, secret: Secret("the-secret"), at: place)
        #expect(text(added.body).contains("the-secret") && !added.isRepeatable)
        let kept = forge.api.change(old, to: wanted, secret: nil, at: place)
        #expect(!text(kept.body).contains("secret\":"))
        #expect(text(forge.api.change(old, to: wanted, secret: Secret("the-secret"), at: place).body).contains("the-secret"))
        // What somebody named and added stays.
        let body = try json(kept.body)
        #expect((body["name"] ?? body["description"]) as? String == "mine" && body["url"] as? String == old.url)
        #expect(Set(try #require(body["events"] as? [String])) == forge.api.hookEvents.union(["other"]))
    }

    @Test("a list is followed page by page, and only at home")
    func pages() throws {
        let cloud = Forge.all[0].api.branches(of: Forge.all[0].repository, search: #"a"b\c"#)
        #expect(cloud.query.last?.value == #"name ~ "a\"b\\c""#)
        let next = "https://api.bitbucket.org/2.0/repositories/acme/shop/refs/branches?page=x%2By"
        let hash = String(repeating: "b", count: 40)
        let page = try cloud.reply(
            to: Self.answer(200, #"{"values":[{"name":"main","target":{"hash":"\#(hash)"}},{"name":"odd"}],"next":"\#(next)"}"#))
        #expect(page.items == [ForgeBranch(name: "main", commit: try #require(CommitID(hash)))])
        #expect(page.next?.address == next)
        for elsewhere in [
            "https://evil.example/2.0/x", "http://api.bitbucket.org/2.0/x", "https://api.bitbucket.org.evil.example/2.0/x", "/x",
        ] {
            #expect(throws: ForgeError.self) { try cloud.reply(to: Self.answer(200, #"{"values":[],"next":"\#(elsewhere)"}"#)) }
        }
        let center = Forge.all[1].api.branches(of: Forge.all[1].repository, search: nil)
        let second = try center.reply(to: Self.answer(200, #"{"values":[],"isLastPage":false,"nextPageStart":100}"#)).next
        #expect(second?.query.first { $0.name == "start" }?.value == "100")
        // It would go round for ever.
        #expect(try second?.reply(to: Self.answer(200, #"{"values":[],"isLastPage":false,"nextPageStart":100}"#)).next == nil)
        #expect(try center.reply(to: Self.answer(200, #"{"values":[],"isLastPage":true,"nextPageStart":100}"#)).next == nil)
    }

    @Test("what is no answer of a forge's is said to be none", arguments: Forge.all)
    func malformed(forge: Forge) throws {
        for body in ["", "[]", "{", "{\"values\":1}", "null", "{\"values\":[{\"uuid\":1}]}", "\u{0}"] {
            let error = #expect(throws: ForgeError.self) { try forge.api.hooks(at: .owner("x")).reply(to: Self.answer(200, body)) }
            #expect(error?.code == .malformed, "\(body)")
        }
    }

    @Test(
        "an answer that is no success says why, in one phrase",
        arguments: [
            (401, "", ForgeError.Code.unauthorized, "HOST refused the credential (401); check auth of account acme"),
            (
                403,
                #"{"type":"error","error":{"message":"no","detail":{"required":["webhook","repository"],"granted":["repository"]}}}"#,
                .forbidden, "HOST: the credential may not do that (403): no; give the credential of account acme the scope webhook"
            ),
            (
                404, #"{"errors":[{"message":"a"},{"message":"b"}]}"#, .missing,
                "HOST has no such thing, or the credential may not see it (404): a; b"
            ),
            (410, #"{"error":{"message":"CHANGE-2770"}}"#, .gone, "HOST no longer takes this (410): CHANGE-2770"),
            (429, "slow down", .busy, "HOST was asked too often (429)"), (502, "<html>", .trouble, "HOST answered 502"),
            (400, #"{"error":"invalid_grant","error_description":"used"}"#, .invalid, "HOST answered 400: used"),
            (400, #"{"error":"invalid_grant"}"#, .invalid, "HOST answered 400: invalid_grant"),
            (301, "", .invalid, "HOST leads elsewhere (301)"),
            (418, "{\"error\":{\"message\":\"\\u001b[2J\"}}", .invalid, "HOST answered 418: \\x1b[2J"),
        ] as [(Int, String, ForgeError.Code, String)])
    func errors(status: Int, body: String, code: ForgeError.Code, sentence: String) throws {
        for forge in Forge.all {
            let error = try #require(throws: ForgeError.self) {
                try forge.api.repository(forge.repository).reply(to: Self.answer(status, body))
            }
            #expect(error.code == code && error.status == status)
            #expect(error.sentence(host: "HOST", account: forge.account) == sentence)
        }
    }

    @Test("an app password is told why it no longer works", arguments: [401, 410])
    func appPassword(status: Int) throws {
        let account = Account(name: "acme", kind: .bitbucketCloud, hookSecrets: [], rest: .appPassword(Secret("p"), username: "ann"))
        let error = try #require(throws: ForgeError.self) { try Forge.all[0].api.user?.reply(to: Self.answer(status, "")) }
        #expect(error.sentence(host: "HOST", account: account).contains("switched app passwords off in July 2026"))
    }

    @Test("what an answer says of scopes, limits and waiting is read")
    func fields() {
        let answer = Self.answer(
            200, "",
            [
                (name: "x-oauth-scopes", value: "repository, webhook"), (name: "X-RateLimit-NearLimit", value: "true"),
                (name: "Retry-After", value: "7"),
            ])
        #expect(answer.scopes == ["repository", "webhook"] && answer.isNearLimit && answer.retryAfter == .seconds(7))
        let silent = Self.answer(200, "", [(name: "Retry-After", value: "Wed, 21 Oct 2026 07:28:00 GMT")])
        #expect(silent.scopes == nil && !silent.isNearLimit && silent.retryAfter == nil)
    }

    @Test("a consumer's secret and a refresh token are in no address", arguments: Forge.all)
    func tokens(forge: Forge) throws {
        let grants: [OAuthGrant] = [
            .consumer, .code("code-1", verifier: Secret("verifier-1"), redirect: "https://d/oauth/callback"),
            .refresh(Secret("refresh 1"), redirect: "https://d/oauth/callback"),
        ]
        for grant in grants {
            let request = forge.api.tokens(grant, key: "k", secret: Secret("s&cret"))
            for secret in ["s&cret", "s%26cret", "code-1", "verifier-1", "refresh"] { #expect(!request.address.contains(secret)) }
            #expect(request.isRepeatable == (grant == .consumer))
        }
        let body = String(
            decoding: forge.api.tokens(grants[2], key: "k", secret: Secret("s&cret")).body?.bytes ?? [], as: UTF8.self)
        #expect(body.contains("grant_type=refresh_token&refresh_token=refresh%201"))
        #expect(body.contains("client_secret=s%26cret") == (forge.account.kind == .bitbucketDataCenter))
        let reply = forge.api.tokens(.consumer, key: "k", secret: Secret("s"))
        let tokens = try reply.reply(to: Self.answer(200, #"{"access_token":"a","expires_in":7200,"refresh_token":"r"}"#))
        #expect(tokens == OAuthTokens(access: Secret("a"), lifetime: .seconds(7200), refresh: Secret("r")))
        #expect(throws: ForgeError.self) { try reply.reply(to: Self.answer(200, "{}")) }
        let login = forge.api.loginAddress(key: "k", state: "s&t", challenge: "c", redirect: "https://d/oauth/callback")
        #expect(login.contains("client_id=k") && login.contains("state=s%26t"))
        #expect(login.contains("code_challenge=c") == (forge.account.kind == .bitbucketDataCenter))
    }

    @Test("REST is shown another name than git where the two differ")
    func authorization() {
        func account(_ kind: Account.Kind, _ rest: RESTCredential) -> Account {
            Account(name: "a", kind: kind, hookSecrets: [], rest: rest)
        }
        let token = account(.bitbucketCloud, .apiToken(Secret("t"), email: "ci@acme.example"))
        #expect(token.restAuthorization == Account.basic("ci@acme.example", Secret("t")))
        #expect(token.gitAuthorization == Account.basic("x-bitbucket-api-token-auth", Secret("t")))
        let access = account(.bitbucketCloud, .accessToken(Secret("t")))
        #expect(access.restAuthorization == Secret("Bearer t") && access.gitAuthorization == Account.basic("x-token-auth", Secret("t")))
        let center = account(.bitbucketDataCenter, .accessToken(Secret("t")))
        #expect(center.restAuthorization == Secret("Bearer t") && center.gitAuthorization == Secret("Bearer t"))
        let oauth = account(.bitbucketCloud, .oauth(key: "k", secret: Secret("s")))
        #expect(oauth.restAuthorization == nil && oauth.gitAuthorization == nil && oauth.consumer?.key == "k")
        #expect(oauth.bearing(Secret("t")).restAuthorization == Secret("Bearer t") && oauth.bearing(Secret("t")).consumer == nil)
        #expect(oauth.credentialSecrets == [Secret("s")])
    }
}
