/// How git shows an account's credential to a server: not as it is shown to REST.
extension Account {
    /// The value of the `Authorization` header for git over HTTPS; nil without a credential.
    ///
    /// Sources: Atlassian, "Using API tokens" (user `x-bitbucket-api-token-auth`), "Using project access tokens" (user `x-token-auth`),
    /// "HTTP access tokens" of Data Center (Bearer only).
    package var gitAuthorization: Secret? {
        switch rest {
        case .apiToken(let token, email: _): Self.basic("x-bitbucket-api-token-auth", token)
        case .accessToken(let token) where kind == .bitbucketDataCenter: Secret(Array("Bearer ".utf8) + token.withBytes { $0 })
        case .accessToken(let token): Self.basic("x-token-auth", token)
        case .appPassword(let password, username: let user): Self.basic(user, password)
        case .oauth, nil: nil
        }
    }

    /// The account as the app uses it: with the app's own credentials, where it has some.
    package func used(by app: App) -> Account { app.credentials.map(showing) ?? self }

    /// The same account with other credentials.
    package func showing(_ credentials: Credentials) -> Account {
        var account = self
        account.rest = credentials.rest
        account.ssh = credentials.ssh
        return account
    }

    /// The only place the credential is given to: scheme, host and port, with a slash behind.
    package var gitBaseURL: String? {
        switch kind {
        case .bitbucketCloud: "https://bitbucket.org/"
        default: url.flatMap(Self.origin)
        }
    }

    /// What must never be seen in the output of anything that had this account's credentials.
    package var credentialSecrets: [Secret] {
        var secrets = [gitAuthorization, restAuthorization].compactMap(\.self)
        switch rest {
        case .apiToken(let secret, email: _), .accessToken(let secret), .appPassword(let secret, username: _), .oauth(_, let secret):
            secrets.append(secret)
        case nil: break
        }
        if case .contents(let key) = ssh?.key { secrets.append(key) }
        return secrets
    }

    /// `https://host:port/` out of an address with a path.
    package static func origin(_ url: String) -> String? {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        let host = url[scheme.upperBound...].prefix { $0 != "/" }
        return host.isEmpty ? nil : url[..<scheme.upperBound] + host + "/"
    }
}
