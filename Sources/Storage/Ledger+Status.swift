package import Domain
import GRDB

/// What `status` wants to know beside the newest jobs.
package struct QueueView: Sendable {
    /// The oldest jobs that wait.
    package var waiting: [QueuePlace.Waiting]
    /// The job that has each lock.
    package var running: [String: Int64]
    /// The first line of each live commit's message, by app.
    package var subjects: [String: String]
    /// How long the last successful jobs of each app took, the middle one.
    package var usual: [String: Duration]
}

extension Ledger {
    /// How many jobs an app's usual duration is taken from, and how many of its newest are looked at to find them.
    private static let usualOf = (jobs: 5, among: 30)

    package func queueView(of apps: [String], limit: Int) async throws -> QueueView {
        try await read { database in
            let waiting = try database.rows(
                "SELECT \(Job.columns) FROM jobs WHERE state = 'queued' ORDER BY id LIMIT ?", [limit]
            ).map { QueuePlace.Waiting(job: try Job(row: $0), lock: $0["lock_name"]) }
            let running = try database.rows("SELECT lock_name, id FROM jobs WHERE state = 'running'")
            let subjects = try database.rows(
                """
                SELECT releases.app, jobs.subject FROM releases JOIN jobs ON jobs.id = releases.job
                WHERE releases.state = 'live' AND jobs.subject IS NOT NULL
                """)
            return QueueView(
                waiting: waiting, running: Dictionary(running.map { ($0["lock_name"], $0["id"]) }) { first, _ in first },
                subjects: Dictionary(subjects.map { ($0["app"], $0["subject"]) }) { first, _ in first },
                usual: try apps.reduce(into: [:]) { usual, app in usual[app] = try Self.usualDuration(of: app, in: database) })
        }
    }

    private static func usualDuration(of app: String, in database: Database) throws -> Duration? {
        let rows = try database.rows(
            """
            SELECT took FROM (
                SELECT finished_at - started_at AS took, state, cause FROM jobs WHERE app = ? ORDER BY id DESC LIMIT ?)
            WHERE state = 'succeeded' AND cause <> 'rollback' LIMIT ?
            """, [app, usualOf.among, usualOf.jobs])
        let took = rows.map { $0["took"] as Int64 }.sorted()
        return took.isEmpty ? nil : .milliseconds(took[took.count / 2])
    }
}
