package import Domain
import GRDB

/// A job that a worker may run now, with what it must know of earlier starts.
package struct ClaimedJob: Sendable, Equatable {
    package var job: Job
    /// Tells the steps of this start from those of earlier ones.
    package var start: Int64
    /// The release of this job is live already: go on after `activate`, with the steps that had not succeeded.
    package var isActivated: Bool
    /// Names of the steps that succeeded in an earlier start and count when ``isActivated``, or while the job goes back. (Not their
    /// positions: the configuration may be another one by now.)
    package var succeededSteps: Set<String>
    /// The commit that was live when the job was claimed.
    package var previous: CommitID?
    /// What a rollback puts live; nil: it is no rollback.
    package var target: ReleaseTarget?
    /// The good release to go back to when this one fails.
    package var goBack: ReleaseTarget?
    /// How the job ends, which was going back to ``goBack`` when it was put back.
    package var reverting: JobEnd?
}

extension Ledger {
    /// Takes the oldest queued job whose lock is free and makes it running; nil when there is none.
    ///
    /// - Parameter waiting: apps whose jobs stay where they are.
    package func claim(at now: Timestamp, except waiting: Set<String> = []) async throws -> ClaimedJob? {
        let waiting = Self.list(of: waiting)
        return try await write { database in
            let claimed = try database.row(
                """
                UPDATE jobs
                SET state = 'running', started_at = :now, starts = starts + 1, attempt = attempt + 1
                WHERE id = (
                    SELECT id FROM jobs AS waiting
                    WHERE state = 'queued'
                      -- One at a time per lock; the unique index holds it should this ever be wrong. And one of an app, whose lock
                      -- may have been another one when the job that runs was queued.
                      AND NOT EXISTS (
                          SELECT 1 FROM jobs WHERE state = 'running' AND (lock_name = waiting.lock_name OR app = waiting.app))
                      -- A hold is for pushes; what a person asks for by name runs all the same. And what is live half-way is to be ended.
                      AND ((cause NOT IN ('push', 'catch-up') OR NOT EXISTS (
                              SELECT 1 FROM holds WHERE app = waiting.app AND (until IS NULL OR until > :now)))
                          AND app NOT IN (SELECT value FROM json_each(:waiting))
                        OR revert_state IS NOT NULL
                        OR (starts > 0 AND EXISTS (SELECT 1 FROM releases WHERE releases.job = waiting.id AND releases.state = 'live')))
                    ORDER BY id LIMIT 1)
                RETURNING id
                """, ["now": now.milliseconds, "waiting": waiting])
            guard let id = claimed?["id"] as Int64?, let row = try database.row("SELECT \(Job.columns) FROM jobs WHERE id = ?", [id])
            else { return nil }
            return try Self.claimed(Job(row: row), row, in: database)
        }
    }

    /// A job that was running when a daemon ended, as whoever claimed it had it, and the steps of that start by position.
    package func unfinished(job: Int64) async throws -> (claimed: ClaimedJob, steps: [StepRecord])? {
        try await read { database in
            guard let row = try database.row("SELECT \(Job.columns) FROM jobs WHERE id = ? AND state = 'running'", [job]) else {
                return nil
            }
            let claimed = try Self.claimed(Job(row: row), row, in: database)
            let steps = try database.rows("SELECT * FROM steps WHERE job = ? AND start = ? ORDER BY position", [job, claimed.start])
            return (claimed: claimed, steps: try steps.map(StepRecord.init(row:)))
        }
    }

    private static func claimed(_ job: Job, _ row: Row, in database: Database) throws -> ClaimedJob {
        let target = job.cause == .rollback ? try job.release.flatMap { try release($0, in: database) } : nil
        let own = target?.release ?? job.id
        let state: String? = row["revert_state"]
        let reason: String? = row["revert_reason"]
        return ClaimedJob(
            job: job, start: row["starts"], isActivated: try isActivated(own, by: job, in: database),
            succeededSteps: try succeededSteps(of: job.id, in: database),
            previous: try liveCommit(of: job.app, except: own, in: database), target: target,
            goBack: try goodRelease(of: job.app, except: own, in: database),
            reverting: state.flatMap { Job.State(rawValue: $0) }.map { JobEnd($0, reason ?? "") })
    }

    /// A kept release as something to go to.
    private static func release(_ number: Int64, in database: Database) throws -> ReleaseTarget? {
        try database.row("\(selectTarget) WHERE releases.job = ?", [number]).map(target)
    }

    /// The newest that is or was live and never failed.
    private static func goodRelease(of app: String, except own: Int64, in database: Database) throws -> ReleaseTarget? {
        try database.row(
            """
            \(selectTarget)
            WHERE releases.app = ? AND releases.state IN ('live', 'good') AND releases.failed_at IS NULL AND releases.removed_at IS NULL
              AND releases.job <> ?
            ORDER BY releases.state = 'live' DESC, releases.activated_at DESC LIMIT 1
            """, [app, own]
        ).map(target)
    }

    private static let selectTarget =
        "SELECT releases.job, releases.commit_id, releases.path, jobs.ref FROM releases JOIN jobs ON jobs.id = releases.job"

    private static func target(_ row: Row) throws -> ReleaseTarget {
        ReleaseTarget(
            release: row["job"], commit: try row.required(row.commit("commit_id"), "commit_id"), path: row["path"],
            ref: (row["ref"] as String?).flatMap { RefName(full: $0) })
    }

    /// Whether this job put it live; a rollback may find its release live already.
    private static func isActivated(_ release: Int64, by job: Job, in database: Database) throws -> Bool {
        let isLive = try database.row("SELECT 1 FROM releases WHERE job = ? AND state = 'live'", [release]) != nil
        guard isLive, job.cause == .rollback else { return isLive }
        return try database.row("SELECT 1 FROM steps WHERE job = ? AND name = 'activate' AND state = 'succeeded'", [job.id]) != nil
    }

    private static func list(of apps: Set<String>) -> String {
        // Names of apps hold nothing that would need escaping.
        "[" + apps.sorted().map { "\"\($0)\"" }.joined(separator: ",") + "]"
    }

    private static func succeededSteps(of job: Int64, in database: Database) throws -> Set<String> {
        Set(try database.rows("SELECT name FROM steps WHERE job = ? AND state = 'succeeded'", [job]).map { $0["name"] })
    }

    private static func liveCommit(of app: String, except job: Int64, in database: Database) throws -> CommitID? {
        try database.row(
            """
            SELECT commit_id FROM releases WHERE app = ? AND state IN ('live', 'good') AND job <> ?
            ORDER BY state = 'live' DESC, activated_at DESC LIMIT 1
            """, [app, job])?.commit("commit_id")
    }
}
