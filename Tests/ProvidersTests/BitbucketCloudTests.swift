import Domain
import Testing

@testable import Providers

struct BitbucketCloudTests {
    @Test("the repository is known by its full name, not by its name, and by its UUID")
    func repository() throws {
        let push = try cloud("several-changes")
        #expect(push.repository == "acme/shop")
        #expect(push.repositoryID == "{11111111-2222-3333-4444-555555555555}")
    }

    @Test("a deletion is told by new: null, of a branch and of a tag")
    func deletion() throws {
        #expect(try cloud("branch-deleted").refs == [try branch("feature/a", "a", nil)])
        #expect(try cloud("tag-deleted").refs == [try tag("v1.0", "a", nil)])
    }

    @Test("closed is no deletion")
    func closed() throws {
        #expect(try cloud("closed-with-new").refs == [try branch("main", "a", "b")])
    }

    @Test("the first push to a new branch is a change, slashes and all")
    func newBranch() throws {
        #expect(try cloud("new-branch").refs == [try branch("feature/issue-819", nil, "a")])
    }

    @Test("a tag is a tag, also with slashes; of an annotated one the commit counts")
    func tags() throws {
        #expect(try cloud("tag-created").refs == [try tag("release/v1.0", nil, "a")])
        #expect(try cloud("annotated-tag").refs == [try tag("v2.0", nil, "b")])
    }

    @Test("a forced push with truncated commits is a change like another")
    func forced() throws {
        #expect(try cloud("forced-truncated").refs == [try branch("main", "a", "b")])
    }

    @Test("empty, absent or null commits do not mean that nothing changed")
    func commits() throws {
        #expect(
            try cloud("without-commits").refs == [try branch("main", nil, "a"), try branch("copy", nil, "a"), try branch("null", nil, "a")])
    }

    @Test("what Mercurial had is kept apart with a reason")
    func mercurial() throws {
        let push = try cloud("mercurial")
        #expect(push.refs.map(\.refText) == ["default", "mark"])
        #expect(push.reasons == Array(repeating: "Mercurial repositories cannot be deployed", count: 2))
    }

    @Test("a change of no kind we know, of no kind at all, or without a ref is kept apart with a reason")
    func oddKinds() throws {
        let push = try cloud("odd-kind")
        #expect(push.refs.map(\.refText) == ["x", "y", ""])
        #expect(push.reasons == ["\"note\" is neither branch nor tag", "\"\" is neither branch nor tag", "the change names no ref"])
    }

    @Test("a hash that is no whole commit is kept apart under the same ref")
    func notACommit() throws {
        let push = try cloud("not-a-commit")
        #expect(push.refs.map(\.refText) == ["refs/heads/main", "refs/heads/bare", "refs/heads/short"])
        #expect(push.reasons == ["\"HASH\" is not a commit", "\"\" is not a commit", "\"bbbbbbbbbbbb\" is not a commit"])
    }

    @Test("a body without the repository's full name is refused and says so")
    func noName() throws {
        #expect(
            try refusal(BitbucketCloud(), event: "repo:push", fixture("cloud/without-repository-name"))
                == "the repo:push body has no repository.full_name")
    }

    @Test("the Post Webhooks add-on is told to give way to Bitbucket's own webhooks")
    func addOn() throws {
        let sentence = try refusal(BitbucketCloud(), event: "repo:push", fixture("cloud/add-on"), headers: ["X-Bitbucket-Type": "server"])
        #expect(sentence.contains("use Bitbucket's own webhooks"))
    }

    @Test("Data Center's push is no push here")
    func dataCenterEvent() throws {
        #expect(
            try read(BitbucketCloud(), event: "repo:refs_changed", fixture("datacenter/several-changes"))
                == .other(key: "repo:refs_changed"))
    }

    @Test("Cloud has no ping that would be answered unsigned")
    func noPing() {
        #expect(!BitbucketCloud().isPing(headers(["X-Event-Key": "diagnostics:ping"]), bodySize: 14))
    }

    @Test("a request is known by X-Request-UUID, not by the hook's id or Data Center's header")
    func requestID() {
        let given = headers(["X-Hook-UUID": "h", "X-Request-Id": "d", "X-Request-UUID": "r"])
        #expect(BitbucketCloud().requestID(given) == "r")
        #expect(BitbucketCloud().requestID(headers(["X-Hook-UUID": "h", "X-Request-Id": "d"])) == nil)
    }
}
