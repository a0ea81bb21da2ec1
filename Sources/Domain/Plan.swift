/// One step of a job before it runs: a value that says all a runner of child processes must know.
package struct PlannedStep: Sendable, Equatable, Codable {
    package enum Stage: String, Sendable, CaseIterable, Codable {
        case fetch, checkout, build
        case preDeploy = "pre_deploy"
        case activate, deploy, restart, reload, health
        case switchBack = "switch-back"
    }

    package enum Work: Sendable, Equatable, Codable {
        /// Bring the job's commit into the mirror.
        case fetch
        /// Write exactly the job's commit into the release directory, and everything that belongs into it.
        case checkout
        /// Switch `current` to the step's release.
        case activate
        case command(StepCommand)
        /// Have the service manager restart these units, or reload them.
        case units([String], reload: Bool)
        /// Wait until the release answers as it should; a command to ask with is given its environment.
        case health(Health, StepCommand)
    }

    package var name: String
    package var stage: Stage
    package var work: Work
    /// What it works on.
    package var release: ReleaseTarget
    /// nil: only the job's limit.
    package var timeout: Duration?

    package init(name: String, stage: Stage, work: Work, release: ReleaseTarget, timeout: Duration? = nil) {
        self.name = name
        self.stage = stage
        self.work = work
        self.release = release
        self.timeout = timeout
    }
}

/// A configured command with the environment it is given, and nothing else of the daemon's.
package struct StepCommand: Sendable, Equatable, Codable {
    /// Run with `/bin/sh -euc`.
    package var script: String
    package var environment: [String: String]
    /// Environment too, kept apart so that it is never shown.
    package var secrets: [String: Secret]
    /// Where it runs.
    package var directory: String
    /// See ``CommandStep/hasNetwork``.
    package var hasNetwork = true

    package init(script: String, environment: [String: String], secrets: [String: Secret], directory: String) {
        self.script = script
        self.environment = environment
        self.secrets = secrets
        self.directory = directory
    }
}

/// Everything one run of a pipeline does, in order.
package struct Plan: Sendable, Equatable {
    /// What a failure after `activate` leads to.
    package enum OnFailure: Sendable, Equatable {
        /// The release stays live.
        case keep
        /// It would go back, but no good release is there.
        case stuck
        case goBack(ReleaseTarget)
    }

    package var steps: [PlannedStep]
    /// What goes back to the release before, when a step after `activate` fails; their positions follow those of ``steps``.
    package var revert: [PlannedStep] = []
    package var onFailure: OnFailure
    /// What the job builds and puts live; or only puts live, for a rollback.
    package var release: ReleaseTarget
    /// The whole job; going back has the same time again.
    package var timeout: Duration
    /// Whether the release is there already.
    package var isRollback: Bool

    private static let reservedNames: Set<String> = ["fetch", "checkout", "activate", "restart", "reload", "health", "switch-back"]
    /// Before the names of steps that are part of going back.
    private static let revertPrefix = "rollback-"

    /// Built-in steps have these names; no configured step may take one.
    package static func isReserved(_ name: String) -> Bool {
        reservedNames.contains(name) || name.hasPrefix(revertPrefix)
    }

    /// - Parameters:
    ///   - environment: the configuration's own `env`, for all steps.
    ///   - previous: the commit that is live as the job starts.
    ///   - home: the app's HOME, kept between jobs.
    ///   - target: what a rollback goes to; nil for jobs that build.
    ///   - goBack: the good release that was there before.
    package init(
        app: App, job: Job, environment: [String: String], previous: CommitID?, home: String, target: ReleaseTarget? = nil,
        goBack: ReleaseTarget? = nil
    ) {
        let release =
            target
            ?? ReleaseTarget(
                release: job.id, commit: job.commit, path: Self.releaseDirectory(root: app.root, job: job.id, commit: job.commit),
                ref: job.ref)
        let forward = Stages(app: app, job: job, release: release, environment: environment, previous: previous, home: home)
        steps = target == nil ? forward.building : []
        steps.append(forward.step("activate", .activate, .activate))
        steps += forward.afterActivation(isRollback: target != nil)
        isRollback = target != nil
        self.release = release
        timeout = app.timeout
        // One of a root that is no longer the app's is none.
        switch goBack.flatMap({ $0.path.hasPrefix(app.root + "/releases/") ? $0 : nil }) {
        case _ where !app.releases.rollsBack: onFailure = .keep
        case nil: onFailure = .stuck
        case let back?:
            onFailure = .goBack(back)
            var backward = Stages(app: app, job: job, release: back, environment: environment, previous: release.commit, home: home)
            backward.isReverting = true
            revert = [backward.step("switch-back", .switchBack, .activate)]
            revert += backward.afterActivation(isRollback: true).map { step in
                var step = step
                step.name = Self.revertPrefix + step.name
                return step
            }
        }
    }

    /// The command of a notice, run in the live release; in the root when there is none.
    ///
    /// - Parameter job: the one that is told of, with its reason.
    package static func notice(
        _ setting: NoticeSetting, _ event: NoticeSetting.Event, app: App, job: Job, live: ReleaseTarget?, environment: [String: String],
        home: String
    ) -> StepCommand {
        let place = live ?? ReleaseTarget(release: job.id, commit: job.commit, path: app.root, ref: job.ref)
        var told = place
        (told.commit, told.ref) = (job.commit, job.ref)
        let stages = Stages(app: app, job: job, release: told, environment: environment, previous: live?.commit, home: home)
        var command = stages.command(CommandStep(name: "notify", run: setting.run), [:])
        if live == nil { command.directory = app.root }
        command.environment["BITTERN_EVENT"] = event.rawValue
        command.environment["BITTERN_STATE"] = job.state.rawValue
        command.environment["BITTERN_REASON"] = SafeText.shown(job.reason ?? "")
        return command
    }

    /// Both, by position.
    package var allSteps: [PlannedStep] { steps + revert }

    package static func releaseDirectory(root: String, job: Int64, commit: CommitID) -> String {
        "\(root)/releases/\(job)-\(commit.short)"
    }
}

