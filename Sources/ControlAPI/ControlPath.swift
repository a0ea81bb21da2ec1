package import Domain

/// What the CLI may ask the daemon on the control socket: each request is a path of plain HTTP GET.
package enum ControlPath: Sendable, Equatable {
    case status
    /// What the daemon counts, as text for Prometheus.
    case metrics
    case apps
    case accounts
    case jobs(app: String?, state: Job.State?, limit: Int)
    case job(Int64)
    /// What is kept of an app.
    case releases(app: String)
    case deliveries(limit: Int)
    /// The verified ones that came since a moment, the newest first; a page of them, of those before a number.
    case deliveriesSince(Timestamp, before: Int64?)
    case delivery(Int64)
    /// ``RepositoryNames`` by account, for whoever explains deliveries himself.
    case repositoryNames
    /// What the delivery would mean now.
    case explanation(delivery: Int64)
    /// A copy of the ledger, as bytes of a SQLite database.
    case backup
    /// What an account's credential is good for; it takes as long as the forge takes to answer.
    case accountTest(String)
    case repositories(account: String, owner: String?, search: String?)
    case branches(account: String, repository: String, search: String?)
    /// Webhooks at the forge; with no places those of the repositories of the account's apps.
    case forgeHooks(account: String, places: [String])
    /// What is wrong on this host; it takes as long as the forges take to answer.
    case doctor
    /// A stream of ``LogFrame``s; with `follow` it goes on until the job has ended.
    case log(Int64, step: String?, follow: Bool)

    private static func query(_ fields: [(String, String?)]) -> String {
        let given = fields.compactMap { name, value in value.map { "\(name)=\(Percent.encoded($0))" } }
        return given.isEmpty ? "" : "?" + given.joined(separator: "&")
    }

    /// Path and query. App and step names hold no character that would need escaping.
    package var text: String {
        switch self {
        case .status: "/status"
        case .metrics: "/metrics"
        case .apps: "/apps"
        case .accounts: "/accounts"
        case .jobs(let app, let state, let limit):
            "/jobs?limit=\(limit)" + (app.map { "&app=\($0)" } ?? "") + (state.map { "&state=\($0.rawValue)" } ?? "")
        case .job(let id): "/jobs/\(id)"
        case .deliveries(let limit): "/deliveries?limit=\(limit)"
        case .deliveriesSince(let moment, let before):
            "/deliveries?since=\(moment.milliseconds)" + (before.map { "&before=\($0)" } ?? "")
        case .delivery(let id): "/deliveries/\(id)"
        case .repositoryNames: "/repository-names"
        case .explanation(let id): "/deliveries/\(id)/explanation"
        case .backup: "/backup"
        case .doctor: "/doctor"
        case .accountTest(let account): "/accounts/\(account)/test"
        case .repositories(let account, let owner, let search):
            "/accounts/\(account)/repositories" + Self.query([("owner", owner), ("search", search)])
        case .branches(let account, let repository, let search):
            "/accounts/\(account)/branches" + Self.query([("repository", repository), ("search", search)])
        case .forgeHooks(let account, let places): "/accounts/\(account)/hooks" + Self.query(places.map { ("place", $0) })
        case .releases(let app): "/apps/\(app)/releases"
        case .log(let id, let step, let follow):
            "/jobs/\(id)/log?follow=\(follow ? 1 : 0)" + (step.map { "&step=\($0)" } ?? "")
        }
    }
}
