import Domain
import Testing

/// One rule of the schema and a statement that breaks it and no other.
struct Breach: Sendable, CustomTestStringConvertible {
    enum Rule: Sendable, Hashable {
        /// A CHECK, by its name or, without one, its expression.
        case check(String)
        /// A unique index or primary key, by its columns.
        case unique(String)
        /// A reference, by its column.
        case reference(String)
    }

    let table: String
    let rule: Rule
    let sql: String

    var message: String {
        switch rule {
        case .check(let text): "CHECK constraint failed: \(text)"
        case .unique(let columns):
            "UNIQUE constraint failed: " + columns.split(separator: ", ").map { "\(table).\($0)" }.joined(separator: ", ")
        case .reference: "FOREIGN KEY constraint failed"
        }
    }

    var testDescription: String { "\(table): \(rule)" }
}

extension Breach {
    private static func check(_ table: String, _ text: String, _ sql: String) -> Breach {
        Breach(table: table, rule: .check(text), sql: sql)
    }
    private static func unique(_ table: String, _ columns: String, _ sql: String) -> Breach {
        Breach(table: table, rule: .unique(columns), sql: sql)
    }
    private static func reference(_ table: String, _ column: String) -> Breach {
        Breach(table: table, rule: .reference(column), sql: "UPDATE \(table) SET \(column) = 999")
    }

    /// Of delivery 1.
    private static let requestKey = Hexadecimal.text(
        of: Delivery.requestKey(account: "acme", requestID: "r1", bodyHash: [UInt8](repeating: 0, count: 32)))

    /// Rows that keep every rule; the statements below spoil one each. Job 1 waits, 2 runs, 3 is superseded by 1, 4 succeeded.
    static let goodRows = """
        INSERT INTO deliveries (id, account, request_id, remote_address, received_at, verified, answer, body_hash, body_size,
                request_key)
            VALUES (1, 'acme', 'r1', '::1', 1, 1, 202, zeroblob(32), 5, x'\(requestKey)');
        INSERT INTO deliveries (id, account, remote_address, received_at, verified, answer, reason)
            VALUES (2, 'acme', '::1', 2, 0, 401, 'no signature');
        INSERT INTO deliveries (id, account, request_id, remote_address, received_at, verified, answer, body_hash, body_size, duplicate_of)
            VALUES (3, 'acme', 'r1', '::1', 3, 1, 200, zeroblob(32), 5, 1);
        INSERT INTO refs (id, account, repository, name) VALUES (1, 'acme', 'acme/shop', 'refs/heads/main'), (2, 'acme', 'acme/shop', 'refs/tags/v1');
        INSERT INTO changes (id, ref, old, new, delivery, accounted_at) VALUES (1, 1, zeroblob(20), zeroblob(32), 1, 1);
        UPDATE refs SET last_change = 1 WHERE id = 1;
        INSERT INTO jobs (id, app, repository, ref, commit_id, cause, change, delivery, lock_name, state, reason, starts, attempt, queued_at,
                started_at, finished_at, superseded_by) VALUES
            (1, 'shop', 'acme/shop', 'refs/heads/main', zeroblob(20), 'push', 1, 1, 'shop', 'queued', NULL, 0, 0, 1, NULL, NULL, NULL),
            (2, 'shop', 'acme/shop', 'refs/heads/main', zeroblob(20), 'push', NULL, NULL, 'shop', 'running', NULL, 1, 1, 1, 2, NULL, NULL),
            (3, 'shop', 'acme/shop', 'refs/heads/main', zeroblob(20), 'push', NULL, 1, 'shop', 'superseded', 'by 1', 0, 0, 1, NULL, 2, 1),
            (4, 'shop', 'acme/shop', NULL, zeroblob(20), 'manual', NULL, NULL, 'shop', 'succeeded', 'live', 1, 1, 1, 2, 3, NULL);
        INSERT INTO holds (app, held_at, until) VALUES ('shop', 1, 2);
        INSERT INTO verdicts (delivery, position, change, ref, commit_id, app, kind, job, reason) VALUES
            (1, 0, 1, 'refs/heads/main', zeroblob(20), 'shop', 'queued', 1, NULL),
            (1, 1, 1, 'refs/heads/main', zeroblob(20), NULL, 'ignored', NULL, 'no app');
        INSERT INTO steps (job, start, position, name, state, exit_status, signal, started_at, finished_at) VALUES
            (2, 1, 0, 'fetch', 'succeeded', 0, NULL, 1, 2), (2, 1, 1, 'checkout', 'running', NULL, NULL, 2, NULL),
            (2, 1, 2, 'build', 'failed', 1, NULL, 2, 3);
        INSERT INTO releases (job, app, commit_id, path, state, created_at, activated_at) VALUES
            (2, 'shop', zeroblob(20), '/srv/shop/2', 'building', 1, NULL), (4, 'shop', zeroblob(20), '/srv/shop/4', 'live', 1, 2);
        UPDATE jobs SET release = id WHERE id IN (2, 4);
        INSERT INTO notices (job, position, event) VALUES (4, 0, 'succeeded'), (4, 1, 'recovered');
        INSERT INTO reporting (app, account, status_key, status_name) VALUES ('shop', 'acme', 'k', 'shop on web1');
        INSERT INTO outbox (job, app, account, status_key, status_name, repository, commit_id, ref, state, is_verdict, reason, noted_at)
            VALUES (4, 'shop', 'acme', 'k', 'shop on web1', 'acme/shop', zeroblob(20), NULL, 'succeeded', 1, 'live', 3);
        INSERT OR REPLACE INTO watched (app, rules, since) VALUES ('shop', zeroblob(32), 1);
        INSERT INTO repository_names (account, forge_id, name) VALUES ('acme', '{1}', 'acme/shop');
        """

