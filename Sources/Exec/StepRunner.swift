package import Domain

/// Which step of which start of which job.
package struct StepID: Sendable, Hashable {
    package let job: Int64
    package let start: Int64
    package let position: Int

    package init(job: Int64, start: Int64, position: Int) {
        self.job = job
        self.start = start
        self.position = position
    }
}

/// Everything a runner needs to perform one step.
package struct StepOrder: Sendable {
    package var id: StepID
    package var app: App
    package var account: Account
    package var job: Job
    package var step: PlannedStep
    package var releaseDirectory: String
    /// `env` of the whole configuration, which git is given too.
    package var environment: [String: String]
    /// The commit that is live as the job starts.
    package var live: CommitID?
    /// The step runs again in the same start, for this reason; its log goes on.
    package var again: String?

    package init(
        id: StepID, app: App, account: Account, job: Job, step: PlannedStep, releaseDirectory: String,
        environment: [String: String], live: CommitID? = nil, again: String? = nil
    ) {
        self.live = live
        self.again = again
        self.id = id
        self.app = app
        self.account = account
        self.job = job
        self.step = step
        self.releaseDirectory = releaseDirectory
        self.environment = environment
    }
}

/// How a step is run: by a child process of the daemon, or elsewhere. Every call may be repeated, also by a daemon that was
/// started anew, and means the same step then.
package protocol StepRunner: Sendable {
    /// Begins the step; a step that was begun already is left alone.
    func start(_ order: StepOrder) async

    /// Waits until the step has ended and says how. A step the runner never heard of was lost: `failed`.
    func wait(for id: StepID) async -> StepOutcome

    /// Asks the step to end, and makes it end within 10 s; the outcome comes from ``wait(for:)``. A step that is not running
    /// is left alone.
    func stop(_ id: StepID) async
}
