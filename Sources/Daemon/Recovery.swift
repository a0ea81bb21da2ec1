import Domain
import Exec
import Storage

/// A job that goes on where the daemon before left it.
struct ResumedJob: Sendable {
    let claimed: ClaimedJob
    let resumption: Resumption
}

/// Examines, at start, the jobs that were running when a daemon ended.
struct Recovery: Sendable {
    let ledger: Ledger
    let reporter: Reporter
    let clock: WallClock
    let configuration: Configuration
    let runner: any StepRunner
    let state: StateDirectory

    /// Takes up the jobs whose steps go on without a daemon. Of the others it ends what is left of each job's step, looks whether its
    /// release went live, and queues it again.
    ///
    /// A release that is live stays: the job goes on after `activate`. One that is not is thrown away when the job starts anew.
    /// - Returns: the jobs that go on where they are.
    func run() async throws -> [ResumedJob] {
        var resumed: [ResumedJob] = []
        for (job, release) in try await ledger.interruptedJobs() {
            if runner.outlivesDaemon {
                guard let (claimed, steps) = try await ledger.unfinished(job: job.id) else { continue }
                if let resumption = resumption(of: claimed, steps) {
                    resumed.append(ResumedJob(claimed: claimed, resumption: resumption))
                    reporter.jobResumed(job)
                    continue
                }
                try await settle(job, claimed, steps, release)
            }
            try await queueAgain(job, release)
        }
        try await forgetLostReleases()
        return resumed
    }

    /// nil: the configuration is another one by now, or the job had been begun otherwise.
    private func resumption(of claimed: ClaimedJob, _ steps: [StepRecord]) -> Resumption? {
        guard let app = configuration.apps.first(where: { $0.name == claimed.job.app }),
            steps.isEmpty || claimed.job.configurationHash == app.configurationHash
        else { return nil }
        let plan = Plan(
            app: app, job: claimed.job, environment: configuration.environment, previous: claimed.previous, home: state.home(app: app.name),
            target: claimed.target, goBack: claimed.goBack)
        return Resumption(of: plan, after: steps, isReverting: claimed.reverting != nil, first: claimed.firstStep(of: plan))
    }

    /// Ends the step that may still run, and notes whether the release went live by it.
    private func settle(_ job: Job, _ claimed: ClaimedJob, _ steps: [StepRecord], _ release: Release?) async throws {
        guard let step = steps.last, step.state == .running else { return }
        let outcome = await runner.end(StepID(job: job.id, start: claimed.start, position: step.position))
        if step.name == "activate", outcome == .succeeded, let release {
            try await ledger.releaseActivated(release.id, app: job.app, at: clock.now)
        }
    }

    private func queueAgain(_ job: Job, _ release: Release?) async throws {
        let leftovers = await endLeftovers(of: job, release)
        if let release, release.state == .building || release.state == .good, isLive(release) {
            // The daemon died between the rename and the ledger's word for it.
            try await ledger.releaseActivated(release.id, app: job.app, at: clock.now)
        }
        let app = configuration.apps.first { $0.name == job.app }
        if let end = job.givenUp(maxAttempts: app?.maxAttempts ?? 1) {
            try await ledger.finish(job: job.id, end, notices: app?.releases.notices ?? [], at: clock.now)
            reporter.jobEnded(job, end)
        } else {
            let end = try await ledger.requeue(job: job.id, at: clock.now)
            reporter.jobRecovered(job, leftovers: leftovers, end)
        }
    }

    /// A ledger that came from another server, or a root that was lost, names releases nobody can go back to any more. Directories elsewhere are left
    /// alone.
    private func forgetLostReleases() async throws {
        for app in configuration.apps {
            for release in try await ledger.releases(of: app.name) {
                let directory = ReleaseDirectory(root: app.root, path: release.path)
                switch release.state {
                case .live where FileSystem.isMissing(release.path): reporter.liveReleaseLost(release)
                case .live: continue
                case _ where !directory.isLost: continue
                case .good, .failed:
                    guard try await ledger.giveUpRelease(release.id, at: clock.now) else { continue }
                    try await ledger.releaseRemoved(release.id)
                    reporter.releaseLost(release)
                case .building: continue
                }
            }
        }
    }

    private func endLeftovers(of job: Job, _ release: Release?) async -> Int {
        // A rollback works on the release of another job, but its processes carry a mark of their own.
        let planned = configuration.apps.first { $0.name == job.app }
            .map { Plan.releaseDirectory(root: $0.root, job: job.id, commit: job.commit) }
        var ended = 0
        for directory in Set([release?.path, planned].compactMap(\.self)) {
            ended += await Leftovers.end(job: job.id, releaseDirectory: directory)
        }
        return ended
    }

    private func isLive(_ release: Release) -> Bool {
        guard let app = configuration.apps.first(where: { $0.name == release.app }) else { return false }
        return ReleaseDirectory(root: app.root, path: release.path).isLive
    }
}
