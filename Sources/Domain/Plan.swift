/// One step of a job before it runs: a value that says all a runner of child processes must know.
package struct PlannedStep: Sendable, Equatable {
    package enum Stage: String, Sendable, CaseIterable { case fetch, checkout, build, preDeploy = "pre_deploy", activate, deploy }

    package enum Work: Sendable, Equatable {
        /// Bring the job's commit into the mirror.
        case fetch
        /// Write exactly the job's commit into the release directory.
        case checkout
        /// Switch `current` to the release.
        case activate
        case command(StepCommand)
    }

    package var name: String
    package var stage: Stage
    package var work: Work
    /// nil: only the job's limit.
    package var timeout: Duration?

    package init(name: String, stage: Stage, work: Work, timeout: Duration? = nil) {
        self.name = name
        self.stage = stage
        self.work = work
        self.timeout = timeout
    }
}

/// A configured command with the environment it is given, and nothing else of the daemon's.
package struct StepCommand: Sendable, Equatable {
    /// Run with `/bin/sh -euc`.
    package var script: String
    package var environment: [String: String]
    /// Environment too, kept apart so that it is never shown.
    package var secrets: [String: Secret]

    package init(script: String, environment: [String: String], secrets: [String: Secret]) {
        self.script = script
        self.environment = environment
        self.secrets = secrets
    }
}

/// Everything one run of a pipeline does, in order.
package struct Plan: Sendable, Equatable {
    package var steps: [PlannedStep]
    /// ROOT/releases/JOB-SHORTSHA
    package var releaseDirectory: String
    /// The whole job.
    package var timeout: Duration

    /// Built-in steps have these names; no configured step may take one.
    package static let reservedNames: Set<String> = ["fetch", "checkout", "activate", "restart", "reload", "health"]

    /// - Parameters:
    ///   - environment: the configuration's own `env`, for all steps.
    ///   - previous: the commit that is live as the job starts.
    ///   - home: the app's HOME, kept between jobs.
    package init(app: App, job: Job, environment: [String: String], previous: CommitID?, home: String) {
        let directory = Self.releaseDirectory(root: app.root, job: job.id, commit: job.commit)
        let base = Self.baseEnvironment(app: app, job: job, previous: previous, home: home, releaseDirectory: directory)
        func command(_ step: CommandStep, _ stage: PlannedStep.Stage, _ secrets: [String: Secret]) -> PlannedStep {
            // The nearer setting wins; the reader of the configuration refuses BITTERN_ names, so none of those is lost here.
            let environment = [environment, app.environment, step.environment].reduce(base) { $0.merging($1) { _, nearer in nearer } }
            return PlannedStep(
                name: step.name, stage: stage,
                work: .command(StepCommand(script: step.run, environment: environment, secrets: secrets)), timeout: step.timeout)
        }
        steps = [
            PlannedStep(name: "fetch", stage: .fetch, work: .fetch),
            PlannedStep(name: "checkout", stage: .checkout, work: .checkout),
        ]
        steps += app.build.map { step in command(step, .build, app.secrets.filter { step.secrets.contains($0.key) }) }
        steps += app.preDeploy.map { command($0, .preDeploy, app.secrets) }
        steps.append(PlannedStep(name: "activate", stage: .activate, work: .activate))
        steps += app.deploy.map { command($0, .deploy, app.secrets) }
        releaseDirectory = directory
        timeout = app.timeout
    }

    package static func releaseDirectory(root: String, job: Int64, commit: CommitID) -> String {
        "\(root)/releases/\(job)-\(commit.short)"
    }

    /// The variables every step gets; all always set, and empty where there is none.
    private static func baseEnvironment(
        app: App, job: Job, previous: CommitID?, home: String, releaseDirectory: String
    ) -> [String: String] {
        [
            "BITTERN_APP": app.name,
            "BITTERN_JOB": String(job.id),
            "BITTERN_COMMIT": job.commit.hex,
            "BITTERN_REF": job.ref?.full ?? "",
            "BITTERN_BRANCH": job.ref.flatMap { $0.kind == .branch ? $0.shortName : nil } ?? "",
            "BITTERN_TAG": job.ref.flatMap { $0.kind == .tag ? $0.shortName : nil } ?? "",
            "BITTERN_REF_SLUG": job.ref?.slug ?? "",
            "BITTERN_PREVIOUS_COMMIT": previous?.hex ?? "",
            "BITTERN_RELEASE": releaseDirectory,
            "BITTERN_ROOT": app.root,
            "BITTERN_CAUSE": job.cause.rawValue,
            "HOME": home,
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
        ]
    }
}
