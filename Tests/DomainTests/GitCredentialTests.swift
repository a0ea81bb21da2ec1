import Testing

@testable import Domain

struct GitCredentialTests {
    private static let token = Secret("ATATT-token")

    @Test(
        "git shows each kind of credential under the user name it is good for",
        arguments: [
            (.bitbucketCloud, .apiToken(token, email: "ci@acme.example"), "x-bitbucket-api-token-auth:ATATT-token"),
            (.bitbucketCloud, .accessToken(token), "x-token-auth:ATATT-token"),
            (.bitbucketCloud, .appPassword(token, username: "gopher"), "gopher:ATATT-token"),
            (.bitbucketDataCenter, .appPassword(token, username: "gopher"), "gopher:ATATT-token"),
        ] as [(Account.Kind, RESTCredential, String)])
    func basic(kind: Account.Kind, credential: RESTCredential, shown: String) {
        #expect(account(kind, rest: credential).gitAuthorization?.text == "Basic " + Base64.encode(Array(shown.utf8)))
    }

    @Test("an access token of Data Center is shown as Bearer")
    func bearer() {
        #expect(account(.bitbucketDataCenter, rest: .accessToken(Self.token)).gitAuthorization?.text == "Bearer ATATT-token")
    }

    @Test("an account without a credential shows none")
    func none() {
        #expect(account(.bitbucketCloud).gitAuthorization == nil)
        #expect(account(.bitbucketCloud).credentialSecrets.isEmpty)
    }

    @Test("the credential of a Cloud account is for Bitbucket Cloud alone")
    func cloudBase() {
        #expect(account(.bitbucketCloud).gitBaseURL == "https://bitbucket.org/")
        #expect(account(.bitbucketCloud, url: "https://evil.example").gitBaseURL == "https://bitbucket.org/")
    }

    @Test(
        "the credential of a Data Center account is for its scheme, host and port, whatever the path",
        arguments: [
            ("https://git.example.com/bitbucket", "https://git.example.com/"), ("https://git.example.com", "https://git.example.com/"),
            ("https://git.example.com:7990/a/b", "https://git.example.com:7990/"), ("http://[::1]:7990/x", "http://[::1]:7990/"),
            ("git.example.com", nil), ("https:///x", nil),
        ] as [(String, String?)])
    func dataCenterBase(url: String, base: String?) {
        #expect(account(.bitbucketDataCenter, url: url).gitBaseURL == base)
    }

    @Test("no address, no place for a credential")
    func noBase() {
        #expect(account(.bitbucketDataCenter).gitBaseURL == nil)
    }

    @Test("everything secret about git is known to the mask: the token, the header made of it, a key from the environment")
    func secrets() throws {
        let key = Secret("-----BEGIN KEY-----")
        let known = account(.bitbucketCloud, rest: .accessToken(Self.token), ssh: SSHCredential(key: .contents(key), knownHosts: nil))
        #expect(
            known.credentialSecrets
                == [try #require(known.gitAuthorization), try #require(known.restAuthorization), Self.token, key])
    }

    @Test("a key in a file is not read for it")
    func keyFile() {
        #expect(account(.bitbucketCloud, ssh: SSHCredential(key: .path("/etc/key"), knownHosts: nil)).credentialSecrets.isEmpty)
    }
}
