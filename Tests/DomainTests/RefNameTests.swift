import RealParts
import Testing

@testable import Domain

struct RefNameTests {
    @Test(
        "a name that keeps git's rules is taken as it is, slashes and all",
        arguments: [
            "main", "feature/issue-819", "a/b/c/d", "1.10", "null", "on", "release/2026.11", "v1.0", "a@b", "@a", "a@", "HEAD", "locked",
            "a.lock.b", "a.b", "lock", "a-", "über/größe", "機能/一", "emoji-🚀", "a{b}", "a}b", "a$b", "a;b", "a&b|c", "'quoted'", "\"", "%2F",
            "e\u{301}", "\u{301}a", "a/\u{301}b", "#1", "+plus", "a=b", "(x)", "<x>", "!x", "a,b",
        ])
    func good(name: String) throws {
        let ref = try branch(name)
        #expect(ref.shortName == name)
        #expect(ref.full == "refs/heads/" + name)
        #expect(try tag(name).full == "refs/tags/" + name)
        #expect(RefName(full: ref.full) == ref)
        #expect(ref.description == ref.full)
    }

    @Test(
        "a name that breaks one of git's rules is no ref",
        arguments: [
            // 1: no component begins with a dot or ends in .lock.
            ".a", "a/.b", "a.lock", "a.lock/b", "a/b.lock", ".",
            // 3: no two dots in a row.
            "a..b", "..", "a/..", "../a", "a/../../b",
            // 4 and 5: no control characters, space, tilde, caret, colon, or signs of a glob.
            "a b", " a", "a ", "a\tb", "a\nb", "a\rb", "a\u{0}b", "a\u{1B}b", "a\u{7F}b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "*",
            // 6: no slash at the beginning or end, nor two in a row.
            "/a", "a/", "a//b", "/", "//", "",
            // 7 to 10: no dot at the end, no @{, not @ alone, no backslash.
            "a.", "a/b.", "a@{1}", "@{", "@", "a\\b", "\\",
            // git-check-ref-format --branch: no hyphen at the beginning.
            "-", "-a", "--upload-pack=x",
        ])
    func bad(name: String) {
        #expect(RefName(.branch, name) == nil)
        #expect(RefName(.tag, name) == nil)
        #expect(RefName(full: "refs/heads/" + name) == nil)
    }

    @Test(
        "a combining mark hides none of the bytes git forbids",
        arguments: ["a..\u{301}b", "a/.\u{301}b", "a/\u{301}/\u{301}/", "a//\u{301}b", "a@{\u{301}", "-\u{301}a", "/\u{301}a", "a~\u{301}"])
    func combiningMarks(name: String) {
        #expect(RefName(.branch, name) == nil)
    }

    @Test(
        "only branches and tags are refs here",
        arguments: ["main", "refs/pull/1/head", "refs/headsmain", "refs/heads", "HEAD", "", "Refs/heads/a"])
    func others(name: String) {
        #expect(RefName(full: name) == nil)
    }

    @Test("a name may have 1,000 bytes and no more")
    func length() {
        #expect(RefName(.branch, String(repeating: "a", count: 1000)) != nil)
        #expect(RefName(.branch, String(repeating: "a", count: 1001)) == nil)
        #expect(RefName(.branch, String(repeating: "ü", count: 500)) != nil)
        #expect(RefName(.branch, String(repeating: "ü", count: 501)) == nil)
    }

    @Test("a tag and a branch of one name are two refs, and so are two spellings that only Unicode calls equal")
    func identity() throws {
        #expect(try branch("a") != tag("a"))
        #expect(try branch("é") != branch("e\u{301}"))
        #expect(try Set([branch("a"), branch("a"), tag("a")]).count == 2)
    }

    @Test(
        "a slug has lower case letters, digits and single hyphens inside",
        arguments: [
            ("main", "main"), ("feature/Issue-819", "feature-issue-819"), ("release/2026.11", "release-2026-11"), ("A__B--C", "a-b-c"),
            ("_a_", "a"), ("größe", "gr-e"), ("機能", "ref"), ("___", "ref"), ("v1.0", "v1-0"), ("🚀x", "x"), ("9", "9"),
        ])
    func slugs(name: String, slug: String) throws {
        #expect(try branch(name).slug == slug)
    }

    @Test("a slug has at most 63 characters and no hyphen at its end after the cut")
    func slugLength() throws {
        #expect(try branch(String(repeating: "a", count: 63)).slug.count == 63)
        #expect(try branch(String(repeating: "a", count: 64)).slug == String(repeating: "a", count: 63))
        #expect(try branch(String(repeating: "a", count: 62) + "/b").slug == String(repeating: "a", count: 62))
        #expect(try branch(String(repeating: "a", count: 61) + "/b").slug == String(repeating: "a", count: 61) + "-b")
    }

    @Test("whatever the name, the slug is one that host names and unit names can hold")
    func slugProperty() {
        let seed = SeededRandom.seed
        var random = SeededRandom(seed: seed)
        let alphabet = Array("aZ09-_./éß機🚀İK\u{301}")
        for _ in 0..<2000 {
            let name = String((0..<Int.random(in: 1...90, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) })
            guard let slug = RefName(.branch, name)?.slug else { continue }
            #expect(slug.wholeMatch(of: /[a-z0-9]([a-z0-9-]*[a-z0-9])?/) != nil && slug.utf8.count <= 63, "\(name), seed \(seed)")
        }
    }
}
