import Testing

@testable import Domain

struct FilterRulesTests {
    private func rules(_ paths: [String] = [], markers: [String] = ["[skip deploy]"]) throws -> FilterRules {
        var filters = PushFilters()
        filters.paths = try paths.map { try #require(Glob($0)) }
        filters.skipMarkers = markers
        return FilterRules(filters)
    }

    private func facts(_ changed: [String]?, message: String = "Change") throws -> CommitFacts {
        CommitFacts(tree: try commit("e"), message: message, changed: changed)
    }

    @Test("only a push or a catch-up is held back", arguments: Job.Cause.allCases)
    func causes(cause: Job.Cause) throws {
        let end = try rules(["src/**"]).skips(facts(["docs/a"], message: "x [skip deploy]"), cause: cause)
        #expect((end != nil) == (cause == .push || cause == .catchUp))
    }

    @Test("the marker comes before the paths, and its reason names it")
    func marker() throws {
        let end = try rules(["src/**"]).skips(facts(["docs/a"], message: "one\n\ntwo [skip deploy]"), cause: .push)
        #expect(end == JobEnd(.skipped, "the commit's message says [skip deploy]"))
        #expect(try rules(markers: []).skips(facts(nil, message: "[skip deploy]"), cause: .push) == nil)
    }

    @Test("one file that matches is enough, an exclusion takes files out, and what is not known holds nothing back")
    func paths() throws {
        let rules = try rules(["src/**", "!**.md"])
        #expect(rules.needsChangedFiles)
        #expect(try rules.skips(facts(["docs/a", "src/b"]), cause: .push) == nil)
        #expect(
            try rules.skips(facts(["docs/a", "src/b.md"]), cause: .push)
                == JobEnd(.skipped, "no pushed file matches paths: src/**, !**.md"))
        #expect(try rules.skips(facts([]), cause: .push) == JobEnd(.skipped, "no file differs from the live commit"))
        #expect(try rules.skips(facts(nil), cause: .push) == nil)
    }
}