    static let all =
        deliveries + refsAndChanges + jobs + holds + verdicts + steps + releases + notices + forges

    private static let deliveries = [
        check("deliveries", "verified IN (0, 1)", "UPDATE deliveries SET verified = 2, answer = 200, reason = 'r' WHERE id = 1"),
        check("deliveries", "answer BETWEEN 200 AND 599", "UPDATE deliveries SET answer = 600 WHERE id = 2"),
        check("deliveries", "length(body_hash) = 32", "UPDATE deliveries SET body_hash = zeroblob(31) WHERE id = 1"),
        check("deliveries", "body_size >= 0", "UPDATE deliveries SET body_size = -1 WHERE id = 1"),
        check("deliveries", "verified_is_complete", "UPDATE deliveries SET account = NULL WHERE id = 1"),
        check("deliveries", "verified_is_complete", "UPDATE deliveries SET body_hash = NULL WHERE id = 1"),
        check("deliveries", "verified_is_complete", "UPDATE deliveries SET answer = 401 WHERE id = 1"),
        check("deliveries", "refused_has_reason", "UPDATE deliveries SET reason = NULL WHERE id = 2"),
        unique("deliveries", "request_key", "UPDATE deliveries SET request_key = x'\(requestKey)' WHERE id = 3"),
        check("deliveries", "length(request_key) = 16", "UPDATE deliveries SET request_key = zeroblob(15) WHERE id = 3"),
    ]

    private static let refsAndChanges = [
        check("refs", "repository = lower(repository)", "UPDATE refs SET repository = 'Acme/shop' WHERE id = 1"),
        check("refs", "name GLOB 'refs/heads/?*' OR name GLOB 'refs/tags/?*'", "UPDATE refs SET name = 'refs/heads/' WHERE id = 1"),
        unique("refs", "account, repository, name", "UPDATE refs SET name = 'refs/tags/v1' WHERE id = 1"),
        check("changes", "length(old) IN (20, 32)", "UPDATE changes SET old = zeroblob(19)"),
        check("changes", "previous < id", "UPDATE changes SET previous = id"),
        check("changes", "length(new) IN (20, 32)", "UPDATE changes SET new = zeroblob(33)"),
        reference("changes", "ref"),
    ]

