import Domain
import Exec
import Logging
import Storage
import Systemd

/// Tells people what happens: one journal entry per event, with the fields by which it is found again, and its number.
///
/// The only place of the daemon that logs events and counts them; whoever turns an error into a decision says so here, once.
struct Reporter: Sendable {
    private let logger: Logger
    let metrics: DaemonMetrics

    init(logger: Logger, metrics: DaemonMetrics) {
        self.logger = logger
        self.metrics = metrics
    }

    func listening(_ where_: String) {
        logger.info("listening on \(where_)")
    }

    func started(version: String, apps: Int, accounts: Int) {
        logger.notice("bittern \(version) is ready: \(apps) app\(apps == 1 ? "" : "s"), \(accounts) account\(accounts == 1 ? "" : "s")")
    }

    func stopping() {
        logger.notice("stopping")
    }

    func stopped() {
        logger.notice("stopped")
    }

    /// A self-check found a part that stands still; the service manager is told nothing until it answers.
    func partIsSilent(_ part: String) {
        logger.critical("\(part) does not answer; without it the service manager is not told that the daemon is alive")
    }

    func problem(_ sentence: String) {
        logger.warning("\(sentence)")
    }

    // MARK: Configuration

    func reloaded(_ difference: ConfigurationDifference, warnings: [String], by requester: String?) {
        let changes = Self.words(difference.apps, "app") + Self.words(difference.accounts, "account")
        let what = changes.isEmpty ? "no app and no account changed" : changes.joined(separator: ", ")
        event(.configurationReloaded, .notice, "configuration reloaded\(Self.by(requester)): \(what)", [:])
        warnings.forEach(problem)
    }

    func reloadRefused(_ problems: [String], by requester: String?) {
        event(
            .configurationRefused, .error,
            "the new configuration was refused\(Self.by(requester)), the old one stays: \(problems.joined(separator: "; "))", [:])
    }

    private static func by(_ requester: String?) -> String {
        requester.map { " for \($0)" } ?? ""
    }

    private static func words(_ names: ConfigurationDifference.Names, _ what: String) -> [String] {
        [("added", names.added), ("changed", names.changed), ("removed", names.removed)].filter { !$0.1.isEmpty }
            .map { "\(what)\($0.1.count == 1 ? "" : "s") \($0.1.joined(separator: ", ")) \($0.0)" }
    }

    // MARK: Deliveries

    func accepted(_ accepted: AcceptedDelivery, _ delivery: Delivery) {
        metrics.answered(accepted.queuedAnything ? 202 : 200)
        // Written twice for every push of a storm, so each dictionary is made once, of the right size.
        for old in accepted.superseded {
            metrics.jobEnded(app: old.app, state: .superseded)
            let fields: Logger.Metadata = [
                "app": .string(old.app), "job": .string(String(old.job)), EventID.metadataKey: EventID.jobSuperseded.metadataValue,
            ]
            logger.info("job \(old.job) of \(old.app) was superseded by job \(old.by)", metadata: fields)
        }
        for verdict in accepted.verdicts {
            var fields = Logger.Metadata(minimumCapacity: 8)
            Self.add(accepted, delivery, to: &fields)
            Self.add(verdict, to: &fields)
            switch verdict.kind {
            case .queued:
                let commit = verdict.commit?.short ?? ""
                fields[EventID.metadataKey] = EventID.jobQueued.metadataValue
                logger.info(
                    "job \(verdict.job ?? 0) of \(verdict.app ?? "") queued: \(verdict.ref) at \(commit)", metadata: fields)
            case .ignored:
                logger.info(
                    "delivery \(accepted.id): \(verdict.ref) ignored\(verdict.app.map { " for \($0)" } ?? ""): \(verdict.reason ?? "")",
                    metadata: fields)
            }
        }
        if accepted.verdicts.isEmpty {
            var fields = Logger.Metadata()
            Self.add(accepted, delivery, to: &fields)
            logger.info("delivery \(accepted.id): \(delivery.event) needs nothing done", metadata: fields)
        }
    }

    /// A request was answered and no delivery stored for it: a refusal, of which ``refused(status:sentence:account:remote:leftOut:)``
    /// is told only when it may be journalled, or a connection test.
    func answeredWithoutStoring(_ status: Int) {
        metrics.answered(status)
    }

