package import Domain
import GRDB

extension Ledger {
    /// A release directory is about to be made; it is known from now on, so that nothing unknown ever has to be removed.
    package func releaseBegun(job: Int64, app: String, commit: CommitID, path: String, at now: Timestamp) async throws {
        try await write { database in
            try database.run(
                """
                INSERT INTO releases (job, app, commit_id, path, state, created_at) VALUES (?, ?, ?, ?, 'building', ?)
                ON CONFLICT (job) DO UPDATE SET state = 'building', created_at = excluded.created_at, activated_at = NULL
                WHERE state = 'building'
                """, [job, app, commit.blob, path, now.milliseconds])
        }
    }

    /// `current` points at the release now; the one before becomes a good one.
    package func releaseActivated(job: Int64, app: String, at now: Timestamp) async throws {
        try await write { database in
            try database.run("UPDATE releases SET state = 'good' WHERE app = ? AND state = 'live' AND job <> ?", [app, job])
            try database.run(
                "UPDATE releases SET state = 'live', activated_at = ? WHERE job = ? AND state <> 'live'", [now.milliseconds, job])
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
