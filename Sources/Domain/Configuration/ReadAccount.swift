extension ConfigurationField {
    /// All accounts by name. One that is not whole is there as nil, so that an app can tell "unknown" from "already reported".
    func accounts() -> [String: Account?]? {
        guard let fields = namedFields("a mapping of names to accounts") else { return nil }
        guard !fields.isEmpty else { return refused("`\(name)` is empty (add an account with kind and hook_secret)") }
        var accounts: [String: Account?] = [:]
        for field in fields {
            if !NameText.isName(field.name) {
                findings.error(at: field.keyPosition, "\(quoted(field.name)) is no name for an account (\(NameText.rule))")
            }
            accounts.updateValue(field.account(), forKey: field.name)
        }
        return accounts
    }

    private func account() -> Account? {
        guard let mapping = mapping(.account) else { return nil }
        let kind = mapping.required("kind", "bitbucket-cloud or bitbucket-datacenter")?.accountKind()
        let secrets = mapping.hookSecretsOfAccount()
        let credentials = mapping["auth"]?.credentials(for: kind) ?? Credentials()
        let workspace = mapping["workspace"]?.workspace()
        let url = mapping["url"]?.httpsAddress()
        let sshURL = mapping["ssh_url"]?.sshBase()
        let authority = mapping["ca"]?.path()
        let proxy = mapping["proxy"]?.proxy()
        if let kind { mapping.checkAddresses(of: kind) }
        guard let kind, let secrets else { return nil }
        return Account(
            name: name, kind: kind, workspace: workspace, url: url, sshURL: sshURL, certificateAuthority: authority, proxy: proxy,
            hookSecrets: secrets, rest: credentials.rest, ssh: credentials.ssh
        )
    }

    private func accountKind() -> Account.Kind? {
        choice(Account.Kind.allCases.map(\.rawValue)).flatMap(Account.Kind.init)
    }

    private func workspace() -> String? {
        guard let text = text("a workspace's id") else { return nil }
        guard RepositoryName(owner: text, slug: "any") != nil else {
            return refused(text, mustBe: "a workspace's id, as in https://bitbucket.org/WORKSPACE/")
        }
        return text
    }
}

extension MappingReader {
    /// Where nobody listens there may be none.
    fileprivate func hookSecretsOfAccount() -> [Secret]? {
        if findings.hooksAreOff, self["hook_secret"] == nil { return [] }
        return required("hook_secret", "without one anybody could deploy: credential:NAME, file:PATH or env:NAME")?.hookSecrets()
    }

    /// Which of the keys that say where the forge is belong to its kind.
    fileprivate func checkAddresses(of kind: Account.Kind) {
        switch kind {
        case .bitbucketCloud:
            refuse(["url", "ssh_url"], "belongs to kind bitbucket-datacenter (leave it out)")
        case .bitbucketDataCenter:
            refuse(["workspace"], "belongs to kind bitbucket-cloud (name the repository with its project: PROJECT/slug)")
            _ = required("url", "the server's base address, such as https://git.example.com/bitbucket")
        case .github, .gitlab, .gitea:
            break
        }
    }
}
