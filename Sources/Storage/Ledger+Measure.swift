package import Domain
import GRDB
import Glibc

/// What the ledger holds at one moment, for those who watch over the daemon.
package struct LedgerMeasure: Sendable, Equatable {
    /// The jobs of one app that wait.
    package struct Queue: Sendable, Equatable {
        package var jobs: Int
        /// When the one that waits longest was queued.
        package var oldest: Timestamp

        package init(jobs: Int, oldest: Timestamp) {
            self.jobs = jobs
            self.oldest = oldest
        }
    }

    package struct LiveRelease: Sendable, Equatable {
        /// The number of the job that built it.
        package var id: Int64
        package var commit: CommitID

        package init(id: Int64, commit: CommitID) {
            self.id = id
            self.commit = commit
        }
    }

    /// Of the apps that have jobs that wait.
    package var queued: [String: Queue]
    /// How many jobs run, of the apps that have some.
    package var running: [String: Int]
    package var live: [String: LiveRelease]
    /// The apps whose pushes wait.
    package var held: Set<String>
    /// The database and its write-ahead log, in bytes.
    package var bytes: Int64
    /// Reports that forges do not have yet.
    package var outbox: Int

    package init(
        queued: [String: Queue], running: [String: Int], live: [String: LiveRelease], held: Set<String>, bytes: Int64, outbox: Int = 0
    ) {
        self.outbox = outbox
        self.queued = queued
        self.running = running
        self.live = live
        self.held = held
        self.bytes = bytes
    }
}

extension Ledger {
    /// One consistent look at the queue and at what is live, which takes no longer for what is long over.
    package func measure(at now: Timestamp) async throws -> LedgerMeasure {
        let bytes = fileBytes
        return try await read { database in
            LedgerMeasure(
                queued: try Self.queued(in: database), running: try Self.running(in: database), live: try Self.live(in: database),
                held: try Self.held(at: now, in: database), bytes: bytes, outbox: try Self.outbox(in: database).waiting)
        }
    }

    private static func queued(in database: Database) throws -> [String: LedgerMeasure.Queue] {
        // By the index of its state: to have the apps in their order, SQLite would go through all jobs instead.
        let rows = try database.rows(
            """
            SELECT app, count(*) AS jobs, min(queued_at) AS oldest FROM jobs INDEXED BY jobs_queued
            WHERE state = 'queued' GROUP BY app
            """)
        return try rows.reduce(into: [:]) { queued, row in
            queued[row["app"]] = LedgerMeasure.Queue(jobs: row["jobs"], oldest: try row.required(row.time("oldest"), "queued_at"))
        }
    }

    private static func running(in database: Database) throws -> [String: Int] {
        let rows = try database.rows(
            "SELECT app, count(*) AS jobs FROM jobs INDEXED BY jobs_one_running_per_lock WHERE state = 'running' GROUP BY app")
        return rows.reduce(into: [:]) { $0[$1["app"]] = $1["jobs"] }
    }

    private static func live(in database: Database) throws -> [String: LedgerMeasure.LiveRelease] {
        let rows = try database.rows("SELECT app, job, commit_id FROM releases WHERE state = 'live'")
        return try rows.reduce(into: [:]) { live, row in
            live[row["app"]] = LedgerMeasure.LiveRelease(id: row["job"], commit: try row.required(row.commit("commit_id"), "commit_id"))
        }
    }

    private static func held(at now: Timestamp, in database: Database) throws -> Set<String> {
        let rows = try database.rows("SELECT app FROM holds WHERE until IS NULL OR until > ?", [now.milliseconds])
        return Set(rows.map { $0["app"] })
    }

    /// Of what is not there, nothing: a log is removed when the ledger is closed.
    private var fileBytes: Int64 {
        [path, path + "-wal"].reduce(0) { bytes, path in
            var status = stat()
            return lstat(path, &status) == 0 ? bytes + Int64(status.st_size) : bytes
        }
    }
}
