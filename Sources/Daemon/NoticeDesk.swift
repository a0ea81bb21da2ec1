import Domain
import Exec
import ServiceLifecycle
import Storage

/// Runs the commands that tell others how jobs ended: one after the other, outside the jobs' results, also after a restart.
actor NoticeDesk: Service {
    private let live: LiveConfiguration
    private let ledger: Ledger
    private let runner: any StepRunner
    private let reporter: Reporter
    private let (wakings, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    init(live: LiveConfiguration, ledger: Ledger, runner: any StepRunner, reporter: Reporter) {
        self.live = live
        self.ledger = ledger
        self.runner = runner
        self.reporter = reporter
    }

    /// A job has ended that somebody is to be told of. May be called from anywhere, any number of times.
    nonisolated func wake() {
        waker.yield()
    }

    func run() async throws {
        wake()
        // What was begun is ended then, and begun once more by the next daemon.
        await cancelWhenGracefulShutdown {
            for await _ in self.wakings { await self.tellAll() }
        }
    }

    private func tellAll() async {
        do {
            while !Task.isCancelled, let notice = try await ledger.takeNotice() {
                await tell(notice)
                if !Task.isCancelled { try await ledger.noticeDone(notice.id) }
            }
        } catch {
            // Where the daemon stops in the middle of a question to the ledger, the next one asks it again.
            if !Task.isCancelled { reporter.ledgerTrouble("a notice could not be sent: \(error)") }
        }
    }

    private func tell(_ notice: Notice) async {
        let configuration = self.live.current
        guard let app = configuration.apps.first(where: { $0.name == notice.job.app }), let account = configuration.accounts[app.account],
            app.releases.notices.indices.contains(notice.position),
            // A reload may have put another one in its place.
            app.releases.notices[notice.position].events.contains(notice.event)
        else { return }
        let live = try? await ledger.liveReleases()[app.name]  // unknown: it is told from the root
        let target = live.map { ReleaseTarget(release: $0.id, commit: $0.commit, path: $0.path, ref: nil) }
        let name = Chore.noticeName(notice.position)
        let place = target ?? ReleaseTarget(release: notice.job.id, commit: notice.job.commit, path: app.root, ref: notice.job.ref)
        let order = StepOrder(
            id: StepID(job: notice.job.id, start: 0, position: 0), app: app, account: account, job: notice.job,
            step: PlannedStep(name: name, stage: .deploy, work: .activate, release: place), ownDirectory: place.path + "#" + name,
            environment: configuration.environment)
        do {
            try await runner.perform(.notify(position: notice.position, notice.event, live: target), after: order)
        } catch {
            if !Task.isCancelled { reporter.noticeFailed(notice.job, "\(error)") }
        }
    }
}
