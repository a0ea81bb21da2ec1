import Domain
import FoundationEssentials
import GRDB

/// The ledger's tables and what is always true of them.
///
/// Invariants, each held by a CHECK or a unique index so that the database itself refuses a row that breaks one:
///
/// 1. A verified delivery has an account, the hash of its body and an answer of 200 or 202; a refused one has a reason.
/// 2. Of verified deliveries with one account, request id and body only the first has their key.
/// 3. `changes` holds accounted changes only: each moves a ref, to another commit or away.
/// 4. An ignored verdict has a reason and no job; a queued one has no reason.
/// 5. A job that ended has a reason and an end; one that did not has neither an end nor a job that superseded it.
/// 6. Never two running jobs of a lock; never two queued jobs of an app and ref that a push or catch-up made and nobody started yet.
/// 7. Never two jobs of an app for one change that a push or catch-up made.
/// 8. Of a job at most one step runs; a step has an end exactly when it does not run.
/// 9. An app has at most one live release, and what is live or good was activated.
/// 11. Only a rollback goes to a release it did not build; one that goes back to a release before knows how it will end.
/// 12. Of a job's notices each is there once.
/// 10. Only an ended job came to a verdict; only a retry is one of another job.
/// 13. Of a job that its forge hears of, every state but queued is in the outbox, in the order in which it came to them.
///
/// What is forgotten after a time, deliveries and jobs, is named elsewhere by plain numbers, which stay: a duplicate of a forgotten
/// delivery is one all the same, and forgetting looks at no other row. People and logs speak of these numbers too, so none is given
/// twice: SQLite gives the one after the greatest, and the row that has it is never forgotten.
///
/// Times are milliseconds since 1970, commits are the bytes of the object name, repositories are in lower case.
enum Schema {
    /// Numbered, and never edited once released: a ledger of every released version is upgraded by a test.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        register("1") { database in try database.execute(sql: version1) }
        register("2") { database in
            try database.execute(sql: version2)
            try fillRequestKeys(in: database)
        }
        register("3") { database in try database.execute(sql: version3) }
        register("4") { database in try database.execute(sql: version4) }
        register("5") { database in try database.execute(sql: version5) }
        register("6") { database in try database.execute(sql: version6) }
        register("7") { database in try database.execute(sql: version7) }
        register("8") { database in try database.execute(sql: version8) }
        return migrator

