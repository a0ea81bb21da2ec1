/// How an account's credential is shown to a forge's REST side: not as it is shown to git.
extension Account {
    /// The value of the `Authorization` header; nil without a credential, and for an OAuth consumer, who has to be given an access token
    /// first (``bearing(_:)``).
    ///
    /// Sources: Atlassian, "Using API tokens" (Basic with the e-mail address), "Using project access tokens", "HTTP access tokens".
    package var restAuthorization: Secret? {
        switch rest {
        case .apiToken(let token, email: let email): Self.basic(email, token)
        case .accessToken(let token): Secret(Array("Bearer ".utf8) + token.withBytes { $0 })
        case .appPassword(let password, username: let user): Self.basic(user, password)
        case .oauth, nil: nil
        }
    }

    /// The account with an access token that its OAuth consumer was given, in the place of the consumer.
    package func bearing(_ token: Secret) -> Account {
        var account = self
        account.rest = .accessToken(token)
        return account
    }

    /// The OAuth consumer for whom an access token has to be had before anything is asked.
    package var consumer: (key: String, secret: Secret)? {
        guard case .oauth(let key, let secret) = rest else { return nil }
        return (key, secret)
    }

    /// `Authorization: Basic`, RFC 7617.
    package static func basic(_ user: String, _ password: Secret) -> Secret {
        Secret("Basic " + Base64.encode(Array("\(user):".utf8) + password.withBytes { $0 }))
    }
}
