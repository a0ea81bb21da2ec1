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

    /// What is to be done.
    package enum Work: Sendable, Equatable {
        /// The step of this stage at this place in the plan of the job.
        case step(PlannedStep.Stage, position: Int)
        case chore(Errand)
    }

    /// A ``Chore`` by names and numbers.
    package enum Errand: Sendable, Equatable {
        case keepCaches(wentLive: Bool)
        case prepareTree
        case remove(Release)
        /// How the job ended is told by whoever asks: it is text for others, and nothing follows from it here.
        case notify(position: Int, NoticeSetting.Event, Job.State, reason: String, live: Release?)
        case clearCaches
    }

    package var app: String
    package var job: Int64
    package var cause: Job.Cause
    package var ref: RefName?
    package var commit: CommitID
    package var work: Work
    /// When the start began. A ledger that was restored counts its jobs anew, and tells them from those of before by this.
    package var startedAt: Timestamp
    /// ``App/configurationHash`` as the daemon has it.
    package var configurationHash: [UInt8]
    /// The commit that was live as the job started.
    package var previous: CommitID?
    /// What a rollback goes to.
    package var target: Release?
    /// The good release that was there before.
    package var goBack: Release?
    /// What the OAuth consumer of the app's account was given for a fetch: the runner has no network to be given one.
    package var accessToken: Secret?

    package init(
        app: String, job: Int64, cause: Job.Cause, ref: RefName?, commit: CommitID, work: Work, startedAt: Timestamp,
        configurationHash: [UInt8],
        previous: CommitID? = nil, target: Release? = nil, goBack: Release? = nil, accessToken: Secret? = nil
    ) {
        self.accessToken = accessToken
        self.app = app
        self.job = job
        self.cause = cause
        self.ref = ref
        self.commit = commit
        self.work = work
        self.startedAt = startedAt
        self.configurationHash = configurationHash
        self.previous = previous
        self.target = target
        self.goBack = goBack
    }
}

extension StepRequest {
    fileprivate var isSwitchBack: Bool { if case .step(.switchBack, _) = work { true } else { false } }
}

extension StepRequest.Release {
    package init(_ target: ReleaseTarget) {
        self.init(release: target.release, commit: target.commit, ref: target.ref)
    }
}