        func register(_ version: String, _ migrate: @escaping @Sendable (Database) throws -> Void) {
            migrator.registerMigration(version) { database in
                try migrate(database)
                #if DEBUG
                    CrashPoint.willCommit("migrate", in: database)
                #endif
            }
        }
    }

    private static let version1 = """
        CREATE TABLE deliveries (
            -- AUTOINCREMENT: a number is never given twice, because people and logs speak of it.
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT,
            event TEXT,
            request_id TEXT,
            remote_address TEXT NOT NULL,
            received_at INTEGER NOT NULL,
            verified INTEGER NOT NULL CHECK (verified IN (0, 1)),
            answer INTEGER NOT NULL CHECK (answer BETWEEN 200 AND 599),
            reason TEXT,
            repository TEXT,
            body_hash BLOB CHECK (length(body_hash) = 32),
            body_size INTEGER CHECK (body_size >= 0),
            duplicate_of INTEGER,
            CONSTRAINT verified_is_complete CHECK (
                verified = 0 OR (account IS NOT NULL AND body_hash IS NOT NULL AND answer IN (200, 202))),
            CONSTRAINT refused_has_reason CHECK (verified = 1 OR reason IS NOT NULL)
        ) STRICT;

        CREATE INDEX deliveries_by_request ON deliveries (request_id, account, body_hash)
            WHERE verified = 1 AND request_id IS NOT NULL;
        CREATE UNIQUE INDEX deliveries_first_of_request ON deliveries (request_id, account, body_hash)
            WHERE verified = 1 AND request_id IS NOT NULL AND duplicate_of IS NULL;
        CREATE INDEX deliveries_refused ON deliveries (account, id) WHERE verified = 0;

        CREATE TABLE refs (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            repository TEXT NOT NULL CHECK (repository = lower(repository)),
            name TEXT NOT NULL CHECK (name GLOB 'refs/heads/?*' OR name GLOB 'refs/tags/?*'),
            UNIQUE (account, repository, name)
        ) STRICT;

        CREATE TABLE changes (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            ref INTEGER NOT NULL REFERENCES refs (id),
            -- NULL: the ref was created.
            old BLOB CHECK (length(old) IN (20, 32)),
            -- NULL: the ref was deleted.
            new BLOB CHECK (length(new) IN (20, 32)),
            -- NULL: no delivery, but a fetch or catch-up found it.
            delivery INTEGER,
            accounted_at INTEGER NOT NULL
        ) STRICT;

        CREATE INDEX changes_by_ref ON changes (ref, new);

        CREATE TABLE jobs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            app TEXT NOT NULL,
            repository TEXT NOT NULL,
            ref TEXT,
            commit_id BLOB NOT NULL CHECK (length(commit_id) IN (20, 32)),
            cause TEXT NOT NULL CHECK (cause IN ('push', 'manual', 'retry', 'rollback', 'catch-up')),
            requested_by TEXT,
            change INTEGER REFERENCES changes (id) ON DELETE SET NULL,
            delivery INTEGER,
            lock_name TEXT NOT NULL,
            state TEXT NOT NULL
                CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'superseded', 'skipped')),
            reason TEXT,
            -- Starts that count against max_attempts.
            attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
            -- All starts; the steps of each are told apart by it.
            starts INTEGER NOT NULL DEFAULT 0 CHECK (starts >= attempt),
            queued_at INTEGER NOT NULL,
            started_at INTEGER,
            finished_at INTEGER,
            superseded_by INTEGER,
            retry_of INTEGER,
            -- Whether its end says something about its commit, so that the commit needs no other job: it succeeded, failed, was
            -- skipped or cancelled, or was live already.
            came_to_verdict INTEGER NOT NULL DEFAULT 0 CHECK (came_to_verdict IN (0, 1)),
            CONSTRAINT verdict_at_end CHECK (came_to_verdict = 0 OR finished_at IS NOT NULL),
            CONSTRAINT retry_of_another CHECK (retry_of IS NULL OR (retry_of <> id AND cause = 'retry')),
            CONSTRAINT ended_has_end CHECK ((state IN ('queued', 'running')) = (finished_at IS NULL)),
            CONSTRAINT ended_has_reason CHECK (state IN ('queued', 'running') OR reason IS NOT NULL),
            CONSTRAINT running_was_started CHECK (state <> 'running' OR (started_at IS NOT NULL AND starts > 0)),
            CONSTRAINT queued_is_not_started CHECK (state <> 'queued' OR started_at IS NULL),
            CONSTRAINT superseded_by_is_superseded CHECK (superseded_by IS NULL OR state = 'superseded'),
            CONSTRAINT push_has_ref CHECK (cause <> 'push' OR ref IS NOT NULL)
        ) STRICT;

        CREATE UNIQUE INDEX jobs_one_running_per_lock ON jobs (lock_name) WHERE state = 'running';
        -- Not of those that were started: one that was put back after it went live waits beside a newer push.
        CREATE UNIQUE INDEX jobs_one_queued_per_ref ON jobs (app, ref)
            WHERE state = 'queued' AND starts = 0 AND cause IN ('push', 'catch-up');
        CREATE UNIQUE INDEX jobs_one_per_change ON jobs (change, app) WHERE change IS NOT NULL AND cause IN ('push', 'catch-up');
        CREATE INDEX jobs_queued ON jobs (id) WHERE state = 'queued';
        CREATE INDEX jobs_by_app ON jobs (app, id);

        -- Apps whose pushes wait for somebody to say go.
        CREATE TABLE holds (
            app TEXT PRIMARY KEY,
            held_at INTEGER NOT NULL,
            -- NULL: until it is resumed.
            until INTEGER CHECK (until > held_at),
            reason TEXT,
            requested_by TEXT
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE verdicts (
            id INTEGER PRIMARY KEY,
            delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
            -- NULL: the ref could not be used.
            change INTEGER REFERENCES changes (id) ON DELETE SET NULL,
            ref TEXT NOT NULL,
            commit_id BLOB CHECK (length(commit_id) IN (20, 32)),
            -- NULL: no app is configured for the repository.
            app TEXT,
            kind TEXT NOT NULL CHECK (kind IN ('queued', 'ignored')),
            job INTEGER,
            reason TEXT,
            CONSTRAINT ignored_has_reason CHECK ((kind = 'ignored') = (reason IS NOT NULL)),
            CONSTRAINT ignored_has_no_job CHECK (kind = 'queued' OR job IS NULL),
            CONSTRAINT queued_has_app CHECK (kind = 'ignored' OR app IS NOT NULL)
        ) STRICT;

        CREATE INDEX verdicts_by_delivery ON verdicts (delivery);

        CREATE TABLE steps (
            job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            start INTEGER NOT NULL CHECK (start > 0),
            position INTEGER NOT NULL CHECK (position >= 0),
            name TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
            exit_status INTEGER,
            signal INTEGER,
            started_at INTEGER NOT NULL,
            finished_at INTEGER,
            PRIMARY KEY (job, start, position),
            UNIQUE (job, start, name),
            CONSTRAINT ended_step_has_end CHECK ((state = 'running') = (finished_at IS NULL)),
            CONSTRAINT one_way_to_end CHECK (exit_status IS NULL OR signal IS NULL),
            CONSTRAINT success_is_zero CHECK (state <> 'succeeded' OR (coalesce(exit_status, 0) = 0 AND signal IS NULL))
        ) STRICT, WITHOUT ROWID;

        CREATE UNIQUE INDEX steps_one_running_per_job ON steps (job) WHERE state = 'running';

        CREATE TABLE releases (
            -- A release has the number of the job that built it. No cascade: the job of a kept release is kept.
            job INTEGER PRIMARY KEY REFERENCES jobs (id),
            app TEXT NOT NULL,
            commit_id BLOB NOT NULL CHECK (length(commit_id) IN (20, 32)),
            path TEXT NOT NULL UNIQUE CHECK (path GLOB '/*'),
            state TEXT NOT NULL CHECK (state IN ('building', 'live', 'good', 'failed')),
            created_at INTEGER NOT NULL,
            activated_at INTEGER,
            CONSTRAINT live_was_activated CHECK (state IN ('building', 'failed') OR activated_at IS NOT NULL)
        ) STRICT;

        CREATE UNIQUE INDEX releases_one_live_per_app ON releases (app) WHERE state = 'live';
        CREATE INDEX releases_by_app ON releases (app, job);
        """
    /// What a busy intake and a long history want: fewer and shorter index entries on the way in, and an index for every question that
    /// is asked while jobs run, so that none of them reads what is long over.
    private static let version2 = """
        -- 16 bytes known of account, request id and body: a third of what the three together take in an index.
        ALTER TABLE deliveries ADD COLUMN request_key BLOB CHECK (length(request_key) = 16);
        DROP INDEX deliveries_by_request;
        DROP INDEX deliveries_first_of_request;

        -- One tree instead of a table and its index.
        CREATE TABLE verdicts_in_order (
            delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
            position INTEGER NOT NULL CHECK (position >= 0),
            -- NULL: the ref could not be used.
            change INTEGER REFERENCES changes (id) ON DELETE SET NULL,
            ref TEXT NOT NULL,
            commit_id BLOB CHECK (length(commit_id) IN (20, 32)),
            -- NULL: no app is configured for the repository.
            app TEXT,
            kind TEXT NOT NULL CHECK (kind IN ('queued', 'ignored')),
            job INTEGER,
            reason TEXT,
            PRIMARY KEY (delivery, position),
            CONSTRAINT ignored_has_reason CHECK ((kind = 'ignored') = (reason IS NOT NULL)),
            CONSTRAINT ignored_has_no_job CHECK (kind = 'queued' OR job IS NULL),
            CONSTRAINT queued_has_app CHECK (kind = 'ignored' OR app IS NOT NULL)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO verdicts_in_order
            SELECT delivery, row_number() OVER (PARTITION BY delivery ORDER BY id) - 1, change, ref, commit_id, app, kind, job, reason
            FROM verdicts;
        DROP TABLE verdicts;
        ALTER TABLE verdicts_in_order RENAME TO verdicts;

        -- The last change of a ref.
        CREATE INDEX changes_last_of_ref ON changes (ref);
        CREATE INDEX jobs_waiting ON jobs (app, ref) WHERE state = 'queued';
        CREATE INDEX jobs_verdicts ON jobs (app, ref, finished_at) WHERE came_to_verdict = 1;
        """

    /// The hot way in once more: no index that another row or index can answer for, no list of values in a CHECK (SQLite builds a
    /// temporary B-tree for one of more than two, each time), no reference to what is never forgotten.
    private static let version3 = """
        ALTER TABLE refs ADD COLUMN last_change INTEGER;
        UPDATE refs SET last_change = (SELECT max(id) FROM changes WHERE ref = refs.id);

        CREATE TABLE new_deliveries (
            id INTEGER PRIMARY KEY,
            account TEXT,
            event TEXT,
            request_id TEXT,
            remote_address TEXT NOT NULL,
            received_at INTEGER NOT NULL,
            verified INTEGER NOT NULL CHECK (verified IN (0, 1)),
            answer INTEGER NOT NULL CHECK (answer BETWEEN 200 AND 599),
            reason TEXT,
            repository TEXT,
            body_hash BLOB CHECK (length(body_hash) = 32),
            body_size INTEGER CHECK (body_size >= 0),
            duplicate_of INTEGER,
            -- 16 bytes known of account, request id and body; NULL for what repeats an earlier delivery.
            request_key BLOB CHECK (length(request_key) = 16),
            CONSTRAINT verified_is_complete CHECK (
                verified = 0 OR (account IS NOT NULL AND body_hash IS NOT NULL AND answer IN (200, 202))),
            CONSTRAINT refused_has_reason CHECK (verified = 1 OR reason IS NOT NULL)
        ) STRICT;
        INSERT INTO new_deliveries
            SELECT id, account, event, request_id, remote_address, received_at, verified, answer, reason, repository, body_hash, body_size,
                duplicate_of, request_key
            FROM deliveries;
        DROP TABLE deliveries;
        ALTER TABLE new_deliveries RENAME TO deliveries;
        CREATE UNIQUE INDEX deliveries_first_of_request ON deliveries (request_key) WHERE request_key IS NOT NULL;
        CREATE INDEX deliveries_refused ON deliveries (account, id) WHERE verified = 0;

        CREATE TABLE new_changes (
            id INTEGER PRIMARY KEY,
            ref INTEGER NOT NULL REFERENCES refs (id),
            -- NULL: the ref was created.
            old BLOB CHECK (length(old) IN (20, 32)),
            -- NULL: the ref was deleted.
            new BLOB CHECK (length(new) IN (20, 32)),
            -- NULL: no delivery, but a fetch or catch-up found it.
            delivery INTEGER,
            accounted_at INTEGER NOT NULL,
            -- The change of the ref before this one, so that its history is followed from refs.last_change back. NULL: this is the first.
            previous INTEGER CHECK (previous < id)
        ) STRICT;
        INSERT INTO new_changes
            SELECT id, ref, old, new, delivery, accounted_at, lag(id) OVER (PARTITION BY ref ORDER BY id) FROM changes;
        DROP TABLE changes;
        ALTER TABLE new_changes RENAME TO changes;

        CREATE TABLE new_verdicts (
            delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
            position INTEGER NOT NULL CHECK (position >= 0),
            -- NULL: the ref could not be used.
            change INTEGER,
            ref TEXT NOT NULL,
            commit_id BLOB CHECK (length(commit_id) IN (20, 32)),
            -- NULL: no app is configured for the repository.
            app TEXT,
            kind TEXT NOT NULL CHECK (kind IN ('queued', 'ignored')),
            job INTEGER,
            reason TEXT,
            PRIMARY KEY (delivery, position),
            CONSTRAINT ignored_has_reason CHECK ((kind = 'ignored') = (reason IS NOT NULL)),
            CONSTRAINT ignored_has_no_job CHECK (kind = 'queued' OR job IS NULL),
            CONSTRAINT queued_has_app CHECK (kind = 'ignored' OR app IS NOT NULL)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO new_verdicts SELECT delivery, position, change, ref, commit_id, app, kind, job, reason FROM verdicts;
        DROP TABLE verdicts;
        ALTER TABLE new_verdicts RENAME TO verdicts;

        CREATE TABLE new_jobs (
            id INTEGER PRIMARY KEY,
            app TEXT NOT NULL,
            repository TEXT NOT NULL,
            ref TEXT,
            commit_id BLOB NOT NULL CHECK (length(commit_id) IN (20, 32)),
            cause TEXT NOT NULL,
            requested_by TEXT,
            change INTEGER,
            delivery INTEGER,
            lock_name TEXT NOT NULL,
            state TEXT NOT NULL,
            reason TEXT,
            -- Starts that count against max_attempts.
            attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
            -- All starts; the steps of each are told apart by it.
            starts INTEGER NOT NULL DEFAULT 0 CHECK (starts >= attempt),
            queued_at INTEGER NOT NULL,
            started_at INTEGER,
            finished_at INTEGER,
            superseded_by INTEGER,
            retry_of INTEGER,
            -- Whether its end says something about its commit, so that the commit needs no other job: it succeeded, failed, was
            -- skipped or cancelled, or was live already.
            came_to_verdict INTEGER NOT NULL DEFAULT 0 CHECK (came_to_verdict IN (0, 1)),
            CONSTRAINT known_cause CHECK (
                cause = 'push' OR cause = 'manual' OR cause = 'retry' OR cause = 'rollback' OR cause = 'catch-up'),
            CONSTRAINT known_state CHECK (
                state = 'queued' OR state = 'running' OR state = 'superseded' OR state = 'succeeded' OR state = 'failed'
                    OR state = 'cancelled' OR state = 'skipped'),
            CONSTRAINT verdict_at_end CHECK (came_to_verdict = 0 OR finished_at IS NOT NULL),
            CONSTRAINT retry_of_another CHECK (retry_of IS NULL OR (retry_of <> id AND cause = 'retry')),
            CONSTRAINT ended_has_end CHECK ((state IN ('queued', 'running')) = (finished_at IS NULL)),
            CONSTRAINT ended_has_reason CHECK (state IN ('queued', 'running') OR reason IS NOT NULL),
            CONSTRAINT running_was_started CHECK (state <> 'running' OR (started_at IS NOT NULL AND starts > 0)),
            CONSTRAINT queued_is_not_started CHECK (state <> 'queued' OR started_at IS NULL),
            CONSTRAINT superseded_by_is_superseded CHECK (superseded_by IS NULL OR state = 'superseded'),
            CONSTRAINT push_has_ref CHECK (cause <> 'push' OR ref IS NOT NULL)
        ) STRICT;
        INSERT INTO new_jobs
            SELECT id, app, repository, ref, commit_id, cause, requested_by, change, delivery, lock_name, state, reason, attempt, starts,
                queued_at, started_at, finished_at, superseded_by, retry_of, came_to_verdict
            FROM jobs;
        DROP TABLE jobs;
        ALTER TABLE new_jobs RENAME TO jobs;
        CREATE UNIQUE INDEX jobs_one_running_per_lock ON jobs (lock_name) WHERE state = 'running';
        -- Not of those that were started: one that was put back after it went live waits beside a newer push.
        CREATE UNIQUE INDEX jobs_one_queued_per_ref ON jobs (app, ref)
            WHERE state = 'queued' AND starts = 0 AND cause IN ('push', 'catch-up');
        -- Every other job that waits.
        CREATE INDEX jobs_also_queued ON jobs (app, ref)
            WHERE state = 'queued' AND NOT (starts = 0 AND cause IN ('push', 'catch-up'));
        CREATE UNIQUE INDEX jobs_one_per_change ON jobs (change, app) WHERE change IS NOT NULL AND cause IN ('push', 'catch-up');
        CREATE INDEX jobs_queued ON jobs (id) WHERE state = 'queued';
        CREATE INDEX jobs_by_app ON jobs (app, id);
        CREATE INDEX jobs_verdicts ON jobs (app, ref, finished_at) WHERE came_to_verdict = 1;
        """

    /// Releases that fail, are gone back from, and are told of.
    private static let version4 = """
        -- The release it built, or that it goes back to.
        ALTER TABLE jobs ADD COLUMN release INTEGER
            CONSTRAINT only_rollback_takes_another CHECK (release IS NULL OR release = id OR cause = 'rollback');
        UPDATE jobs SET release = id WHERE id IN (SELECT job FROM releases);
        -- How it will end when it has gone back to the release before.
        ALTER TABLE jobs ADD COLUMN revert_state TEXT CHECK (revert_state = 'failed' OR revert_state = 'cancelled');
        ALTER TABLE jobs ADD COLUMN revert_reason TEXT
            CONSTRAINT revert_is_whole CHECK ((revert_state IS NULL) = (revert_reason IS NULL));
        -- SHA-256 of the configuration it ran with, and the tree git wrote.
        ALTER TABLE jobs ADD COLUMN configuration_hash BLOB CHECK (length(configuration_hash) = 32);
        ALTER TABLE jobs ADD COLUMN tree_id BLOB CHECK (length(tree_id) IN (20, 32));

        -- When a step failed while it was live, or before; it is no release to go back to.
        ALTER TABLE releases ADD COLUMN failed_at INTEGER;
        UPDATE releases SET failed_at = created_at WHERE state = 'failed';
        -- When it was given up; its directory goes after that, and then the row.
        ALTER TABLE releases ADD COLUMN removed_at INTEGER
            CONSTRAINT live_is_kept CHECK (removed_at IS NULL OR state IN ('good', 'failed'));

        -- What is to be told to others about jobs that ended; a row goes when that was tried.
        CREATE TABLE notices (
            id INTEGER PRIMARY KEY,
            job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            -- In the configuration's list.
            position INTEGER NOT NULL CHECK (position >= 0),
            event TEXT NOT NULL CHECK (event IN ('succeeded', 'failed', 'recovered')),
            -- Starts; a notice under which the daemon died is tried once more, not for ever.
            attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
            UNIQUE (job, position)
        ) STRICT;
        """

    /// What people want to see of a delivery and of a commit.
    private static let version5 = """
        -- The fields of the request's head without secrets, a line each. NULL: it was stored by an earlier version.
        ALTER TABLE deliveries ADD COLUMN headers TEXT;
        -- The app whose own hook it came to. NULL: the account's.
        ALTER TABLE deliveries ADD COLUMN hook_app TEXT;
        -- The first line of the commit's message.
        ALTER TABLE jobs ADD COLUMN subject TEXT;

        -- For lists of one state, of all apps and of one. A push that replaces another enters neither.
        CREATE INDEX jobs_ended ON jobs (state, id) WHERE finished_at IS NOT NULL AND state <> 'superseded';
        CREATE INDEX jobs_ended_by_app ON jobs (app, state, id) WHERE finished_at IS NOT NULL AND state <> 'superseded';
        """

    /// What steps take of the machine.
    private static let version6 = """
        -- Of all processes of the step together: milliseconds of processor time, and the most bytes at one time. NULL: not known.
        ALTER TABLE steps ADD COLUMN cpu_ms INTEGER CHECK (cpu_ms >= 0);
        ALTER TABLE steps ADD COLUMN memory_peak INTEGER CHECK (memory_peak >= 0);
        """

    /// What forges are told, what is looked for at them, and what they call their repositories.
    private static let version7 = """
        -- The apps whose jobs their forge is told of, as the configuration in force has it.
        CREATE TABLE reporting (
            app TEXT PRIMARY KEY,
            account TEXT NOT NULL,
            status_key TEXT NOT NULL CHECK (length(status_key) BETWEEN 1 AND 40),
            status_name TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- What forges are to be told, a row for each state a job came to; those of a job go when they have its end.
        CREATE TABLE outbox (
            id INTEGER PRIMARY KEY,
            job INTEGER NOT NULL,
            app TEXT NOT NULL,
            account TEXT NOT NULL,
            status_key TEXT NOT NULL,
            status_name TEXT NOT NULL,
            repository TEXT NOT NULL,
            commit_id BLOB NOT NULL CHECK (length(commit_id) IN (20, 32)),
            ref TEXT,
            state TEXT NOT NULL,
            is_verdict INTEGER NOT NULL CHECK (is_verdict IN (0, 1)),
            reason TEXT,
            noted_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
            -- Not before. NULL: at once.
            due_at INTEGER,
            -- NULL: the forge does not have it yet.
            delivered_at INTEGER,
            CONSTRAINT told_state CHECK (
                state = 'running' OR state = 'superseded' OR state = 'succeeded' OR state = 'failed' OR state = 'cancelled'
                    OR state = 'skipped')
        ) STRICT;
        CREATE INDEX outbox_by_job ON outbox (job);
        CREATE INDEX outbox_waiting ON outbox (account, id) WHERE delivered_at IS NULL;
        -- What of one commit and key comes first.
        CREATE INDEX outbox_order ON outbox (account, commit_id, status_key, id) WHERE delivered_at IS NULL;

        -- Whatever verb changes a job's state, its report is of the same transaction.
        CREATE TRIGGER jobs_are_reported AFTER UPDATE OF state ON jobs
        WHEN new.state <> old.state AND new.state <> 'queued'
        BEGIN
            INSERT INTO outbox
                (job, app, account, status_key, status_name, repository, commit_id, ref, state, is_verdict, reason, noted_at)
            SELECT new.id, new.app, whose.account, whose.status_key, whose.status_name, new.repository, new.commit_id, new.ref, new.state,
                new.came_to_verdict, new.reason, coalesce(new.finished_at, new.started_at)
            FROM (
                -- What was begun under a key ends under it, whatever the configuration says by then.
                SELECT 0 AS place, id, account, status_key, status_name FROM outbox WHERE job = new.id
                UNION ALL
                SELECT 1, 0, account, status_key, status_name FROM reporting WHERE app = new.app
                ORDER BY place, id DESC LIMIT 1
            ) AS whose;
        END;

        -- The apps whose refs are compared with the forge's.
        CREATE TABLE watched (
            app TEXT PRIMARY KEY,
            -- SHA-256 of the account, the repository and the patterns of refs. NULL: they were never compared.
            rules BLOB CHECK (length(rules) = 32),
            -- Changes accounted before are none of its business.
            since INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        -- An app that had jobs is not a new one.
        INSERT INTO watched SELECT app, NULL, max(queued_at) + 1 FROM jobs GROUP BY app;

        -- Every name under which a repository was ever known, in the order in which they were learnt.
        CREATE TABLE repository_names (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            -- The forge's own number or UUID.
            forge_id TEXT NOT NULL,
            name TEXT NOT NULL
        ) STRICT;
        CREATE INDEX repository_names_by_name ON repository_names (account, name);
        """

    /// The trigger of version 7 without its ephemeral table, which was made for each change of a state, also where nobody is told: it cost
    /// accepting half of its speed.
    private static let version8 = """
        DROP TRIGGER jobs_are_reported;

        -- Whatever verb changes a job's state, its report is of the same transaction.
        CREATE TRIGGER jobs_are_reported AFTER UPDATE OF state ON jobs
        WHEN new.state <> old.state AND new.state <> 'queued'
            AND (EXISTS (SELECT 1 FROM reporting WHERE app = new.app) OR EXISTS (SELECT 1 FROM outbox WHERE job = new.id))
        BEGIN
            INSERT INTO outbox
                (job, app, account, status_key, status_name, repository, commit_id, ref, state, is_verdict, reason, noted_at)
            VALUES (
                new.id, new.app,
                -- What was begun under a key ends under it, whatever the configuration says by then.
                coalesce(
                    (SELECT account FROM outbox WHERE job = new.id ORDER BY id DESC LIMIT 1),
                    (SELECT account FROM reporting WHERE app = new.app)),
                coalesce(
                    (SELECT status_key FROM outbox WHERE job = new.id ORDER BY id DESC LIMIT 1),
                    (SELECT status_key FROM reporting WHERE app = new.app)),
                coalesce(
                    (SELECT status_name FROM outbox WHERE job = new.id ORDER BY id DESC LIMIT 1),
                    (SELECT status_name FROM reporting WHERE app = new.app)),
                new.repository, new.commit_id, new.ref, new.state, new.came_to_verdict, new.reason,
                coalesce(new.finished_at, new.started_at));
        END;
        """

    private static func fillRequestKeys(in database: Database) throws {
        let firsts = try Row.fetchCursor(
            database,
            sql: """
                SELECT min(id) AS id, account, request_id, body_hash FROM deliveries
                WHERE verified = 1 AND request_id IS NOT NULL
                GROUP BY account, request_id, body_hash
                """)
        while let first = try firsts.next() {
            let key = Delivery.requestKey(
                account: first["account"], requestID: first["request_id"], bodyHash: [UInt8](first["body_hash"] as Data))
            try database.direct("UPDATE deliveries SET request_key = ? WHERE id = ?", key, first["id"] as Int64)
        }
        try database.execute(
            sql: "CREATE UNIQUE INDEX deliveries_first_of_request ON deliveries (request_key) WHERE request_key IS NOT NULL")
    }
}
