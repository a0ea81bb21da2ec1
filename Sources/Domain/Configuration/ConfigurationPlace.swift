/// A kind of mapping in the configuration files, with every key that may stand in it.
///
/// The order is the manual's. Whether a key has its effect yet is ``NotSupportedYet``'s business.
package enum ConfigurationPlace: String, Sendable, CaseIterable {
    case main, hooks, tls, control, retention
    case account, auth, oauth
    case app, defaults, step, health, limits, notify

    package var keys: [String] {
        switch self {
        case .main:
            [
                "name", "hooks", "control", "public_url", "status_url", "state_directory", "apps_directory", "workers", "runner",
                "runner_roots", "drain", "catch_up", "min_free", "retention", "env", "defaults", "accounts",
            ]
        case .hooks: ["listen", "tls", "body_limit", "trusted_proxies"]
        case .tls: ["certificate", "key"]
        case .control: ["socket"]
        case .retention: ["deliveries", "jobs", "logs"]
        case .account: ["kind", "workspace", "url", "ssh_url", "ca", "proxy", "hook_secret", "auth"]
        case .auth: ["api_token", "email", "access_token", "oauth", "ssh_key", "known_hosts", "app_password", "username"]
        case .oauth: ["key", "secret"]
        case .app: Self.ofOneApp + Self.ofAnyApp
        case .defaults: Self.ofAnyApp
        case .step: ["name", "run", "timeout", "secrets", "env", "network", "rollback"]
        case .health: ["url", "tcp", "run", "status", "headers", "within", "interval"]
        case .limits: ["memory", "cpu", "tasks"]
        case .notify: ["run", "on"]
        }
    }

    /// Two apps cannot share these, so `defaults` cannot hold them.
    private static let ofOneApp = ["app", "account", "repository", "branch", "branches", "root"]

    private static let ofAnyApp = [
        "auth", "hook_secret", "clone_url", "tags", "paths", "skip_markers", "directory", "shared", "cache", "user", "allow_root",
        "umask", "external_links", "submodules", "lfs", "env", "secrets", "build", "pre_deploy", "deploy", "restart", "reload",
        "health", "on_failure", "notify", "keep_releases", "timeout", "no_output_timeout", "log_limit", "limits", "lock",
        "cancel_running", "max_attempts", "catch_up", "deploy_on_add", "operators",
    ]
}