    func refused(status: Int, sentence: String, account: String?, remote: String, leftOut: Int) {
        var fields: Logger.Metadata = ["remote": .string(remote)]
        fields["account"] = account.map { .string($0) }
        let more = leftOut > 0 ? " (\(leftOut) more from there were not shown)" : ""
        event(.deliveryRefused, .warning, "a delivery from \(remote) was refused with \(status): \(sentence)\(more)", fields)
    }

    func deliveryNotStored(_ sentence: String, account: String?, remote: String) {
        metrics.answered(503)
        var fields: Logger.Metadata = ["remote": .string(remote)]
        fields["account"] = account.map { .string($0) }
        logger.error("a delivery from \(remote) was answered 503: \(sentence)", metadata: fields)
    }

    func senderGone(account: String?, remote: String) {
        var fields: Logger.Metadata = ["remote": .string(remote)]
        fields["account"] = account.map { .string($0) }
        logger.info("a request from \(remote) did not arrive whole", metadata: fields)
    }

    func refusalsNotKept(_ sentence: String) {
        logger.warning("refused deliveries could not be written down, going on without: \(sentence)")
    }

    // MARK: Jobs

    /// A fetch found that the ref's head is another commit than any delivery brought.
    func headQueued(_ job: Job) {
        metrics.missedPushFound()
        event(
            .missedPushFound, .notice, "job \(job.id) of \(job.app) queued: \(job.ref?.full ?? "") is at \(job.commit.short)",
            Self.fields(of: job))
    }

    /// The heads of refs at the forge were looked at, and one is where no delivery said.
    ///
    /// - Parameter superseded: jobs that were pushed out of the queue by it.
    func missedPushFound(_ job: Job, superseded: [Int64]) {
        for old in superseded {
            metrics.jobEnded(app: job.app, state: .superseded)
            event(
                .jobSuperseded, .info, "job \(old) of \(job.app) was superseded by job \(job.id)",
                ["app": .string(job.app), "job": "\(old)"])
        }
        headQueued(job)
    }

    /// Said once after each start: what was pushed while nobody listened is queued from here on.
    ///
    /// - Parameter unanswered: repositories of these that could not be asked; the reasons were said.
    func firstLookEnded(repositories: Int, unanswered: Int, missed: Int) {
        let trouble = unanswered == 0 ? "" : ", \(unanswered) did not answer"
        logger.info(
            "looked for pushes missed in \(repositories) \(repositories == 1 ? "repository" : "repositories"): \(missed) found\(trouble)")
    }

    func catchUpFailed(_ repository: RepositoryName, _ sentence: String) {
        logger.warning("whether a push to \(repository) was missed cannot be seen, asking again: \(sentence)")
    }

    func catchUpWorksAgain(_ repository: RepositoryName) {
        logger.notice("\(repository) answers again; missed pushes are found")
    }

    func repositoryRenamed(_ naming: RepositoryNaming) {
        let former = naming.formerName?.description ?? ""
        logger.warning("repository \(former) is called \(naming.name) now; its apps go on, change `repository` in their files")
    }

    func hooksChanged(account: String, _ places: [String], by requester: String) {
        guard !places.isEmpty else { return }
        logger.notice(
            "hooks were registered for \(requester) at \(places.joined(separator: ", "))", metadata: ["account": .string(account)])
    }

    func hooksRemoved(account: String, _ places: [String], by requester: String) {
        guard !places.isEmpty else { return }
        logger.notice("hooks were removed for \(requester) at \(places.joined(separator: ", "))", metadata: ["account": .string(account)])
    }

    func loggedIn(account: String, by requester: String) {
        logger.notice("\(requester) logged in for account \(account)", metadata: ["account": .string(account)])
    }

    // MARK: What forges are told

    func reportDelivered(_ report: JobReport) {
        metrics.reported(account: report.account, isTaken: true)
        logger.debug("the forge has job \(report.job) of \(report.app) as \(report.state.rawValue)", metadata: Self.fields(of: report))
    }

    func reportRefused(_ report: JobReport, _ sentence: String) {
        logger.warning(
            "the forge was not told of job \(report.job) of \(report.app), trying again: \(sentence)", metadata: Self.fields(of: report))
    }

    func reportGivenUp(_ report: JobReport, _ sentence: String) {
        metrics.reported(account: report.account, isTaken: false)
        logger.warning(
            "the forge will not be told that job \(report.job) of \(report.app) is \(report.state.rawValue): \(sentence)",
            metadata: Self.fields(of: report))
    }

    func reportsWait(_ account: String, _ sentence: String) {
        logger.warning("build statuses of account \(account) wait: \(sentence)", metadata: ["account": .string(account)])
    }

