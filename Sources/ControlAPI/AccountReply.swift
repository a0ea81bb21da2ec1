package import Domain

/// What is configured of one account, and how its hooks are doing.
package struct AccountReply: Codable, Sendable, Equatable {
    package var account: String
    package var kind: String
    /// What is shown to the forge: `API token of ci@acme.example`, `ssh key`; never the credential itself.
    package var credentials: [String]
    package var hooks: [HookReply]
    /// Names of its apps.
    package var apps: [String]

    package struct HookReply: Codable, Sendable, Equatable {
        /// The app whose own hook it is; null: all others of the account hear it.
        @Nullable package var app: String?
        /// To be pasted at the forge; a path alone where `public_url` is not configured.
        package var address: String
        /// When each of its secrets last proved a delivery since the configuration was read, in the order of the configuration.
        package var secrets: [SecretReply]
        /// When the last delivery came that was proved, as far as the ledger still has it.
        @Nullable package var last_verified: String?

        package init(app: String?, address: String, secrets: [Timestamp?], lastVerified: Timestamp?) {
            self.app = app
            self.address = address
            self.secrets = secrets.map { SecretReply(last_verified: $0?.rfc3339) }
            last_verified = lastVerified?.rfc3339
        }
    }

    package struct SecretReply: Codable, Sendable, Equatable {
        @Nullable package var last_verified: String?

        init(last_verified: String?) {
            self.last_verified = last_verified
        }
    }

    package init(_ account: Account, hooks: [HookReply], apps: [String]) {
        self.account = account.name
        kind = account.kind.rawValue
        self.hooks = hooks
        self.apps = apps
        let rest: String? =
            switch account.rest {
            case .apiToken(_, let email): "API token of \(email)"
            case .accessToken: "access token"
            case .appPassword(_, let username): "app password of \(username)"
            case .oauth(let key, _): "OAuth consumer \(key)"
            case nil: nil
            }
        credentials = [rest, account.ssh == nil ? nil : "ssh key"].compactMap(\.self)
    }
}
