/// What `auth` comes to.
package struct Credentials: Sendable, Equatable, Codable {
    package var rest: RESTCredential?
    package var ssh: SSHCredential?

    package init(rest: RESTCredential? = nil, ssh: SSHCredential? = nil) {
        self.rest = rest
        self.ssh = ssh
    }
}

extension ConfigurationField {
    /// At most one credential for HTTPS, at most one key for ssh, and at least one of both. `kind` is nil where it is not known.
    func credentials(for kind: Account.Kind?) -> Credentials? {
        guard let mapping = mapping(.auth) else { return nil }
        let rest = mapping.restCredential()
        let ssh = mapping.sshCredential()
        mapping.checkCompany()
        mapping.checkCredentials(for: kind)
        return Credentials(rest: rest, ssh: ssh)
    }

    fileprivate func personalName(_ right: String) -> String? {
        guard let text = text(right) else { return nil }
        // It goes in front of the first colon of `Authorization: Basic`.
        guard !text.contains(":"), !text.contains(" ") else { return refused(text, mustBe: "\(right), without colons and spaces") }
        return text
    }

    fileprivate func email() -> String? {
        guard let text = personalName("an e-mail address") else { return nil }
        return text.contains("@") ? text : refused(text, mustBe: "an e-mail address")
    }
}

extension MappingReader {
    private static let restKeys = ["api_token", "access_token", "oauth", "app_password"]

    /// The credential for REST and for git over HTTPS; the first, where several contradict each other.
    fileprivate func restCredential() -> RESTCredential? {
        let found = [apiToken(), self["access_token"]?.secret(.shown).map { .accessToken($0.value) }, oauth(), appPassword()]
        let given = Self.restKeys.compactMap { self[$0] }
        for field in given.dropFirst() {
            findings.error(
                at: field.keyPosition,
                "`\(field.name)` contradicts `\(given[0].name)` (one of \(Self.restKeys.joined(separator: ", ")), and ssh_key beside it)"
            )
        }
        return found.compactMap(\.self).first
    }

    private func apiToken() -> RESTCredential? {
        guard let field = self["api_token"] else { return nil }
        let secret = field.secret(.shown)
        let email = required("email", "that of the token's user")?.email()
        guard let secret, let email else { return nil }
        return .apiToken(secret.value, email: email)
    }

    private func appPassword() -> RESTCredential? {
        guard let field = self["app_password"] else { return nil }
        findings.warning(
            at: field.keyPosition, "Bitbucket Cloud switched app passwords off in July 2026 (use api_token with email, or access_token)"
        )
        let secret = field.secret(.shown)
        let username = required("username", "that of the password's user")?.personalName("a user's name")
        guard let secret, let username else { return nil }
        return .appPassword(secret.value, username: username)
    }

    private func oauth() -> RESTCredential? {
        guard let mapping = self["oauth"]?.mapping(.oauth) else { return nil }
        let key = mapping.required("key", "the consumer's key")?.personalName("the consumer's key")
        let secret = mapping.required("secret", "the consumer's secret")?.secret(.shown)
        guard let key, let secret else { return nil }
        return .oauth(key: key, secret: secret.value)
    }

    fileprivate func sshCredential() -> SSHCredential? {
        let knownHosts = self["known_hosts"]?.path("a file")
        guard let key = self["ssh_key"]?.secret(.sshKey) else { return nil }
        return SSHCredential(key: key.path.map { .path($0) } ?? .contents(key.value), knownHosts: knownHosts)
    }

    /// Keys that mean nothing without another one, and a mapping that says nothing at all.
    fileprivate func checkCompany() {
        for (key, other) in [("email", "api_token"), ("username", "app_password"), ("known_hosts", "ssh_key")] where self[other] == nil {
            refuse([key], "has no effect without `\(other)` (add it, or leave this out)")
        }
        if (Self.restKeys + ["ssh_key"]).allSatisfy({ self[$0] == nil }) {
            findings.error(at: position, "`auth` holds no credential (one of api_token, access_token, oauth, ssh_key)")
        }
    }

    fileprivate func checkCredentials(for kind: Account.Kind?) {
        guard kind == .bitbucketDataCenter else { return }
        refuse(["api_token", "app_password"], "belongs to kind bitbucket-cloud (use access_token with an HTTP access token)")
    }
}
