package import Domain

/// Which step of which start of which job.
package struct StepID: Sendable, Hashable, Codable {
    package let job: Int64
    package let start: Int64
    package let position: Int
    /// A fetch may have to be done again in the same start.
    package var round: Int64

    package init(job: Int64, start: Int64, position: Int, round: Int64 = 0) {
        self.job = job
        self.start = start
        self.position = position
        self.round = round
    }
}

/// Everything a runner needs to perform one step.
package struct StepOrder: Sendable, Equatable, Codable {
    package var id: StepID
    package var app: App
    package var account: Account
    package var job: Job
    package var step: PlannedStep
    /// ROOT/releases/JOB-SHORTSHA of the job itself, whether or not it builds one: part of its processes' mark.
    package var ownDirectory: String
    /// `env` of the whole configuration, which git is given too.
    package var environment: [String: String]
    /// The commit that is live as the job starts.
    package var live: CommitID?
    /// What a rollback puts live.
    package var target: ReleaseTarget?
    /// The good release to go back to when this one fails.
    package var goBack: ReleaseTarget?
    /// What the account's OAuth consumer was given; it stands in ``account`` too.
    package var accessToken: Secret?
    /// Another daemon may have begun it; its log goes on.
    package var isResumed = false
    /// The step runs again in the same start, for this reason; its log goes on.
    package var again: String?

    package init(
        id: StepID, app: App, account: Account, job: Job, step: PlannedStep, ownDirectory: String,
        environment: [String: String], live: CommitID? = nil, again: String? = nil
    ) {
        self.live = live
        self.again = again
        self.id = id
        self.app = app
        self.account = account
        self.job = job
        self.step = step
        self.ownDirectory = ownDirectory
        self.environment = environment
    }
}

/// How a step ended, and what it took.
package struct StepEnding: Sendable, Equatable {
    package var outcome: StepOutcome
    package var usage: StepUsage

    package init(_ outcome: StepOutcome, _ usage: StepUsage = StepUsage()) {
        self.outcome = outcome
        self.usage = usage
    }
}

/// How a step is run: by a child process of the daemon, or elsewhere. Every call may be repeated, also by a daemon that was
/// started anew, and means the same step then.
package protocol StepRunner: Sendable {
    /// Whether steps go on when the daemon ends; the next one then takes up the jobs of this one where they are.
    var outlivesDaemon: Bool { get }

    /// Begins the step; a step that was begun already is left alone.
    func start(_ order: StepOrder) async

    /// Waits until the step has ended and says how. A step the runner never heard of was lost.
    ///
    /// - Returns: nil: the runner was told to ``leave()``, and the step goes on.
    func wait(for id: StepID) async -> StepEnding?

    /// Asks the step to end, and makes it end within 10 s; the outcome comes from ``wait(for:)``. A step that is not running
    /// is left alone.
    func stop(_ id: StepID) async

    /// Ends a step that another daemon began and nobody here waits for.
    ///
    /// - Returns: how it ended; `lost` when nobody knows.
    func end(_ id: StepID) async -> StepOutcome

    /// The daemon ends: whoever waits waits no longer, where steps outlive it.
    func leave() async

    /// Does what no job waits for, when the job of the order has ended. What goes wrong is thrown and changes nothing about the job.
    func perform(_ chore: Chore, after order: StepOrder) async throws
}

/// Asks a server whether a release works.
package protocol HealthProbe: Sendable {
    /// - Returns: nil when the answer is right; otherwise a phrase that says what it was: `got 502, wanted 200`.
    func ask(_ question: Health.Question, within limit: Duration) async -> String?
}

extension StepOrder {
    /// The release the step works on.
    var release: ReleaseDirectory { ReleaseDirectory(root: app.root, path: step.release.path) }
    var mark: JobMark { JobMark(job: job.id, releaseDirectory: ownDirectory) }
    var keyOwner: String { app.keyOwner(account) }

    /// Whatever must not be seen in this step's output: all the app and its account have, whether or not this step got it.
    package var secrets: [Secret] {
        Array(app.secrets.values) + account.hookSecrets + (app.hookSecrets ?? []) + account.credentialSecrets
    }
}

extension App {
    /// By what the file of a deploy key is called: whose it is, the account's or the app's own.
    func keyOwner(_ account: Account) -> String {
        credentials == nil ? account.name : "app:\(name)"
    }
}
