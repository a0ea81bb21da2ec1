import Domain
import Testing

@testable import Providers

struct BitbucketDataCenterTests {
    private let provider = BitbucketDataCenter()

    @Test("the repository is known by project key and slug, not by its name, and by its number")
    func repository() throws {
        let push = try dataCenter("several-changes")
        #expect(push.repository == "PROJ/shop")
        #expect(push.repositoryID == "84")
    }

    @Test("a personal repository is under its user's tilde")
    func personal() throws {
        let push = try dataCenter("personal")
        #expect(push.repository == "~gopher/web.hook-test")
        #expect(RepositoryName(push.repository) != nil)
    }

    @Test("the first push to a new branch (ADD) is a change, slashes and all")
    func newBranch() throws {
        #expect(try dataCenter("branch-added").refs == [try branch("feature/issue-819", nil, "a")])
    }

    @Test("a deletion's zeros are no commit, of a branch and of a tag")
    func deletion() throws {
        #expect(try dataCenter("branch-deleted").refs == [try branch("feature/a", "a", nil)])
        #expect(try dataCenter("tag-deleted").refs == [try tag("v1.0", "a", nil)])
    }

    @Test(
        "zeros are no commit, whatever the type says, and DELETE is a deletion, whatever the hash says",
        arguments: [("UPDATE", "0"), ("ADD", "0"), ("DELETE", "b")])
    func zeros(type: String, new: String) throws {
        let hash = String(repeating: new, count: 40)
        let change =
            #"{"ref": {"id": "refs/heads/a"}, "type": "\#(type)", "fromHash": "\#(String(repeating: "a", count: 40))", "toHash": "\#(hash)"}"#
        let body = #"{"repository": {"slug": "shop", "project": {"key": "P"}}, "changes": [\#(change)]}"#
        #expect(try push(of: read(provider, event: "repo:refs_changed", Array(body.utf8))).refs == [try branch("a", "a", nil)])
    }

    @Test("of an annotated tag the tag object is taken, as it was sent")
    func annotatedTag() throws {
        #expect(try dataCenter("annotated-tag").refs == [try tag("v2.0", nil, "c")])
    }

    @Test("a mirror's event counts as a push, also one that names no refs")
    func mirror() throws {
        #expect(try dataCenter("mirror", event: "mirror:repo_synchronized").refs == [try branch("main", "a", "b")])
        #expect(try dataCenter("mirror-ref-limit", event: "mirror:repo_synchronized").refs.isEmpty)
    }

    @Test("dates are never parsed: of old and new versions, without one", arguments: ["iso-dates", "without-dates"])
    func dates(name: String) throws {
        #expect(try dataCenter(name).refs == [try branch("main", "a", "b")])
    }

    @Test("the ref's full id counts, not what is displayed; refId where there is no ref")
    func refID() throws {
        #expect(try dataCenter("ref-id").refs == [try branch("main", "a", "b"), try branch("fallback", "a", "b")])
    }

    @Test("a ref whose name begins with a combining mark is still a branch")
    func combiningMark() throws {
        let change = #"{"ref": {"id": "refs/heads/\u0301x"}, "type": "ADD", "toHash": "\#(String(repeating: "a", count: 40))"}"#
        let body = #"{"repository": {"slug": "shop", "project": {"key": "P"}}, "changes": [\#(change)]}"#
        #expect(try push(of: read(provider, event: "repo:refs_changed", Array(body.utf8))).refs == [try branch("\u{301}x", nil, "a")])
    }

    @Test("refs that are neither branch nor tag are kept apart with a reason, and so is a change without a ref")
    func otherRefs() throws {
        let push = try dataCenter("other-refs")
        #expect(push.refs.map(\.refText) == ["refs/pull-requests/1/from", "refs/notes/x/y", ""])
        #expect(push.reasons == ["it is neither branch nor tag", "it is neither branch nor tag", "the change names no ref"])
    }

    @Test("a hash that is no whole commit is kept apart under the same ref")
    func notACommit() throws {
        let push = try dataCenter("not-a-commit")
        #expect(push.refs.map(\.refText) == ["refs/heads/main", "refs/heads/bare", "refs/heads/long"])
        #expect(
            push.reasons == [
                "\"to-hash-1\" is not a commit", "\"\" is not a commit", "\"\(String(repeating: "b", count: 41))\" is not a commit",
            ])
    }

    @Test("a body without the repository's project is refused and says so")
    func noProject() throws {
        #expect(
            try refusal(provider, event: "repo:refs_changed", fixture("datacenter/without-project"))
                == "the body is not shaped like repo:refs_changed: repository.project is missing")
    }

    @Test("the Post Webhooks add-on is told to give way to Bitbucket's own webhooks, by its header or by Cloud's event key")
    func addOn() throws {
        let body = try fixture("cloud/add-on")
        for (event, more) in [
            ("repo:push", [:]), ("repo:push", ["X-Bitbucket-Type": "server"]), ("repo:refs_changed", ["x-bitbucket-type": "server"]),
        ] {
            #expect(try refusal(provider, event: event, body, headers: more).contains("use Bitbucket's own webhooks"))
        }
    }

    @Test("none of Cloud's headers is asked for")
    func cloudHeaders() throws {
        #expect(try dataCenter("branch-added").refs.count == 1)
        #expect(provider.requestID(headers(["X-Request-Id": "r", "X-Request-UUID": "u"])) == "r")
        #expect(provider.requestID(headers(["X-Request-UUID": "u"])) == nil)
    }

    @Test(
        "the connection test is recognised without a signature, up to 1 KB, and nothing else is",
        arguments: [(0, true), (14, true), (1024, true), (1025, false), (1 << 20, false)])
    func ping(size: Int, isPing: Bool) {
        #expect(provider.isPing(headers(["X-Event-Key": "diagnostics:ping"]), bodySize: size) == isPing)
        #expect(!provider.isPing(headers(["X-Event-Key": "repo:refs_changed"]), bodySize: size))
        #expect(!provider.isPing(headers(["X-Event-Key": "diagnostics:ping2"]), bodySize: size))
        #expect(!provider.isPing(headers([:]), bodySize: size))
    }
}
