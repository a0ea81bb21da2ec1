package import Domain
import GRDB

extension Ledger {
    /// A release directory is about to be made; it is known from now on, so that nothing unknown ever has to be removed.
    package func releaseBegun(job: Int64, app: String, commit: CommitID, path: String, at now: Timestamp) async throws {
        try await write { database in
            try database.run("UPDATE jobs SET release = id WHERE id = ?", [job])
            try database.run(
                """
                INSERT INTO releases (job, app, commit_id, path, state, created_at) VALUES (?, ?, ?, ?, 'building', ?)
                ON CONFLICT (job) DO UPDATE SET state = 'building', created_at = excluded.created_at, activated_at = NULL
                WHERE state = 'building'
                """, [job, app, commit.blob, path, now.milliseconds])
        }
    }

    /// `current` points at the release now; the one before becomes a good one, unless it failed.
    package func releaseActivated(_ release: Int64, app: String, at now: Timestamp) async throws {
        try await write { database in try Self.activated(release, app: app, revertedFrom: nil, at: now, in: database) }
    }

    /// - Parameter failed: a release that is gone back from.
    static func activated(
        _ release: Int64, app: String, revertedFrom failed: Int64?, at now: Timestamp, in database: Database
    ) throws {
        if let failed {
            try database.run("UPDATE releases SET failed_at = ? WHERE job = ? AND failed_at IS NULL", [now.milliseconds, failed])
        }
        try database.run(
            """
            UPDATE releases SET state = CASE WHEN failed_at IS NULL THEN 'good' ELSE 'failed' END
            WHERE app = ? AND state = 'live' AND job <> ?
            """, [app, release])
        try database.run(
            "UPDATE releases SET state = 'live', activated_at = ? WHERE job = ? AND state <> 'live'", [now.milliseconds, release])
    }

    /// What is kept of an app, the newest first.
    package func releases(of app: String) async throws -> [Release] {
        try await read { database in
            try database.rows("SELECT * FROM releases WHERE app = ? ORDER BY job DESC", [app]).map(Release.init(row:))
        }
    }

    /// Releases that jobs wait to go to, or are on their way to.
    package func neededReleases(of app: String) async throws -> Set<Int64> {
        try await read { database in
            let rows = try database.rows(
                "SELECT release FROM jobs WHERE app = ? AND release IS NOT NULL AND state IN ('queued', 'running')", [app])
            return Set(rows.map { $0["release"] })
        }
    }

    /// Nobody goes back to this release any more; false when it is live, or a job is on its way to it.
    package func giveUpRelease(_ release: Int64, at now: Timestamp) async throws -> Bool {
        try await write { database in
            try database.run(
                """
                UPDATE releases SET removed_at = :now
                WHERE job = :release AND state IN ('good', 'failed')
                  AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.release = :release AND jobs.state IN ('queued', 'running'))
                """, ["now": now.milliseconds, "release": release])
            return database.changesCount > 0
        }
    }

    /// The directory of a release that was given up is gone.
    package func releaseRemoved(_ release: Int64) async throws {
        try await write { database in
            try database.run("DELETE FROM releases WHERE job = ? AND removed_at IS NOT NULL", [release])
        }
    }

    /// Queues a job that puts a kept release live again; nil when there is no such release any more, or it never was live or failed.
    ///
    /// - Parameter release: nil: the good one that was live before the one that is.
    package func rollBack(app: String, to release: Int64?, lock: String, by: String?, at now: Timestamp) async throws -> Job? {
        try await write { database in
            let queued = try database.row(
                """
                INSERT INTO jobs (app, repository, ref, commit_id, cause, requested_by, lock_name, state, queued_at, release, subject)
                SELECT jobs.app, jobs.repository, jobs.ref, releases.commit_id, 'rollback', :by, :lock, 'queued', :now, releases.job,
                    jobs.subject
                FROM releases JOIN jobs ON jobs.id = releases.job
                WHERE releases.app = :app AND releases.state IN ('live', 'good') AND releases.failed_at IS NULL
                  AND releases.removed_at IS NULL
                  AND (releases.job = :release OR (:release IS NULL AND releases.state = 'good'))
                ORDER BY releases.activated_at DESC LIMIT 1
                RETURNING id
                """, ["by": by, "lock": lock, "now": now.milliseconds, "app": app, "release": release])
            guard let id: Int64 = queued?["id"] else { return nil }
            return try database.row("SELECT \(Job.columns) FROM jobs WHERE id = ?", [id]).map(Job.init(row:))
        }
    }

    /// The release that is live for each app that has one.
    package func liveReleases() async throws -> [String: Release] {
        try await read { database in
            let releases = try database.rows("SELECT * FROM releases WHERE state = 'live'").map(Release.init(row:))
            return Dictionary(releases.map { ($0.app, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }
}
