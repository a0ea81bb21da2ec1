// Which repository an app is made from, and where git finds it.

extension ConfigurationField {
    /// The repository's full name. `account` is nil when it is not known or not whole; then only the form is checked.
    func repository(of account: Account?) -> RepositoryName? {
        let right = account?.kind == .bitbucketDataCenter ? "PROJECT/slug or ~user/slug" : "workspace/slug"
        guard let text = text(right) else { return nil }
        if let name = RepositoryName(text) { return name }
        guard !text.contains("/") else { return refused(text, mustBe: right) }
        guard let account else {
            // Whether the account has a workspace cannot be said; the form of the slug can.
            return RepositoryName(owner: "any", slug: text) == nil ? refused(text, mustBe: right) : nil
        }
        guard account.kind == .bitbucketCloud, let workspace = account.workspace else {
            let more = account.kind == .bitbucketCloud ? ", or the account needs a `workspace`" : ""
            return refused("`\(name)` must be \(right), not \(quoted(text))\(more)")
        }
        return RepositoryName(owner: workspace, slug: text) ?? refused(text, mustBe: right)
    }

    /// What git is given: `https://`, `ssh://`, `file://` or an absolute path, never with a password.
    func cloneAddress() -> String? {
        let right = "https://…, ssh://…, file:///… or a path"
        guard let text = text(right) else { return nil }
        if text.contains("://") {
            guard let address = WebAddress(text), !["", "/"].contains(address.path) else { return refusedAddress(text, right) }
            return checkedCloneAddress(address, right)
        }
        let colon = text.firstIndex(of: ":")
        guard let colon, !text[..<colon].contains("/") else { return PathText.absolute(text, in: directory) }
        let path = text[text.index(after: colon)...].drop { $0 == "/" }
        // `user:password@host` is no such form, and is not to be shown.
        guard !path.contains("@") else { return refusedAddress(text, right) }
        return refused("`\(name)` must be written as an address (\(quoted("ssh://\(text[..<colon])/\(path)")))")
    }

    private func checkedCloneAddress(_ address: WebAddress, _ right: String) -> String? {
        guard !address.hasPassword else {
            return refused("`\(name)` must not hold a password (put it into `auth` of the account)")
        }
        guard address.user == nil || address.scheme == "ssh" else {
            return refused("`\(name)` must not hold a user (put the credential into `auth` of the account)")
        }
        guard !address.hasQuery, address.user.map(NameText.isAccountOfSystem) != false else { return refusedAddress(address.text, right) }
        switch address.scheme {
        case "https", "ssh": return address.host.isEmpty ? refusedAddress(address.text, right) : address.text
        case "http": return address.isLoopback ? address.text : refusedPlain()
        case "file": return address.host.isEmpty && address.port == nil ? address.text : refused(address.text, mustBe: "file:///PATH")
        default: return refused(address.text, mustBe: right)
        }
    }
}

extension MappingReader {
    /// `clone_url`, or what follows from the account and the repository.
    func cloneAddress(of repository: RepositoryName?, account: Account?) -> String? {
        if let field = self["clone_url"] { return field.cloneAddress() }
        guard let repository, let account else { return nil }
        switch account.kind {
        case .bitbucketCloud:
            return account.ssh == nil ? "https://bitbucket.org/\(repository).git" : "ssh://git@bitbucket.org/\(repository).git"
        case .bitbucketDataCenter where account.ssh == nil:
            // Without `url` the account itself is reported.
            return account.url.map { "\($0)/scm/\(repository).git" }
        case .bitbucketDataCenter:
            if let base = account.sshURL { return "\(base)/\(repository).git" }
            findings.error(
                at: self["account"]?.position ?? position,
                "account \(quoted(account.name)) has ssh_key but no ssh_url "
                    + "(add `ssh_url: ssh://git@HOST:PORT` there, or `clone_url` here)"
            )
            return nil
        case .github, .gitlab, .gitea:
            return nil
        }
    }
}
