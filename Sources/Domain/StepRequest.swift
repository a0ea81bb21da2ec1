/// One step of one job, as a runner with other rights than the daemon's is asked for it: by names and numbers, never by a command, a user,
/// a path or an address. Whoever has broken into the daemon can ask for nothing that is not configured.
package struct StepRequest: Sendable, Equatable {
    /// A release by what its directory is called.
    package struct Release: Sendable, Equatable {
        /// The number of the job that built it.
        package var release: Int64
        package var commit: CommitID
        package var ref: RefName?

        package init(release: Int64, commit: CommitID, ref: RefName?) {
            self.release = release
            self.commit = commit
            self.ref = ref
        }
    }

    package var app: String
    package var job: Int64
    package var cause: Job.Cause
    package var ref: RefName?
    package var commit: CommitID
    package var stage: PlannedStep.Stage
    /// In the plan of the job.
    package var position: Int
    /// ``App/configurationHash`` as the daemon has it.
    package var configurationHash: [UInt8]
    /// The commit that was live as the job started.
    package var previous: CommitID?
    /// What a rollback goes to.
    package var target: Release?
    /// The good release that was there before.
    package var goBack: Release?

    package init(
        app: String, job: Int64, cause: Job.Cause, ref: RefName?, commit: CommitID, stage: PlannedStep.Stage, position: Int,
        configurationHash: [UInt8], previous: CommitID? = nil, target: Release? = nil, goBack: Release? = nil
    ) {
        self.app = app
        self.job = job
        self.cause = cause
        self.ref = ref
        self.commit = commit
        self.stage = stage
        self.position = position
        self.configurationHash = configurationHash
        self.previous = previous
        self.target = target
        self.goBack = goBack
    }
}

/// A step that was asked for and may be run, with everything the configuration says of it.
package struct AdmittedStep: Sendable, Equatable {
    package var app: App
    package var job: Job
    package var step: PlannedStep
    /// ROOT/releases/JOB-SHORTSHA of the job itself.
    package var ownDirectory: String
}

/// Decides from the configuration alone what a runner of units does for whoever asks it.
package struct RunnerAdmission: Sendable {
    private let configuration: Configuration
    /// Where the apps have their HOME; the app's name is added.
    private let homes: String

    package init(_ configuration: Configuration, homes: String) {
        self.configuration = configuration
        self.homes = homes
    }

    /// Why a step is not run; a sentence for the reason of its job.
    package struct Refusal: Error, Equatable {
        package let sentence: String

        init(_ sentence: String) { self.sentence = sentence }
    }

    /// The step with its command, taken from the configuration; the plan is made anew here, so that nothing of it is believed.
    package func admit(_ request: StepRequest) throws(Refusal) -> AdmittedStep {
        guard let app = configuration.apps.first(where: { $0.name == request.app }) else {
            throw Refusal("there is no app \(SafeText.shown(request.app, limit: 80)) in the runner's configuration")
        }
        guard app.configurationHash == request.configurationHash else {
            throw Refusal("the configuration of \(app.name) is not what the daemon has read; systemctl reload bittern")
        }
        try checkUser(of: app)
        guard configuration.runnerRoots.contains(where: { $0 != app.root && PathText.isInside(app.root, $0) }) else {
            let roots = configuration.runnerRoots.joined(separator: ", ")
            throw Refusal("the root of \(app.name), \(app.root), lies below none of runner_roots (\(roots))")
        }
        let job = Job(
            id: request.job, app: app.name, repository: app.repository.description, ref: request.ref, commit: request.commit,
            cause: request.cause,
            state: .running, queuedAt: Timestamp(milliseconds: 0))
        guard (request.cause == .rollback) == (request.target != nil) else {
            throw Refusal("a rollback names the release it goes to, and nothing else does")
        }
        let plan = Plan(
            app: app, job: job, environment: configuration.environment, previous: request.previous, home: "\(homes)/\(app.name)",
            target: request.target.map { target(of: $0, in: app) }, goBack: request.goBack.map { target(of: $0, in: app) })
        guard plan.allSteps.indices.contains(request.position), plan.allSteps[request.position].stage == request.stage else {
            throw Refusal("\(app.name) has no step \(request.position) that is a \(request.stage.rawValue)")
        }
        return AdmittedStep(
            app: app, job: job, step: plan.allSteps[request.position],
            ownDirectory: Plan.releaseDirectory(root: app.root, job: job.id, commit: job.commit))
    }

    private func checkUser(of app: App) throws(Refusal) {
        guard let user = app.unit.user else { throw Refusal("\(app.name) has no `user` that its steps could run as") }
        guard user != "root" || app.unit.allowsRoot else { throw Refusal("the user of \(app.name) is root, and `allow_root` is not set") }
    }

    /// The path is never asked for: it is what the release's number and commit make it.
    private func target(of release: StepRequest.Release, in app: App) -> ReleaseTarget {
        ReleaseTarget(
            release: release.release, commit: release.commit,
            path: Plan.releaseDirectory(root: app.root, job: release.release, commit: release.commit), ref: release.ref)
    }
}
