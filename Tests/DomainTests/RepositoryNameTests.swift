import Testing

@testable import Domain

struct RepositoryNameTests {
    @Test(
        "the names both forges give are taken as they are",
        arguments: ["acme/shop", "PROJ/my-repo", "~gopher/webhook.test", "a_b/c_d", "0/0", "A~b/c"])
    func good(text: String) throws {
        let name = try #require(RepositoryName(text))
        #expect(name.description == text)
        #expect(RepositoryName(owner: name.owner, slug: name.slug) == name)
    }

    @Test("names that differ only in case are one repository")
    func folding() throws {
        let upper = try #require(RepositoryName("ACME/Shop"))
        let lower = try #require(RepositoryName("acme/shop"))
        #expect(upper == lower)
        #expect(Set([upper, lower]).count == 1)
        #expect(upper.folded == "acme/shop")
        #expect(upper.description == "ACME/Shop")
        #expect(upper != RepositoryName("acme/shop2"))
    }

    @Test(
        "anything else is no repository",
        arguments: [
            "", "/", "shop", "acme/", "/shop", "acme/shop/x", "acme//shop", "acme/shop ", "ac me/shop", "acme/sh\nop", "acme/shöp",
            "acme/~shop",
            "../shop", "acme/..", "./shop", "acme/.", "acme/shop\u{0}", "acme\\shop", "acme/sh$op", "https://acme/shop", "acme/sh;op",
            "acme/\u{301}shop",
        ])
    func bad(text: String) {
        #expect(RepositoryName(text) == nil)
    }

    @Test("a name has at most 300 bytes")
    func length() {
        #expect(RepositoryName("a/" + String(repeating: "b", count: 298)) != nil)
        #expect(RepositoryName("a/" + String(repeating: "b", count: 299)) == nil)
    }
}