/// Makes the steps that work on one release.
private struct Stages {
    let app: App
    let job: Job
    let release: ReleaseTarget
    let environment: [String: String]
    let previous: CommitID?
    let home: String
    var isReverting = false

    var building: [PlannedStep] {
        var steps = [step("fetch", .fetch, .fetch), step("checkout", .checkout, .checkout)]
        steps += app.build.map { step in command(step, .build, app.secrets.filter { step.secrets.contains($0.key) }) }
        steps += app.preDeploy.map { command($0, .preDeploy, app.secrets) }
        return steps
    }

    /// - Parameter isRollback: the release was live before.
    func afterActivation(isRollback: Bool) -> [PlannedStep] {
        let settings = app.releases
        var steps = app.deploy.filter { !isRollback || $0.isInRollbacks }.map { command($0, .deploy, app.secrets) }
        if !settings.restart.isEmpty { steps.append(step("restart", .restart, .units(settings.restart, reload: false))) }
        if !settings.reload.isEmpty { steps.append(step("reload", .reload, .units(settings.reload, reload: true))) }
        if let health = settings.health { steps.append(step("health", .health, .health(health, ask(health)))) }
        return steps
    }

    func step(_ name: String, _ stage: PlannedStep.Stage, _ work: PlannedStep.Work) -> PlannedStep {
        PlannedStep(name: name, stage: stage, work: work, release: release)
    }

    private func command(_ step: CommandStep, _ stage: PlannedStep.Stage, _ secrets: [String: Secret]) -> PlannedStep {
        PlannedStep(name: step.name, stage: stage, work: .command(command(step, secrets)), release: release, timeout: step.timeout)
    }

    func command(_ step: CommandStep, _ secrets: [String: Secret]) -> StepCommand {
        var command = StepCommand(script: step.run, environment: whole(step.environment), secrets: secrets, directory: directory)
        command.hasNetwork = step.hasNetwork
        return command
    }

    private func ask(_ health: Health) -> StepCommand {
        let script = if case .run(let script) = health.question { script } else { "" }
        return StepCommand(script: script, environment: whole([:]), secrets: [:], directory: directory)
    }

    private var directory: String { app.releases.directory.map { release.path + "/" + $0 } ?? release.path }

    /// The nearer setting wins; the reader of the configuration refuses BITTERN_ names, so none of those is lost here.
    private func whole(_ ofStep: [String: String]) -> [String: String] {
        [environment, app.environment, ofStep].reduce(base) { $0.merging($1) { _, nearer in nearer } }
    }

    /// The variables every step gets; all always set, and empty where there is none.
    private var base: [String: String] {
        [
            "BITTERN_APP": app.name,
            "BITTERN_JOB": String(job.id),
            "BITTERN_COMMIT": release.commit.hex,
            "BITTERN_REF": release.ref?.full ?? "",
            "BITTERN_BRANCH": release.ref.flatMap { $0.kind == .branch ? $0.shortName : nil } ?? "",
            "BITTERN_TAG": release.ref.flatMap { $0.kind == .tag ? $0.shortName : nil } ?? "",
            "BITTERN_REF_SLUG": release.ref?.slug ?? "",
            "BITTERN_PREVIOUS_COMMIT": previous?.hex ?? "",
            "BITTERN_RELEASE": release.path,
            "BITTERN_ROOT": app.root,
            "BITTERN_CAUSE": (isReverting ? Job.Cause.rollback : job.cause).rawValue,
            "HOME": home,
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
        ]
    }
}
