import Testing

@testable import Domain

/// The small forms that values of the configuration have.
struct ConfigurationFormsTests {
    @Test(
        "times have a unit and no sign",
        arguments: [
            ("90s", 90), ("15m", 900), ("2h", 7_200), ("7d", 604_800), ("0s", 0), ("3650d", 315_360_000),
            ("", nil), ("s", nil), ("90", nil), ("90 s", nil), ("-1s", nil), ("+1s", nil), ("1.5h", nil), ("1h30m", nil), ("1S", nil),
            ("99999d", nil), ("99999999999999999999s", nil), ("٣s", nil),
        ] as [(String, Int?)])
    func durations(text: String, seconds: Int?) {
        #expect(DurationText.duration(text) == seconds.map { .seconds($0) })
    }

    @Test(
        "sizes have a unit, and K is 1,024",
        arguments: [
            ("1K", 1_024), ("512K", 524_288), ("64M", 67_108_864), ("2G", 2_147_483_648), ("0K", 0),
            ("", nil), ("K", nil), ("512", nil), ("512k", nil), ("1KB", nil), ("-1K", nil), ("99999999999G", nil),
        ] as [(String, Int?)])
    func sizes(text: String, bytes: Int?) {
        #expect(SizeText.bytes(text) == bytes)
        if let bytes, bytes > 0 { #expect(SizeText.text(of: bytes) == text) }
    }

    @Test(
        "names are safe in paths and addresses",
        arguments: [
            ("a", true), ("shop-2.eu_west", true), ("0", true), (String(repeating: "a", count: 63), true),
            ("", false), ("A", false), ("-a", false), (".", false), ("..", false), ("a/b", false), ("a b", false), ("ä", false),
            (String(repeating: "a", count: 64), false),
        ])
    func names(text: String, isName: Bool) {
        #expect(NameText.isName(text) == isName)
    }

    @Test(
        "a word is guessed when it is near",
        arguments: [
            ("brnach", "branch"), ("Branch", "branch"), ("pre-deploy", "pre_deploy"), ("preDeploy", "pre_deploy"), ("acount", "account"),
            ("xyz", nil), ("", nil), (String(repeating: "branch", count: 1_000), nil),
        ] as [(String, String?)])
    func spelling(word: String, expected: String?) {
        #expect(Spelling.nearest(to: word, among: ["account", "branch", "pre_deploy", "root"]) == expected)
    }

    @Test(
        "distance counts insertions, deletions, replacements and swaps",
        arguments: [
            ("", "", 0), ("a", "", 1), ("", "ab", 2), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "axc", 1), ("ca", "abc", 3),
        ])
    func distance(left: String, right: String, expected: Int) {
        #expect(Spelling.distance(Array(left.utf8), Array(right.utf8)) == expected)
    }

    @Test(
        "paths lose what they do not need",
        arguments: [
            ("a", "/d/a"), ("./a//b/", "/d/a/b"), ("../a", "/a"), ("../../..", "/"), ("/", "/"), ("/x/./y/..", "/x"), (".", "/d"),
        ])
    func paths(path: String, expected: String) {
        #expect(PathText.absolute(path, in: "/d") == expected)
    }

    @Test("a path is inside itself and what is above it")
    func inside() {
        #expect(PathText.isInside("/a", "/a") && PathText.isInside("/a/b", "/a") && PathText.isInside("/a", "/"))
        #expect(!PathText.isInside("/ab", "/a") && !PathText.isInside("/a", "/a/b"))
    }

    @Test(
        "IP addresses",
        arguments: [
            ("127.0.0.1", 4), ("255.255.255.255", 4), ("::", 6), ("::1", 6), ("1::", 6), ("2001:db8::1", 6), ("1:2:3:4:5:6:7:8", 6),
            ("::ffff:192.0.2.1", 6), ("1:2:3:4:5:6:192.0.2.1", 6), ("1:2:3:4:5:6:7::", 6),
            ("", 0), ("1", 0), ("1.2.3", 0), ("1.2.3.4.5", 0), ("256.0.0.1", 0), ("01.2.3.4", 0), ("1.2.3.4/8", 0), (":", 0), (":::", 0),
            ("1::2::3", 0), ("1:2:3:4:5:6:7", 0), ("1:2:3:4:5:6:7:8:9", 0), ("1:2:3:4:5:6:7:8::", 0), ("12345::", 0), ("g::", 0),
            ("fe80::1%eth0", 0), ("192.0.2.1::", 0), (":1", 0), ("1:", 0),
        ])
    func addresses(text: String, version: Int) {
        #expect(IPAddressText.isVersion4(text) == (version == 4))
        #expect(IPAddressText.isVersion6(text) == (version == 6))
    }

    @Test("an address is taken apart")
    func webAddress() throws {
        let address = try #require(WebAddress("ssh://git:pw@[::1]:7999/a/b/?c"))
        #expect(address.scheme == "ssh" && address.user == "git" && address.hasPassword)
        #expect(address.host == "::1" && address.port == 7_999 && address.path == "/a/b/" && address.hasQuery && address.isLoopback)
        #expect(WebAddress("https://Example.COM//")?.text == "https://Example.COM")
        #expect(WebAddress("https://Example.COM")?.host == "example.com")
        #expect(WebAddress("file:///")?.text == "file://")
        // What stands before the last @ is no host.
        #expect(WebAddress("https://a@b@c/")?.host == "c")
    }

    @Test(
        "what is no address is none",
        arguments: [
            "", "a", "://a", "https:/a", "https://a b", "https://a:b", "https://a:65536", "https://::1", "https://[::1", "https://[a]",
            "https://-a", "https://ä", "https://a\n", "1 2://a", "https://:80", "https://[]/",
        ])
    func noWebAddress(text: String) {
        #expect(WebAddress(text) == nil)
    }

    @Test(
        "host and port need each other",
        arguments: [
            ("localhost:80", "localhost", 80), ("[::1]:0", "::1", 0), ("1.2.3.4:65535", "1.2.3.4", 65_535),
            ("localhost", nil, 0), (":80", nil, 0), ("a:", nil, 0), ("a:b", nil, 0), ("::1:80", nil, 0), ("[::1]", nil, 0),
            ("[::1]80", nil, 0),
            ("", nil, 0), ("a:80:90", nil, 0),
        ] as [(String, String?, Int)])
    func hostPort(text: String, host: String?, port: Int) {
        let found = HostPort.split(text[...])
        #expect(found?.host == host)
        if host != nil { #expect(found?.port == port) }
    }
}
