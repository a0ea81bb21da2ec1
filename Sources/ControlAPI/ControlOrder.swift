package import Domain

/// What the CLI may have the daemon do: each order is a POST with a body of JSON.
package enum ControlOrder: Sendable, Equatable {
    /// Answered with the ``JobReply``.
    case cancel(Int64)
    /// Answered with the ``JobReply`` of the new job.
    case retry(Int64)
    /// Answered with the ``HoldReply``.
    case hold(app: String, HoldRequest)
    /// Answered with the ``HoldReply`` of what held the app.
    case resume(app: String)
    /// Answered with the ``JobReply`` of the new job.
    case rollback(app: String, RollbackRequest)
    /// Answered with the ``AppReply``.
    case clearCache(app: String)

    package var path: String {
        switch self {
        case .cancel(let job): "/jobs/\(job)/cancel"
        case .retry(let job): "/jobs/\(job)/retry"
        case .hold(let app, _): "/apps/\(app)/hold"
        case .resume(let app): "/apps/\(app)/resume"
        case .rollback(let app, _): "/apps/\(app)/rollback"
        case .clearCache(let app): "/apps/\(app)/cache/clear"
        }
    }
}

/// Where an app is to go back to.
package struct RollbackRequest: Codable, Sendable, Equatable {
    /// nil: the good release that was live before.
    package var release: Int64?
    /// Whether its pushes are to wait afterwards.
    package var hold: Bool

    package init(release: Int64?, hold: Bool) {
        self.release = release
        self.hold = hold
    }
}

/// How an app is to be held.
package struct HoldRequest: Codable, Sendable, Equatable {
    /// RFC 3339 in UTC; nil: until somebody resumes the app.
    package var until: String?
    package var reason: String?

    package init(until: String?, reason: String?) {
        self.until = until
        self.reason = reason
    }
}

/// A hold that is, or was, in force.
package struct HoldReply: Codable, Sendable, Equatable {
    package var app: String
    package var held_at: String
    @Nullable package var until: String?
    @Nullable package var reason: String?
    @Nullable package var by: String?

    package init(_ hold: Hold) {
        app = hold.app
        held_at = hold.heldAt.rfc3339
        until = hold.until?.rfc3339
        reason = hold.reason
        by = hold.by
    }
}
