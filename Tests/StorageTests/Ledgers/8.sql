PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
CREATE TABLE refs (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    repository TEXT NOT NULL CHECK (repository = lower(repository)),
    name TEXT NOT NULL CHECK (name GLOB 'refs/heads/?*' OR name GLOB 'refs/tags/?*'), last_change INTEGER,
    UNIQUE (account, repository, name)
) STRICT;
CREATE TABLE holds (
    app TEXT PRIMARY KEY,
    held_at INTEGER NOT NULL,
    -- NULL: until it is resumed.
    until INTEGER CHECK (until > held_at),
    reason TEXT,
    requested_by TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE steps (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    start INTEGER NOT NULL CHECK (start > 0),
    position INTEGER NOT NULL CHECK (position >= 0),
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
    exit_status INTEGER,
    signal INTEGER,
    started_at INTEGER NOT NULL,
    finished_at INTEGER, cpu_ms INTEGER CHECK (cpu_ms >= 0), memory_peak INTEGER CHECK (memory_peak >= 0),
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
    activated_at INTEGER, failed_at INTEGER, removed_at INTEGER
    CONSTRAINT live_is_kept CHECK (removed_at IS NULL OR state IN ('good', 'failed')),
    CONSTRAINT live_was_activated CHECK (state IN ('building', 'failed') OR activated_at IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX releases_one_live_per_app ON releases (app) WHERE state = 'live';
CREATE INDEX releases_by_app ON releases (app, job);
CREATE TABLE "deliveries" (
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
    request_key BLOB CHECK (length(request_key) = 16), headers TEXT, hook_app TEXT,
    CONSTRAINT verified_is_complete CHECK (
        verified = 0 OR (account IS NOT NULL AND body_hash IS NOT NULL AND answer IN (200, 202))),
    CONSTRAINT refused_has_reason CHECK (verified = 1 OR reason IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX deliveries_first_of_request ON deliveries (request_key) WHERE request_key IS NOT NULL;
CREATE INDEX deliveries_refused ON deliveries (account, id) WHERE verified = 0;
CREATE TABLE "changes" (
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
CREATE TABLE "verdicts" (
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
CREATE TABLE "jobs" (
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
    came_to_verdict INTEGER NOT NULL DEFAULT 0 CHECK (came_to_verdict IN (0, 1)), release INTEGER
    CONSTRAINT only_rollback_takes_another CHECK (release IS NULL OR release = id OR cause = 'rollback'), revert_state TEXT CHECK (revert_state = 'failed' OR revert_state = 'cancelled'), revert_reason TEXT
    CONSTRAINT revert_is_whole CHECK ((revert_state IS NULL) = (revert_reason IS NULL)), configuration_hash BLOB CHECK (length(configuration_hash) = 32), tree_id BLOB CHECK (length(tree_id) IN (20, 32)), subject TEXT,
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
CREATE UNIQUE INDEX jobs_one_running_per_lock ON jobs (lock_name) WHERE state = 'running';
CREATE UNIQUE INDEX jobs_one_queued_per_ref ON jobs (app, ref)
    WHERE state = 'queued' AND starts = 0 AND cause IN ('push', 'catch-up');
CREATE INDEX jobs_also_queued ON jobs (app, ref)
    WHERE state = 'queued' AND NOT (starts = 0 AND cause IN ('push', 'catch-up'));
CREATE UNIQUE INDEX jobs_one_per_change ON jobs (change, app) WHERE change IS NOT NULL AND cause IN ('push', 'catch-up');
CREATE INDEX jobs_queued ON jobs (id) WHERE state = 'queued';
CREATE INDEX jobs_by_app ON jobs (app, id);
CREATE INDEX jobs_verdicts ON jobs (app, ref, finished_at) WHERE came_to_verdict = 1;
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
CREATE INDEX jobs_ended ON jobs (state, id) WHERE finished_at IS NOT NULL AND state <> 'superseded';
CREATE INDEX jobs_ended_by_app ON jobs (app, state, id) WHERE finished_at IS NOT NULL AND state <> 'superseded';
CREATE TABLE reporting (
    app TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    status_key TEXT NOT NULL CHECK (length(status_key) BETWEEN 1 AND 40),
    status_name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
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
CREATE INDEX outbox_order ON outbox (account, commit_id, status_key, id) WHERE delivered_at IS NULL;
CREATE TABLE watched (
    app TEXT PRIMARY KEY,
    -- SHA-256 of the account, the repository and the patterns of refs. NULL: they were never compared.
    rules BLOB CHECK (length(rules) = 32),
    -- Changes accounted before are none of its business.
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE repository_names (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    -- The forge's own number or UUID.
    forge_id TEXT NOT NULL,
    name TEXT NOT NULL
) STRICT;
CREATE INDEX repository_names_by_name ON repository_names (account, name);
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
INSERT INTO grdb_migrations VALUES ('1');
INSERT INTO grdb_migrations VALUES ('2');
INSERT INTO grdb_migrations VALUES ('3');
INSERT INTO grdb_migrations VALUES ('4');
INSERT INTO grdb_migrations VALUES ('5');
INSERT INTO grdb_migrations VALUES ('6');
INSERT INTO grdb_migrations VALUES ('7');
INSERT INTO grdb_migrations VALUES ('8');
INSERT INTO refs VALUES (1, 'acme', 'acme/shop', 'refs/heads/main', 1);
INSERT INTO refs VALUES (2, 'acme', 'acme/shop', 'refs/tags/v1', NULL);
INSERT INTO holds VALUES ('shop', 1, 2, NULL, NULL);
INSERT INTO steps VALUES (2, 1, 0, 'fetch', 'succeeded', 0, NULL, 1, 2, NULL, NULL);
INSERT INTO steps VALUES (2, 1, 1, 'checkout', 'running', NULL, NULL, 2, NULL, NULL, NULL);
INSERT INTO steps VALUES (2, 1, 2, 'build', 'failed', 1, NULL, 2, 3, NULL, NULL);
INSERT INTO releases VALUES (2, 'shop', X'0000000000000000000000000000000000000000', '/srv/shop/2', 'building', 1, NULL, NULL, NULL);
INSERT INTO releases VALUES (4, 'shop', X'0000000000000000000000000000000000000000', '/srv/shop/4', 'live', 1, 2, NULL, NULL);
INSERT INTO deliveries VALUES (1, 'acme', NULL, 'r1', '::1', 1, 1, 202, NULL, NULL, X'0000000000000000000000000000000000000000000000000000000000000000', 5, NULL, X'AA2F64C121DCA9BBECC50193BBB97972', NULL, NULL);
INSERT INTO deliveries VALUES (2, 'acme', NULL, NULL, '::1', 2, 0, 401, 'no signature', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO deliveries VALUES (3, 'acme', NULL, 'r1', '::1', 3, 1, 200, NULL, NULL, X'0000000000000000000000000000000000000000000000000000000000000000', 5, 1, NULL, NULL, NULL);
INSERT INTO changes VALUES (1, 1, X'0000000000000000000000000000000000000000', X'0000000000000000000000000000000000000000000000000000000000000000', 1, 1, NULL);
INSERT INTO verdicts VALUES (1, 0, 1, 'refs/heads/main', X'0000000000000000000000000000000000000000', 'shop', 'queued', 1, NULL);
INSERT INTO verdicts VALUES (1, 1, 1, 'refs/heads/main', X'0000000000000000000000000000000000000000', NULL, 'ignored', NULL, 'no app');
INSERT INTO jobs VALUES (1, 'shop', 'acme/shop', 'refs/heads/main', X'0000000000000000000000000000000000000000', 'push', NULL, 1, 1, 'shop', 'queued', NULL, 0, 0, 1, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO jobs VALUES (2, 'shop', 'acme/shop', 'refs/heads/main', X'0000000000000000000000000000000000000000', 'push', NULL, NULL, NULL, 'shop', 'running', NULL, 1, 1, 1, 2, NULL, NULL, NULL, 0, 2, NULL, NULL, NULL, NULL, NULL);
INSERT INTO jobs VALUES (3, 'shop', 'acme/shop', 'refs/heads/main', X'0000000000000000000000000000000000000000', 'push', NULL, NULL, 1, 'shop', 'superseded', 'by 1', 0, 0, 1, NULL, 2, 1, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO jobs VALUES (4, 'shop', 'acme/shop', NULL, X'0000000000000000000000000000000000000000', 'manual', NULL, NULL, NULL, 'shop', 'succeeded', 'live', 1, 1, 1, 2, 3, NULL, NULL, 0, 4, NULL, NULL, NULL, NULL, NULL);
INSERT INTO notices VALUES (1, 4, 0, 'succeeded', 0);
INSERT INTO notices VALUES (2, 4, 1, 'recovered', 0);
INSERT INTO reporting VALUES ('shop', 'acme', 'k', 'shop on web1');
INSERT INTO outbox VALUES (1, 4, 'shop', 'acme', 'k', 'shop on web1', 'acme/shop', X'0000000000000000000000000000000000000000', NULL, 'succeeded', 1, 'live', 3, 0, NULL, NULL);
INSERT INTO watched VALUES ('shop', X'0000000000000000000000000000000000000000000000000000000000000000', 1);
INSERT INTO repository_names VALUES (1, 'acme', '{1}', 'acme/shop');
COMMIT;
