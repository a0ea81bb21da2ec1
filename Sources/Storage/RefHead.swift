import Domain
import FoundationEssentials
import GRDB

/// The head of a ref as one app may deploy it, and what the ledger knows of that.
struct RefHead {
    let database: Database
    let app: String
    let ref: RefName
    /// Under both names a forge may have sent it.
    let commit: CommitID?
    let object: CommitID?

    func isHead(_ other: CommitID?) -> Bool {
        other != nil && (other == commit || other == object)
    }

    /// A job for it that waits or runs; where there is none, a push for any commit that waits.
    ///
    /// - Parameter job: one that does not count.
    func job(except job: Int64) throws -> Int64? {
        try database.row(
            """
            -- One after the other, each by the index of its state: SQLite would go through all jobs of the app in their order instead.
            -- Any push that waits will ask for the head itself; but one that went live before a stop has asked.
            SELECT id, commit_id IN (:head, :head_object) AS is_for_head FROM jobs INDEXED BY jobs_one_queued_per_ref
            WHERE app = :app AND ref = :ref AND state = 'queued' AND starts = 0 AND cause IN ('push', 'catch-up')
            UNION ALL
            SELECT id, commit_id IN (:head, :head_object) FROM jobs INDEXED BY jobs_also_queued
            WHERE app = :app AND ref = :ref AND state = 'queued' AND NOT (starts = 0 AND cause IN ('push', 'catch-up'))
              AND (commit_id IN (:head, :head_object)
                OR (cause IN ('push', 'catch-up') AND revert_state IS NULL
                    AND NOT EXISTS (SELECT 1 FROM releases WHERE releases.job = jobs.id AND releases.state = 'live')))
            UNION ALL
            SELECT id, TRUE FROM jobs INDEXED BY jobs_one_running_per_lock
            WHERE app = :app AND ref = :ref AND state = 'running' AND commit_id IN (:head, :head_object) AND id <> :job
            ORDER BY is_for_head DESC, id DESC LIMIT 1
            """, ["app": app, "ref": ref.full, "job": job, "head": commit?.blob, "head_object": object?.blob])?["id"]
    }

    func lastVerdictWasForIt() throws -> Bool {
        let last = try database.row(
            """
            SELECT commit_id IN (?, ?) AS was_head FROM jobs
            WHERE app = ? AND ref = ? AND came_to_verdict = 1
            ORDER BY finished_at DESC, id DESC LIMIT 1
            """, [commit?.blob, object?.blob, app, ref.full])
        return last?["was_head"] ?? false
    }

    /// Whether the app had a job from this change.
    func hadJob(from change: Int64?) throws -> Bool {
        try database.row("SELECT 1 FROM jobs WHERE change = ? AND app = ? AND cause IN ('push', 'catch-up')", [change, app]) != nil
    }
}
