import GRDB

/// What a ledger says, read without the daemon.
struct Book: Sendable {
    struct Job: Sendable {
        let id: Int64
        let app: String
        let ref: String?
        let commit: String
        let cause: String
        let state: String
        let reason: String?
        let started: Int64?
        let finished: Int64?
        let supersededBy: Int64?
        let cameToVerdict: Bool
    }

    struct Step: Sendable {
        let job: Int64
        let start: Int64
        let name: String
        let state: String
        let began: Int64
        let ended: Int64?
    }

    struct Release: Sendable {
        let job: Int64
        let app: String
        let path: String
        let state: String
        let activated: Int64?
    }

    struct Delivery: Sendable {
        let id: Int64
        let requestID: String?
        let answer: Int
        let isVerified: Bool
    }

    struct Verdict: Sendable {
        let delivery: Int64
        let app: String?
        let ref: String
        let kind: String
        let job: Int64?
        let reason: String?
    }

    let jobs: [Job]
    let steps: [Step]
    let releases: [Release]
    let deliveries: [Delivery]
    let verdicts: [Verdict]
    /// Apps that are held.
    let held: Set<String>

    init(_ queue: DatabaseQueue) throws {
        (jobs, steps, releases, deliveries, verdicts, held) = try queue.read { database in
            (
                try Row.fetchAll(database, sql: "SELECT *, lower(hex(commit_id)) AS hash FROM jobs ORDER BY id")
                    .map(Job.init(row:)),
                try Row.fetchAll(database, sql: "SELECT * FROM steps ORDER BY started_at, job, start, position").map {
                    Step(
                        job: $0["job"], start: $0["start"], name: $0["name"], state: $0["state"], began: $0["started_at"],
                        ended: $0["finished_at"])
                },
                try Row.fetchAll(database, sql: "SELECT * FROM releases ORDER BY job")
                    .map {
                        Release(job: $0["job"], app: $0["app"], path: $0["path"], state: $0["state"], activated: $0["activated_at"])
                    },
                try Row.fetchAll(database, sql: "SELECT * FROM deliveries ORDER BY id")
                    .map { Delivery(id: $0["id"], requestID: $0["request_id"], answer: $0["answer"], isVerified: $0["verified"]) },
                try Row.fetchAll(database, sql: "SELECT * FROM verdicts ORDER BY delivery").map {
                    Verdict(
                        delivery: $0["delivery"], app: $0["app"], ref: $0["ref"], kind: $0["kind"], job: $0["job"], reason: $0["reason"])
                },
                try Set(String.fetchAll(database, sql: "SELECT app FROM holds"))
            )
        }
    }

    /// A connection that changes nothing.
    static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = GRDB.Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// How many jobs run, or wait for anything but the end of a hold.
    static func unfinished(_ queue: DatabaseQueue) throws -> Int {
        try queue.read { database in
            try Int.fetchOne(
                database,
                sql: """
                    SELECT count(*) FROM jobs
                    WHERE state = 'running'
                       OR (state = 'queued' AND NOT (cause IN ('push', 'catch-up') AND app IN (SELECT app FROM holds)))
                       -- What is live half-way is ended, held or not.
                       OR (state = 'queued' AND EXISTS (SELECT 1 FROM releases WHERE job = jobs.id AND releases.state = 'live'))
                    """) ?? 0
        }
    }

    /// Where each ref is as far as is accounted; those that are gone are left out.
    static func accounted(_ queue: DatabaseQueue) throws -> [String: String] {
        try queue.read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT refs.name, lower(hex(changes.new)) AS hash FROM refs JOIN changes ON changes.id = refs.last_change
                    WHERE changes.new IS NOT NULL
                    """)
            return Dictionary(rows.map { ($0["name"], $0["hash"]) }) { first, _ in first }
        }
    }

    /// How much the forge is yet to be told.
    static func untold(_ queue: DatabaseQueue) throws -> Int {
        try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM outbox WHERE delivered_at IS NULL") ?? 0 }
    }

    /// What SQLite says of the file; empty when it is whole.
    static func damage(_ queue: DatabaseQueue) throws -> [String] {
        do {
            return try queue.read { database in
                let whole = try String.fetchAll(database, sql: "PRAGMA integrity_check")
                let foreign = try Row.fetchAll(database, sql: "PRAGMA foreign_key_check").map { "\($0)" }
                return whole.filter { $0 != "ok" } + foreign
            }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CORRUPT {
            return ["\(error)"]
        }
    }

    /// The tables a person wants to see when something went wrong.
    static func tables(_ queue: DatabaseQueue) throws -> String {
        let queries = [
            "jobs": """
            SELECT id, app, ref, substr(lower(hex(commit_id)), 1, 7) AS c, cause, change, delivery, state, reason, starts, queued_at,
                started_at, finished_at FROM jobs ORDER BY id
            """,
            "deliveries": "SELECT id, substr(request_id, 1, 8), answer, duplicate_of, received_at FROM deliveries ORDER BY id",
            "changes": """
            SELECT c.id, name, substr(lower(hex(old)), 1, 7), substr(lower(hex(new)), 1, 7), delivery, accounted_at
            FROM changes c JOIN refs ON refs.id = c.ref ORDER BY c.id
            """,
            "holds": "SELECT app, held_at FROM holds",
            "verdicts": "SELECT delivery, change, app, ref, kind, job, reason FROM verdicts ORDER BY delivery",
            "releases": "SELECT job, app, substr(lower(hex(commit_id)), 1, 7), state, activated_at FROM releases ORDER BY job",
            "steps": "SELECT job, start, name, state, started_at, finished_at FROM steps ORDER BY started_at, job, start, position",
            "outbox": "SELECT id, job, state, is_verdict, attempts, due_at, delivered_at FROM outbox ORDER BY id",
            "watched": "SELECT app, since FROM watched",
        ]
        return try queries.sorted { $0.key < $1.key }.map { name, sql in
            let rows = try queue.read { try Row.fetchAll($0, sql: sql) }
            let lines = rows.map { row in row.databaseValues.map { $0.isNull ? "-" : $0.description }.joined(separator: " | ") }
            return "\(name):\n  " + lines.joined(separator: "\n  ")
        }.joined(separator: "\n")
    }
}

extension Book.Job {
    fileprivate init(row: Row) {
        self.init(
            id: row["id"], app: row["app"], ref: row["ref"], commit: row["hash"], cause: row["cause"], state: row["state"],
            reason: row["reason"], started: row["started_at"], finished: row["finished_at"], supersededBy: row["superseded_by"],
            cameToVerdict: row["came_to_verdict"])
    }
}