    func reportsWorkAgain(_ account: String) {
        logger.notice("build statuses of account \(account) go out again", metadata: ["account": .string(account)])
    }

    private static func fields(of report: JobReport) -> Logger.Metadata {
        ["app": .string(report.app), "job": "\(report.job)", "account": .string(report.account), "commit": .string(report.commit.hex)]
    }

    func manualQueued(_ job: Job) {
        let what = "\(job.ref?.full ?? "") at \(job.commit.short), asked for by \(job.by ?? "nobody")"
        event(.jobQueued, .info, "job \(job.id) of \(job.app) queued: \(what)", Self.fields(of: job))
    }

    func replayed(_ verdict: Verdict, delivery: Int64, by requester: String) {
        var fields: Logger.Metadata = ["delivery": .string(String(delivery))]
        Self.add(verdict, to: &fields)
        event(
            .jobQueued, .info,
            "job \(verdict.job ?? 0) of \(verdict.app ?? "") queued: delivery \(delivery) once more, asked for by \(requester)", fields)
    }

    func retryQueued(_ job: Job, of old: Int64) {
        event(
            .jobQueued, .info, "job \(job.id) of \(job.app) queued: job \(old) once more, asked for by \(job.by ?? "nobody")",
            Self.fields(of: job))
    }

    func held(_ hold: Hold) {
        let until = hold.until.map { " until \($0.rfc3339)" } ?? ""
        let reason = hold.reason.map { ": \($0)" } ?? ""
        let by = hold.by.map { " by \($0)" } ?? ""
        logger.notice("\(hold.app) is held\(by)\(until)\(reason)", metadata: ["app": .string(hold.app)])
    }

    func resumed(app: String, by requester: String) {
        logger.notice("\(app) is no longer held: \(requester) resumed it", metadata: ["app": .string(app)])
    }

    func cachesCleared(app: String, by requester: String) {
        logger.notice("the caches of \(app) were removed for \(requester)", metadata: ["app": .string(app)])
    }

    func simulated(_ delivery: Int64, by requester: String) {
        logger.notice("delivery \(delivery) was simulated for \(requester)", metadata: ["delivery": .string(String(delivery))])
    }

    func jobStarted(_ job: Job) {
        let again = job.attempt > 1 ? ", attempt \(job.attempt)" : ""
        event(.jobStarted, .info, "job \(job.id) of \(job.app) started at \(job.commit.short)\(again)", Self.fields(of: job))
    }

    func stepEnded(_ job: Job, step: String, _ ending: StepEnding, took: Duration) {
        metrics.stepEnded(app: job.app, step: step, took: took)
        let fields = Self.fields(of: job, step: step)
        let usage = ending.usage.inWords.map { ", " + $0 } ?? ""
        logger.info(
            "job \(job.id) of \(job.app): step \(step) \(ending.outcome.recordedState.rawValue) after \(took.inWords)\(usage)",
            metadata: fields)
    }

    func released(_ job: Job, release: Int64) {
        guard job.cause != .rollback else { return rolledBack(job, to: release) }
        event(.releaseActivated, .notice, "\(job.app): \(job.commit.short) is live as release \(release)", Self.fields(of: job))
    }

    func rolledBack(_ job: Job, to release: Int64) {
        event(.rolledBack, .warning, "\(job.app): release \(release) is live again", Self.fields(of: job))
    }

    func rollbackQueued(_ job: Job) {
        event(
            .jobQueued, .info,
            "job \(job.id) of \(job.app) queued: rollback to release \(job.release ?? 0), asked for by \(job.by ?? "nobody")",
            Self.fields(of: job))
    }

    func releaseRemoved(_ release: Release) {
        logger.info("\(release.app): release \(release.id) was removed", metadata: ["app": .string(release.app)])
    }

    func releaseLost(_ release: Release) {
        logger.warning(
            "\(release.app): release \(release.id) is not on the disk and is forgotten: \(release.path)",
            metadata: ["app": .string(release.app)])
    }

    func liveReleaseLost(_ release: Release) {
        logger.error(
            "\(release.app): the live release \(release.id) is not on the disk; bittern deploy --all builds it anew: \(release.path)",
            metadata: ["app": .string(release.app)])
    }

    func choreFailed(_ job: Job, _ sentence: String) {
        logger.warning("after job \(job.id) of \(job.app): \(sentence)", metadata: Self.fields(of: job))
    }