    private static let jobs = [
        check("jobs", "length(commit_id) IN (20, 32)", "UPDATE jobs SET commit_id = zeroblob(7) WHERE id = 1"),
        check("jobs", "known_cause", "UPDATE jobs SET cause = 'whim' WHERE id = 1"),
        check("jobs", "known_state", "UPDATE jobs SET state = 'lost' WHERE id = 4"),
        check("jobs", "attempt >= 0", "UPDATE jobs SET attempt = -1 WHERE id = 1"),
        check("jobs", "starts >= attempt", "UPDATE jobs SET attempt = 1 WHERE id = 1"),
        check("jobs", "ended_has_end", "UPDATE jobs SET finished_at = NULL WHERE id = 4"),
        check("jobs", "ended_has_end", "UPDATE jobs SET finished_at = 3 WHERE id = 1"),
        check("jobs", "ended_has_end", "UPDATE jobs SET finished_at = 3 WHERE id = 2"),
        check("jobs", "ended_has_reason", "UPDATE jobs SET reason = NULL WHERE id = 4"),
        check("jobs", "running_was_started", "UPDATE jobs SET started_at = NULL WHERE id = 2"),
        check("jobs", "running_was_started", "UPDATE jobs SET starts = 0, attempt = 0 WHERE id = 2"),
        check("jobs", "queued_is_not_started", "UPDATE jobs SET started_at = 2 WHERE id = 1"),
        check("jobs", "superseded_by_is_superseded", "UPDATE jobs SET superseded_by = 1 WHERE id = 4"),
        check("jobs", "push_has_ref", "UPDATE jobs SET ref = NULL WHERE id = 1"),
        check("jobs", "came_to_verdict IN (0, 1)", "UPDATE jobs SET came_to_verdict = 2 WHERE id = 4"),
        check("jobs", "verdict_at_end", "UPDATE jobs SET came_to_verdict = 1 WHERE id = 1"),
        check("jobs", "retry_of_another", "UPDATE jobs SET retry_of = 1 WHERE id = 4"),
        check("jobs", "retry_of_another", "UPDATE jobs SET cause = 'retry', retry_of = id WHERE id = 4"),
        unique(
            "jobs", "lock_name",
            "UPDATE jobs SET state = 'running', started_at = 2, starts = 1, ref = 'refs/heads/b' WHERE id = 1"),
        unique(
            "jobs", "app, ref",
            """
            INSERT INTO jobs (app, repository, ref, commit_id, cause, lock_name, state, queued_at)
            VALUES ('shop', 'acme/shop', 'refs/heads/main', zeroblob(20), 'catch-up', 'shop', 'queued', 1)
            """),
        unique("jobs", "change, app", "UPDATE jobs SET change = 1 WHERE id = 3"),
        check("jobs", "only_rollback_takes_another", "UPDATE jobs SET release = 2 WHERE id = 4"),
        check(
            "jobs", "revert_state = 'failed' OR revert_state = 'cancelled'",
            "UPDATE jobs SET revert_state = 'skipped', revert_reason = 'r' WHERE id = 2"),
        check("jobs", "revert_is_whole", "UPDATE jobs SET revert_state = 'failed' WHERE id = 2"),
        check("jobs", "revert_is_whole", "UPDATE jobs SET revert_reason = 'r' WHERE id = 2"),
        check("jobs", "length(configuration_hash) = 32", "UPDATE jobs SET configuration_hash = zeroblob(31) WHERE id = 2"),
        check("jobs", "length(tree_id) IN (20, 32)", "UPDATE jobs SET tree_id = zeroblob(31) WHERE id = 2"),
    ]

    private static let holds = [
        check("holds", "until > held_at", "UPDATE holds SET until = held_at"),
        unique("holds", "app", "INSERT INTO holds (app, held_at) VALUES ('shop', 2)"),
    ]

    private static let verdicts = [
        check("verdicts", "length(commit_id) IN (20, 32)", "UPDATE verdicts SET commit_id = zeroblob(0) WHERE position = 0"),
        check("verdicts", "kind IN ('queued', 'ignored')", "UPDATE verdicts SET kind = 'maybe' WHERE position = 0"),
        check("verdicts", "ignored_has_reason", "UPDATE verdicts SET reason = NULL WHERE position = 1"),
        check("verdicts", "ignored_has_reason", "UPDATE verdicts SET reason = 'because' WHERE position = 0"),
        check("verdicts", "ignored_has_no_job", "UPDATE verdicts SET job = 1 WHERE position = 1"),
        check("verdicts", "queued_has_app", "UPDATE verdicts SET app = NULL WHERE position = 0"),
        reference("verdicts", "delivery"),
        check("verdicts", "position >= 0", "UPDATE verdicts SET position = -1 WHERE position = 1"),
        unique("verdicts", "delivery, position", "UPDATE verdicts SET position = 0"),
    ]

