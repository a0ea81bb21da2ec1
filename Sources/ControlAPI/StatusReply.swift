package import Domain

/// What `status` says.
package struct StatusReply: Codable, Sendable, Equatable {
    package var version: String
    package var started_at: String
    /// The daemon's clock when it said this.
    package var now: String
    package var workers: Int
    package var queued: Int
    package var running: Int
    package var apps: [AppStatus]
    /// The jobs that run, the oldest first.
    package var running_jobs: [JobReply]
    /// The oldest of the jobs that wait, in the order in which they will run.
    package var queue: [QueuedReply]

    package init(
        version: String, startedAt: Timestamp, now: Timestamp, workers: Int, queued: Int, running: Int, apps: [AppStatus],
        runningJobs: [Job], queue: [QueuedReply]
    ) {
        self.version = version
        started_at = startedAt.rfc3339
        self.now = now.rfc3339
        self.workers = workers
        self.queued = queued
        self.running = running
        self.apps = apps
        running_jobs = runningJobs.map(JobReply.init)
        self.queue = queue
    }

    package struct AppStatus: Codable, Sendable, Equatable {
        package var app: String
        @Nullable package var live: ReleaseReply?
        /// The first line of the live commit's message.
        @Nullable package var live_subject: String?
        @Nullable package var last_job: JobReply?
        package var held: Bool
        @Nullable package var hold: HoldReply?
        /// How long its last successful jobs took, the middle one of them.
        @Nullable package var usual_ms: Int64?
        /// Why its jobs wait that could run otherwise.
        @Nullable package var waits: String?

        package init(
            app: String, live: ReleaseReply?, liveSubject: String?, lastJob: JobReply?, hold: HoldReply?, usual: Duration?, waits: String?
        ) {
            self.app = app
            self.live = live
            live_subject = liveSubject
            last_job = lastJob
            held = hold != nil
            self.hold = hold
            usual_ms = usual?.wholeMilliseconds
            self.waits = waits
        }
    }

    package struct QueuedReply: Codable, Sendable, Equatable {
        package var job: JobReply
        /// What it waits for.
        package var waits: String

        package init(_ job: Job, waits: String) {
            self.job = JobReply(job)
            self.waits = waits
        }
    }
}