/// A step or a chore that was asked for and may be run, with everything the configuration says of it.
package struct AdmittedStep: Sendable, Equatable {
    package var app: App
    package var account: Account
    package var job: Job
    /// Of a chore, the step whose release it works on.
    package var step: PlannedStep
    package var chore: Chore?
    /// ROOT/releases/JOB-SHORTSHA of the job itself.
    package var ownDirectory: String
    package var environment: [String: String]
    /// The commit that was live as the job started.
    package var previous: CommitID?
    /// The app's HOME.
    package var home: String
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
        /// The configuration is another one than the daemon has.
        package let isOutdated: Bool

        init(_ sentence: String, isOutdated: Bool = false) {
            self.sentence = sentence
            self.isOutdated = isOutdated
        }
    }

    /// The step with its command, taken from the configuration; the plan is made anew here, so that nothing of it is believed.
    package func admit(_ request: StepRequest) throws(Refusal) -> AdmittedStep {
        guard let app = configuration.apps.first(where: { $0.name == request.app }), let named = configuration.accounts[app.account] else {
            throw Refusal("there is no app \(SafeText.shown(request.app, limit: 80)) in the runner's configuration")
        }
        // Going back to a release is no command of the configuration's, and must work whatever was edited meanwhile.
        if app.configurationHash != request.configurationHash, !request.isSwitchBack {
            throw Refusal(
                "the configuration of \(app.name) is not what the daemon has read; systemctl reload bittern", isOutdated: true)
        }
        try checkUser(of: app)
        guard configuration.runnerRoots.contains(where: { $0 != app.root && PathText.isInside(app.root, $0) }) else {
            let roots = configuration.runnerRoots.joined(separator: ", ")
            throw Refusal("the root of \(app.name), \(app.root), lies below none of runner_roots (\(roots))")
        }
        var job = Job(
            id: request.job, app: app.name, repository: app.repository.description,
            ref: request.ref.flatMap { Self.isDeployed($0, by: app) ? $0 : nil }, commit: request.commit, cause: request.cause,
            state: .running, queuedAt: Timestamp(milliseconds: 0))
        let home = "\(homes)/\(app.name)"
        let step: PlannedStep
        var chore: Chore?
        switch request.work {
        case .step(let stage, let position):
            step = try self.step(stage, position, of: plan(request, job, app, home), app)
        case .chore(.notify(let position, let event, let state, let reason, let live)):
            guard app.releases.notices.indices.contains(position), app.releases.notices[position].events.contains(event) else {
                throw Refusal("\(app.name) has no notice \(position + 1) for \(event.rawValue)")
            }
            (job.state, job.reason) = (state, reason)
            let release = live.map { target(of: $0, in: app) }
            chore = .notify(position: position, event, live: release)
            let place = release ?? ReleaseTarget(release: job.id, commit: job.commit, path: app.root, ref: job.ref)
            step = PlannedStep(name: Chore.noticeName(position), stage: .deploy, work: .activate, release: place)
        case .chore(let errand):
            step = own(job, app)
            chore =
                switch errand {
                case .keepCaches(let wentLive): .keepCaches(wentLive: wentLive)
                case .remove(let release): .remove(target(of: release, in: app))
                case .clearCaches: .clearCaches
                case .prepareTree, .notify: .prepareTree
                }
        }
        var account = named.used(by: app)
        // It counts for nothing else than what is configured.
        if account.consumer != nil, let token = request.accessToken, step.work == .fetch { account = account.bearing(token) }
        return AdmittedStep(
            app: app, account: account, job: job, step: step, chore: chore,
            ownDirectory: Plan.releaseDirectory(root: app.root, job: job.id, commit: job.commit), environment: configuration.environment,
            previous: request.previous, home: home)
    }

    private func plan(_ request: StepRequest, _ job: Job, _ app: App, _ home: String) throws(Refusal) -> Plan {
        guard (request.cause == .rollback) == (request.target != nil) else {
            throw Refusal("a rollback names the release it goes to, and nothing else does")
        }
        if request.cause != .rollback {
            guard let ref = request.ref, Self.isDeployed(ref, by: app) else {
                throw Refusal("\(app.name) is not configured for \(request.ref.map { SafeText.shown($0.full) } ?? "a job without a ref")")
            }
        }
        return Plan(
            app: app, job: job, environment: configuration.environment, previous: request.previous, home: home,
            target: request.target.map { target(of: $0, in: app) }, goBack: request.goBack.map { target(of: $0, in: app) })
    }

    private func step(_ stage: PlannedStep.Stage, _ position: Int, of plan: Plan, _ app: App) throws(Refusal) -> PlannedStep {
        // There is one at most, wherever it stands in a plan that was edited.
        if stage == .switchBack, let step = plan.revert.first(where: { $0.stage == stage }) { return step }
        guard plan.allSteps.indices.contains(position), plan.allSteps[position].stage == stage else {
            throw Refusal("\(app.name) has no step \(position) that is a \(stage.rawValue)")
        }
        return plan.allSteps[position]
    }

    /// The step that makes the release of the job itself.
    private func own(_ job: Job, _ app: App) -> PlannedStep {
        let path = Plan.releaseDirectory(root: app.root, job: job.id, commit: job.commit)
        return PlannedStep(
            name: "clean", stage: .checkout, work: .checkout,
            release: ReleaseTarget(release: job.id, commit: job.commit, path: path, ref: job.ref))
    }

    /// Whether pushes to the ref are the app's.
    private static func isDeployed(_ ref: RefName, by app: App) -> Bool {
        (ref.kind == .branch ? app.branches : app.tags).admit(ref.shortName)
    }

    private func checkUser(of app: App) throws(Refusal) {
        guard let user = app.unit.user else { throw Refusal("\(app.name) has no `user` that its steps could run as") }
        guard user != "root" || app.unit.allowsRoot else { throw Refusal("the user of \(app.name) is root, and `allow_root` is not set") }
    }

    /// The path is never asked for: it is what the release's number and commit make it.
    private func target(of release: StepRequest.Release, in app: App) -> ReleaseTarget {
        ReleaseTarget(
            release: release.release, commit: release.commit,
            path: Plan.releaseDirectory(root: app.root, job: release.release, commit: release.commit),
            // It only names the release to the app's commands, and not by what somebody made up.
            ref: release.ref.flatMap { Self.isDeployed($0, by: app) ? $0 : nil })
    }
}
