package import Domain

/// What is configured for one app.
package struct AppReply: Codable, Sendable, Equatable {
    package var app: String
    package var account: String
    package var repository: String
    package var clone_url: String
    package var branches: [String]
    package var tags: [String]
    package var root: String
    /// The names of all steps, in order.
    package var steps: [String]

    package init(_ app: App) {
        self.app = app.name
        account = app.account
        repository = app.repository.description
        clone_url = app.cloneURL
        branches = app.branches.map(\.pattern)
        tags = app.tags.map(\.pattern)
        root = app.root
        steps = ["fetch", "checkout"] + (app.build + app.preDeploy).map(\.name) + ["activate"] + app.deploy.map(\.name)
        if !app.releases.restart.isEmpty { steps.append("restart") }
        if !app.releases.reload.isEmpty { steps.append("reload") }
        if app.releases.health != nil { steps.append("health") }
    }
}

/// One job with its steps.
package struct JobReply: Codable, Sendable, Equatable {
    package var id: Int64
    package var app: String
    package var repository: String
    @Nullable package var ref: String?
    package var commit: String
    package var cause: String
    @Nullable package var by: String?
    package var state: String
    @Nullable package var reason: String?
    package var attempt: Int
    package var queued_at: String
    @Nullable package var started_at: String?
    @Nullable package var finished_at: String?
    @Nullable package var superseded_by: Int64?
    @Nullable package var release: Int64?
    @Nullable package var delivery: String?
    /// The first line of the commit's message; known after the fetch.
    @Nullable package var subject: String?
    /// What whoever asked for the job should know besides.
    package var note: String?
    /// SHA-256 of the app's configuration as it was, without the values of secrets.
    @Nullable package var configuration_hash: String?
    /// git's name for all its files together.
    @Nullable package var tree: String?
    package var steps: [StepReply]

    package init(_ job: Job) {
        id = job.id
        app = job.app
        repository = job.repository
        ref = job.ref?.full
        commit = job.commit.hex
        cause = job.cause.rawValue
        by = job.by
        state = job.state.rawValue
        reason = job.reason
        attempt = job.attempt
        queued_at = job.queuedAt.rfc3339
        started_at = job.startedAt?.rfc3339
        finished_at = job.finishedAt?.rfc3339
        superseded_by = job.supersededBy
        release = job.release
        delivery = job.delivery.map(String.init)
        configuration_hash = job.configurationHash.map { Hexadecimal.text(of: $0) }
        tree = job.tree?.hex
        subject = job.subject
        steps = job.steps.map(StepReply.init)
    }
}

package struct StepReply: Codable, Sendable, Equatable {
    package var name: String
    package var state: String
    @Nullable package var exit_status: Int32?
    @Nullable package var signal: Int32?
    package var started_at: String
    @Nullable package var finished_at: String?
    /// Milliseconds of processor time; null: not known. So is the next.
    @Nullable package var cpu_ms: Int64?
    /// Bytes at most at one time.
    @Nullable package var memory_peak: Int?

    package init(_ step: StepRecord) {
        name = step.name
        state = step.state.rawValue
        exit_status = step.exitStatus
        signal = step.signal
        started_at = step.startedAt.rfc3339
        finished_at = step.finishedAt?.rfc3339
        cpu_ms = step.usage.processorTime?.wholeMilliseconds
        memory_peak = step.usage.memory
    }
}

package struct ReleaseReply: Codable, Sendable, Equatable {
    package var app: String
    package var id: Int64
    package var commit: String
    package var job: Int64
    package var path: String
    package var state: String
    package var created_at: String
    @Nullable package var activated_at: String?
    @Nullable package var failed_at: String?

    package init(_ release: Release) {
        activated_at = release.activatedAt?.rfc3339
        failed_at = release.failedAt?.rfc3339
        app = release.app
        id = release.id
        commit = release.commit.hex
        job = release.id
        path = release.path
        state = release.state.rawValue
        created_at = release.createdAt.rfc3339
    }
}

/// Why the daemon did not do what it was asked.
package struct ErrorReply: Codable, Sendable, Equatable {
    /// One sentence that says what to do.
    package var error: String
    /// Every problem of a configuration that is refused, a line each.
    package var problems: [String]?

    package init(_ error: String, problems: [String]? = nil) {
        self.error = error
        self.problems = problems
    }
}
