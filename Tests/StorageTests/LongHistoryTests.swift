import Domain
import GRDB
import GRDBSQLite
import Testing

@testable import Storage

/// A ledger grows for years; what is asked of it while jobs run takes no longer for that.
struct LongHistoryTests {
    /// Jobs of one app and one ref that are over, with everything that came with them.
    private static let history = """
        WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 3000)
        INSERT INTO deliveries (id, account, event, request_id, remote_address, received_at, verified, answer, body_hash, body_size, request_key)
            SELECT n, 'acme', 'repo:push', hex(randomblob(16)), '::1', n, 1, 202, randomblob(32), 5, randomblob(16) FROM counted;
        INSERT INTO refs VALUES (1, 'acme', 'acme/shop', 'refs/heads/main', 3000);
        INSERT INTO changes SELECT id, 1, randomblob(20), randomblob(20), id, id, nullif(id - 1, 0) FROM deliveries;
        INSERT INTO jobs (id, app, repository, ref, commit_id, cause, change, delivery, lock_name, state, reason, attempt, starts, queued_at,
                started_at, finished_at, came_to_verdict)
            SELECT id, 'shop', 'acme/shop', 'refs/heads/main', randomblob(20), 'push', id, id, 'shop', 'failed', 'it did', 1, 1, id, id, id, 1
            FROM deliveries;
        INSERT INTO verdicts (delivery, position, change, ref, app, kind, job)
            SELECT id, 0, id, 'refs/heads/main', 'shop', 'queued', id FROM deliveries;
        INSERT INTO steps (job, start, position, name, state, started_at, finished_at)
            SELECT id, 1, 0, 'fetch', 'failed', id, id FROM jobs;
        """

    @Test("no question that is asked while jobs run reads what is long over")
    func steps() async throws {
        try await withLedger { house in
            try house.execute(Self.history)
            try await house.push("main", 1, 2)
            try await house.push("main", 2, 3)
            let running = try await house.claim()
            let fetched = OrderRules.Fetched(head: try commit(4), headObject: try commit(4), commit: try commit(3))
            _ = try await house.ledger.order(running.job, after: fetched, patienceIsOver: true, at: at(3000))
            try await house.ledger.finish(job: running.job.id, JobEnd(.failed, "it did"), at: at(4000))
            _ = try await house.ledger.queueCounts()
            _ = try await house.ledger.measure(at: at(5000))
            _ = try await house.ledger.lastJobs(of: ["shop"])
            _ = try await house.ledger.jobs(app: "shop", state: nil, limit: 5)
            _ = try await house.ledger.jobs(app: nil, state: .queued, limit: 5)
            _ = try await house.ledger.jobs(app: nil, state: .skipped, limit: 5)
            _ = try await house.ledger.jobs(app: "shop", state: .cancelled, limit: 5)
            _ = try await house.ledger.queueView(of: ["shop"], limit: 5)
            _ = try await house.ledger.deliveries(limit: 5)
            _ = try await house.ledger.verifiedDeliveries(since: at(2990), limit: 1000)
            _ = try await house.ledger.liveCommits()

            let writing = try await house.ledger.pool.writeWithoutTransaction { Self.statements(of: $0) }
            let reading = try await house.ledger.pool.read { Self.statements(of: $0) }
            #expect(writing.count > 15 && reading.count > 3)
            for statement in writing + reading {
                // Row for row through the 3,000 would be 10,000 and more.
                #expect(statement.stepsPerRun < 1500, "\(statement.sql)")
            }
        }
    }

    private struct Prepared: Sendable {
        let sql: String
        let stepsPerRun: Int32
    }

    /// The statements a connection keeps prepared, with the instructions of SQLite's machine each of its runs took.
    ///
    /// Source: https://www.sqlite.org/c3ref/c_stmtstatus_counter.html
    private static func statements(of database: Database) -> [Prepared] {
        var prepared: [Prepared] = []
        var next = sqlite3_next_stmt(database.sqliteConnection, nil)
        while let statement = next {
            let runs = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_RUN, 0)
            if runs > 0 {
                let steps = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0)
                prepared.append(Prepared(sql: String(cString: sqlite3_sql(statement)), stepsPerRun: steps / runs))
            }
            next = sqlite3_next_stmt(database.sqliteConnection, statement)
        }
        return prepared
    }
}
