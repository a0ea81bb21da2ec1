/// One pipeline run for one app at one commit, as the ledger keeps it.
package struct Job: Sendable, Equatable, Codable {
    package enum State: String, Sendable, CaseIterable, Codable {
        case queued, running, succeeded, failed, cancelled, superseded, skipped

        /// Whether nothing will happen to the job any more.
        package var isEnded: Bool { self != .queued && self != .running }
    }

    package enum Cause: String, Sendable, CaseIterable, Codable {
        case push, manual, retry, rollback
        case catchUp = "catch-up"
    }

    package var id: Int64
    package var app: String
    package var repository: String
    package var ref: RefName?
    package var commit: CommitID
    package var cause: Cause
    /// Who asked for it; nil for pushes.
    package var by: String?
    package var state: State
    /// One sentence; always there once the job ended.
    package var reason: String?
    /// How often it was started; a start that an orderly stop undid is not counted.
    package var attempt: Int
    package var queuedAt: Timestamp
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    package var supersededBy: Int64?
    /// The release it made, or a rollback goes to; it may be gone by now.
    package var release: Int64?
    package var delivery: Int64?
    /// SHA-256 of what the app's configuration was when it ran.
    package var configurationHash: [UInt8]?
    /// The name git gives to all its files together.
    package var tree: CommitID?
    /// The first line of the commit's message, safe to show; nil: no fetch has told it.
    package var subject: String?
    package var steps: [StepRecord]

    package init(
        id: Int64, app: String, repository: String, ref: RefName?, commit: CommitID, cause: Cause, by: String? = nil, state: State,
        reason: String? = nil, attempt: Int = 0, queuedAt: Timestamp, startedAt: Timestamp? = nil, finishedAt: Timestamp? = nil,
        supersededBy: Int64? = nil, release: Int64? = nil, delivery: Int64? = nil, configurationHash: [UInt8]? = nil,
        tree: CommitID? = nil, subject: String? = nil, steps: [StepRecord] = []
    ) {
        self.subject = subject
        self.configurationHash = configurationHash
        self.tree = tree
        self.id = id
        self.app = app
        self.repository = repository
        self.ref = ref
        self.commit = commit
        self.cause = cause
        self.by = by
        self.state = state
        self.reason = reason
        self.attempt = attempt
        self.queuedAt = queuedAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.supersededBy = supersededBy
        self.release = release
        self.delivery = delivery
        self.steps = steps
    }
}

extension Job {
    /// How a job ends under which the daemon died once too often, so that it cannot keep the daemon from everything else; nil: it may
    /// be started again.
    package func givenUp(maxAttempts: Int) -> JobEnd? {
        guard attempt >= maxAttempts else { return nil }
        return JobEnd(.failed, "the daemon or the host died under it \(attempt) times (max_attempts); bittern retry \(id) starts it anew")
    }
}

/// A deploy freeze of one app: its pushes are taken and wait, the newest of each ref.
package struct Hold: Sendable, Equatable {
    package var app: String
    package var heldAt: Timestamp
    /// nil: until somebody resumes the app.
    package var until: Timestamp?
    package var reason: String?
    package var by: String?

    package init(app: String, heldAt: Timestamp, until: Timestamp?, reason: String?, by: String?) {
        self.app = app
        self.heldAt = heldAt
        self.until = until
        self.reason = reason
        self.by = by
    }

    /// Whether pushes wait at this moment.
    package func holds(at now: Timestamp) -> Bool {
        until.map { $0 > now } ?? true
    }
}

/// One step of a job as the ledger keeps it.
package struct StepRecord: Sendable, Equatable, Codable {
    package enum State: String, Sendable, CaseIterable, Codable { case running, succeeded, failed, cancelled }

    /// Which start of the job it belongs to, from 1.
    package var start: Int64
    /// From 0 in the order of the plan.
    package var position: Int
    package var name: String
    package var state: State
    package var exitStatus: Int32?
    package var signal: Int32?
    package var startedAt: Timestamp
    package var finishedAt: Timestamp?
    package var usage: StepUsage

    package init(
        start: Int64 = 1, position: Int, name: String, state: State, exitStatus: Int32? = nil, signal: Int32? = nil, startedAt: Timestamp,
        finishedAt: Timestamp? = nil, usage: StepUsage = StepUsage()
    ) {
        self.usage = usage
        self.start = start
        self.position = position
        self.name = name
        self.state = state
        self.exitStatus = exitStatus
        self.signal = signal
        self.startedAt = startedAt
        self.finishedAt = finishedAt
    }
}

/// One built directory under an app's root; its number is that of the job that built it.
package struct Release: Sendable, Equatable {
    package enum State: String, Sendable, CaseIterable { case building, live, good, failed }

    package var app: String
    package var id: Int64
    package var commit: CommitID
    package var path: String
    package var state: State
    /// When a step failed on it; it is no release to go back to then, even while it is live.
    package var failedAt: Timestamp?
    /// When it went live last.
    package var activatedAt: Timestamp?
    package var createdAt: Timestamp

    package init(
        app: String, id: Int64, commit: CommitID, path: String, state: State, failedAt: Timestamp? = nil, activatedAt: Timestamp? = nil,
        createdAt: Timestamp
    ) {
        self.failedAt = failedAt
        self.activatedAt = activatedAt
        self.app = app
        self.id = id
        self.commit = commit
        self.path = path
        self.state = state
        self.createdAt = createdAt
    }
}

/// A release as a job puts it live, or goes back to it.
package struct ReleaseTarget: Sendable, Equatable, Codable {
    /// The number of the job that built it.
    package var release: Int64
    package var commit: CommitID
    /// ROOT/releases/JOB-SHORTSHA
    package var path: String
    /// Where its commit came from.
    package var ref: RefName?

    package init(release: Int64, commit: CommitID, path: String, ref: RefName?) {
        self.release = release
        self.commit = commit
        self.path = path
        self.ref = ref
    }
}