    private static let steps = [
        check("steps", "start > 0", "UPDATE steps SET start = 0 WHERE position = 0"),
        check("steps", "position >= 0", "UPDATE steps SET position = -1 WHERE position = 0"),
        check(
            "steps", "state IN ('running', 'succeeded', 'failed', 'cancelled')", "UPDATE steps SET state = 'skipped' WHERE position = 2"),
        check("steps", "ended_step_has_end", "UPDATE steps SET finished_at = NULL WHERE position = 0"),
        check("steps", "ended_step_has_end", "UPDATE steps SET finished_at = 3 WHERE position = 1"),
        check("steps", "one_way_to_end", "UPDATE steps SET signal = 9 WHERE position = 2"),
        check("steps", "success_is_zero", "UPDATE steps SET exit_status = 1 WHERE position = 0"),
        check("steps", "success_is_zero", "UPDATE steps SET exit_status = NULL, signal = 9 WHERE position = 0"),
        check("steps", "cpu_ms >= 0", "UPDATE steps SET cpu_ms = -1 WHERE position = 0"),
        check("steps", "memory_peak >= 0", "UPDATE steps SET memory_peak = -1 WHERE position = 0"),
        unique("steps", "job, start, position", "UPDATE steps SET position = 0 WHERE position = 2"),
        unique("steps", "job, start, name", "UPDATE steps SET name = 'fetch' WHERE position = 2"),
        unique("steps", "job", "UPDATE steps SET state = 'running', finished_at = NULL, exit_status = NULL WHERE position = 0"),
        Breach(table: "steps", rule: .reference("job"), sql: "UPDATE steps SET job = 999 WHERE position = 0"),
    ]

    private static let releases = [
        check("releases", "length(commit_id) IN (20, 32)", "UPDATE releases SET commit_id = zeroblob(40) WHERE job = 2"),
        check("releases", "path GLOB '/*'", "UPDATE releases SET path = 'srv/shop' WHERE job = 2"),
        check("releases", "state IN ('building', 'live', 'good', 'failed')", "UPDATE releases SET state = 'old' WHERE job = 4"),
        check("releases", "live_was_activated", "UPDATE releases SET activated_at = NULL WHERE job = 4"),
        check("releases", "live_was_activated", "UPDATE releases SET state = 'good' WHERE job = 2"),
        check("releases", "live_is_kept", "UPDATE releases SET removed_at = 5 WHERE job = 4"),
        unique("releases", "path", "UPDATE releases SET path = '/srv/shop/4' WHERE job = 2"),
        unique("releases", "app", "UPDATE releases SET state = 'live', activated_at = 3 WHERE job = 2"),
        Breach(table: "releases", rule: .reference("job"), sql: "DELETE FROM jobs WHERE id = 4"),
    ]

    private static let forges = [
        check(
            "reporting", "length(status_key) BETWEEN 1 AND 40",
            "UPDATE reporting SET status_key = '\(String(repeating: "k", count: 41))'"),
        unique("reporting", "app", "INSERT INTO reporting VALUES ('shop', 'acme', 'l', 'shop on web2')"),
        check("outbox", "length(commit_id) IN (20, 32)", "UPDATE outbox SET commit_id = zeroblob(7)"),
        check("outbox", "told_state", "UPDATE outbox SET state = 'queued'"),
        check("outbox", "is_verdict IN (0, 1)", "UPDATE outbox SET is_verdict = 2"),
        check("outbox", "attempts >= 0", "UPDATE outbox SET attempts = -1"),
        check("watched", "length(rules) = 32", "UPDATE watched SET rules = zeroblob(20)"),
        unique("watched", "app", "INSERT INTO watched VALUES ('shop', NULL, 2)"),
    ]

    private static let notices = [
        check("notices", "position >= 0", "UPDATE notices SET position = -1 WHERE position = 1"),
        check("notices", "event IN ('succeeded', 'failed', 'recovered')", "UPDATE notices SET event = 'maybe' WHERE position = 0"),
        check("notices", "attempt >= 0", "UPDATE notices SET attempt = -1"),
        unique("notices", "job, position", "UPDATE notices SET position = 0"),
        reference("notices", "job"),
    ]
}