    func noticeFailed(_ job: Job, _ sentence: String) {
        logger.warning("a notice of job \(job.id) of \(job.app) failed: \(sentence)", metadata: Self.fields(of: job))
    }

    func waitsForSpace(_ sentence: String) {
        logger.warning("\(sentence)")
    }

    func spaceIsBack() {
        logger.notice("there is enough space again; jobs go on")
    }

    func jobEnded(_ job: Job, _ end: JobEnd) {
        metrics.jobEnded(app: job.app, state: end.state)
        let id: EventID =
            switch end.state {
            case .succeeded: .jobSucceeded
            case .cancelled: .jobCancelled
            case .superseded: .jobSuperseded
            case .skipped: .jobSkipped
            case .failed, .queued, .running: .jobFailed
            }
        let level: Logger.Level = end.state == .failed ? .error : .notice
        event(id, level, "job \(job.id) of \(job.app) \(end.state.rawValue): \(end.reason)", Self.fields(of: job))
    }

    /// - Parameter end: how it ended instead of waiting once more.
    func jobPutBack(_ job: Job, _ end: JobEnd?) {
        if let end { return jobEnded(job, end) }
        logger.notice("job \(job.id) of \(job.app) was put back into the queue", metadata: Self.fields(of: job))
    }

    func jobResumed(_ job: Job) {
        logger.info("job \(job.id) of \(job.app) goes on where the daemon before left it", metadata: Self.fields(of: job))
    }

    /// What it ran was lost, not by the daemon's death.
    ///
    /// - Parameter end: how it ended instead of waiting once more.
    func jobLost(_ job: Job, _ end: JobEnd?) {
        let again = end == nil ? "; the job is queued again" : ""
        logger.warning("what job \(job.id) of \(job.app) was running is lost\(again)", metadata: Self.fields(of: job))
        if let end { jobEnded(job, end) }
    }

    func runnerTrouble(_ sentence: String) {
        logger.error("the runner cannot be reached, and steps wait for it: \(sentence); systemctl status bittern-runner.socket")
    }

    /// - Parameter end: how it ended instead of waiting once more.
    func jobRecovered(_ job: Job, leftovers: Int, _ end: JobEnd?) {
        let ended = leftovers > 0 ? "; \(leftovers) processes of it were ended" : ""
        let again = end == nil ? " and is queued again" : ""
        logger.warning(
            "job \(job.id) of \(job.app) was running when the daemon died\(again)\(ended)", metadata: Self.fields(of: job))
        if let end { jobEnded(job, end) }
    }

    func cleaned(deliveries: Int, jobs: Int, logs: Int) {
        logger.info("past their time and removed: \(deliveries) deliveries, \(jobs) jobs, the logs of \(logs) jobs")
    }

    func notCleaned(_ sentence: String) {
        logger.warning("what is past its time could not be removed, trying again tomorrow: \(sentence)")
    }

    func ledgerTrouble(_ sentence: String) {
        logger.error("\(sentence); trying again")
    }

    private func event(_ id: EventID, _ level: Logger.Level, _ sentence: String, _ fields: Logger.Metadata) {
        var fields = fields
        fields[EventID.metadataKey] = id.metadataValue
        logger.log(level: level, "\(sentence)", metadata: fields)
    }

    /// What the journal knows of a step, in its daemon's lines and in its own output.
    static func fields(of job: Job, step: String) -> Logger.Metadata {
        var fields = fields(of: job)
        fields["step"] = .string(step)
        return fields
    }

    private static func fields(of job: Job) -> Logger.Metadata {
        var fields: Logger.Metadata = ["app": .string(job.app), "job": "\(job.id)", "commit": .string(job.commit.hex)]
        fields["ref"] = job.ref.map { .string($0.full) }
        fields["delivery"] = job.delivery.map { "\($0)" }
        return fields
    }

    private static func add(_ accepted: AcceptedDelivery, _ delivery: Delivery, to fields: inout Logger.Metadata) {
        fields["delivery"] = .string(String(accepted.id))
        fields["account"] = .string(delivery.account)
        fields["remote"] = .string(delivery.remoteAddress)
    }

    private static func add(_ verdict: Verdict, to fields: inout Logger.Metadata) {
        fields["ref"] = .string(verdict.ref)
        fields["app"] = verdict.app.map { .string($0) }
        fields["job"] = verdict.job.map { .string(String($0)) }
        fields["commit"] = verdict.commit.map { .string($0.hex) }
    }
}
