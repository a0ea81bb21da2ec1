import Testing

@testable import Domain

struct GlobTests {
    @Test(
        "a pattern lets in the names it means",
        arguments: [
            ("main", "main"), ("*", "main"), ("*", ""), ("release/*", "release/1.0"), ("release/*", "release/"), ("**", "a/b/c"),
            ("**", ""),
            ("release/**", "release/a/b"), ("**/hotfix", "a/b/hotfix"), ("a**z", "a/b/z"), ("a***z", "a/b/z"), ("v?.?", "v1.0"),
            ("v[0-9]", "v7"),
            ("v[0-9a]", "va"), ("[!a]x", "bx"), ("[^a]x", "bx"), ("[]]", "]"), ("[a-]", "-"), ("[-a]", "-"), ("[!]]", "a"),
            ("a*b*c", "aXbYc"),
            ("a*b*c", "abbbc"), ("*-*", "a-b-c"), ("?", "é"), ("größe/*", "größe/x"), ("機?", "機能"), ("1.10", "1.10"), ("a.b", "a.b"),
            ("{a,b}", "{a,b}"),
            ("[*]", "*"), ("[а-я]", "ж"),
        ])
    func matches(pattern: String, name: String) throws {
        #expect(try #require(Glob(pattern)).matches(name))
    }

    @Test(
        "a pattern lets in nothing else",
        arguments: [
            ("main", "Main"), ("main", "main2"), ("main", "xmain"), ("main", ""), ("*", "a/b"), ("release/*", "release/a/b"),
            ("release/*", "release"),
            ("v?", "v"), ("v?", "v10"), ("a?b", "a/b"), ("a[/]b", "a/b"), ("a[!x]b", "a/b"), ("[a-z]", "A"), ("[!a-z]", "q"),
            ("**/hotfix", "hotfix"),
            ("a*b*c", "aXcYb"), ("1.10", "1x10"), ("{a,b}", "a"), ("?", "ab"), ("*a", "ab"),
        ])
    func refuses(pattern: String, name: String) throws {
        #expect(try #require(Glob(pattern)).matches(name) == false)
    }

    @Test("a pattern that can mean nothing is none", arguments: ["", "!", "[", "[a", "a[", "[]", "[!]", "[z-a]", "x[]", "[]a", "![a"])
    func bad(pattern: String) {
        #expect(Glob(pattern) == nil)
    }

    @Test("a pattern has at most 1,000 bytes")
    func length() {
        #expect(Glob(String(repeating: "a", count: 1000)) != nil)
        #expect(Glob(String(repeating: "a", count: 1001)) == nil)
    }

    @Test(
        "a name is literal when nothing in it is magic",
        arguments: [("main", "main"), ("a/b", "a/b"), ("é", "é"), ("a*", nil), ("a?", nil), ("[a]", nil), ("!a", nil)]
            as [(String, String?)])
    func literal(pattern: String, name: String?) throws {
        #expect(try #require(Glob(pattern)).literalName == name)
    }

    @Test("an exclusion takes out what other patterns let in, wherever it stands")
    func exclusion() throws {
        for list in [try globs("release/*", "!release/old"), try globs("!release/old", "release/*")] {
            #expect(list.admit("release/new"))
            #expect(!list.admit("release/old"))
            #expect(!list.admit("main"))
        }
        #expect(try !globs("!old").admit("new"))
        #expect(try globs("a!b").admit("a!b"))
        #expect(![Glob]().admit("main"))
    }

    @Test("no pattern is slow", .timeLimit(.minutes(1)))
    func pathological() throws {
        let name = String(repeating: "a", count: 1000)
        #expect(try #require(Glob(String(repeating: "*a", count: 499) + "b")).matches(name) == false)
        #expect(try #require(Glob(String(repeating: "**a", count: 333) + "b")).matches(name) == false)
        #expect(try #require(Glob(String(repeating: "[!b]*", count: 200))).matches(name))
    }
}
