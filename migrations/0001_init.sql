-- One text for SQLite and PostgreSQL: ids are UUIDv7 as TEXT, times are unix milliseconds, JSON is TEXT.

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Webhook requests as they arrived: a registry's body whole, of GitHub's the fields in use.
CREATE TABLE deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    sender TEXT NOT NULL,
    event TEXT NOT NULL,
    event_id TEXT,
    body TEXT NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX deliveries_event ON deliveries (sender, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX deliveries_received ON deliveries (received_at);

-- Repositories as GitHub described them last.
CREATE TABLE repos (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    private BOOLEAN NOT NULL,
    default_branch TEXT NOT NULL,
    installation_id BIGINT NOT NULL
);

-- One plan against one digest for one commit.
CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    repo_id BIGINT NOT NULL REFERENCES repos (id),
    image TEXT NOT NULL,
    digest TEXT NOT NULL,
    platform TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    plan_fingerprint TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    image_private BOOLEAN NOT NULL,
    evidence TEXT NOT NULL,
    binding TEXT NOT NULL,
    claims TEXT NOT NULL,
    plan TEXT NOT NULL,
    -- The status' context at GitHub.
    context TEXT NOT NULL,
    stage TEXT NOT NULL,
    verdict TEXT,
    outcome TEXT,
    trouble TEXT,
    trouble_since BIGINT,
    superseded_by TEXT,
    delivery_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    UNIQUE (repo_id, image, digest, platform, commit_sha, plan_fingerprint, attempt)
);
CREATE INDEX runs_of_repo ON runs (repo_id, id);
CREATE INDEX runs_of_commit ON runs (repo_id, commit_sha, image, platform);
CREATE INDEX runs_of_delivery ON runs (delivery_id);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;

-- The tags under which a run's digest was seen, and the run that took each over.
CREATE TABLE run_tags (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    superseded_by TEXT,
    PRIMARY KEY (run_id, tag)
);

-- What happened to a run, for its page.
CREATE TABLE run_events (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- What the steps printed, in bounded, compressed chunks.
CREATE TABLE logs (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- What a delivery speaks of; the stages before a commit is known live here.
CREATE TABLE pushes (
    id TEXT NOT NULL PRIMARY KEY,
    delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT,
    resolved_at BIGINT,
    -- Since when something stands in its way.
    waits_since BIGINT,
    -- When it is to be looked at next.
    due_at BIGINT NOT NULL,
    stage TEXT NOT NULL,
    reason TEXT,
    run_id TEXT,
    received_at BIGINT NOT NULL
);
CREATE INDEX pushes_of_delivery ON pushes (delivery_id);
CREATE INDEX pushes_open ON pushes (image, tag, due_at) WHERE stage = 'received';

-- What GitHub should show for a run: `wanted` rises with every change, `sent` follows it.
CREATE TABLE checks (
    run_id TEXT NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    installation_id BIGINT NOT NULL,
    wanted BIGINT NOT NULL,
    sent BIGINT NOT NULL DEFAULT 0,
    -- A create was begun: until an id stands beside it, its outcome is unknown.
    begun_at BIGINT,
    github_id BIGINT,
    -- A fingerprint of what was sent last.
    shown TEXT,
    -- What was sent last is the end: it is never reopened.
    completed BOOLEAN NOT NULL DEFAULT FALSE,
    failures BIGINT NOT NULL DEFAULT 0,
    -- After a failure of its own: when it may be sent again.
    not_before BIGINT NOT NULL DEFAULT 0,
    -- Given up, and why.
    parked TEXT
);
CREATE INDEX checks_due ON checks (installation_id) WHERE sent < wanted AND parked IS NULL;

-- One per context on a commit, owned by the newest run.
CREATE TABLE statuses (
    repo_id BIGINT NOT NULL,
    commit_sha TEXT NOT NULL,
    context TEXT NOT NULL,
    run_id TEXT NOT NULL,
    installation_id BIGINT NOT NULL,
    wanted BIGINT NOT NULL,
    sent BIGINT NOT NULL DEFAULT 0,
    begun_at BIGINT,
    -- A fingerprint of what was sent last.
    shown TEXT,
    failures BIGINT NOT NULL DEFAULT 0,
    -- After a failure of its own: when it may be sent again.
    not_before BIGINT NOT NULL DEFAULT 0,
    -- Given up, and why.
    parked TEXT,
    PRIMARY KEY (repo_id, commit_sha, context)
);
CREATE INDEX statuses_due ON statuses (installation_id) WHERE sent < wanted AND parked IS NULL;
CREATE INDEX statuses_of_run ON statuses (run_id);

-- The queue. What must not overlap is one job: one for a tag, for a run, for an installation.
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- The fencing token: rises with every claim, never falls.
    attempts BIGINT NOT NULL DEFAULT 0,
    -- Claims since the job last got anywhere: bounded.
    tries BIGINT NOT NULL DEFAULT 0,
    -- Retries that the job itself asked for: they space the next one.
    retries BIGINT NOT NULL DEFAULT 0,
    -- When it may be claimed; of a leased one, when the lease ends.
    run_at BIGINT NOT NULL,
    owner TEXT,
    -- Woken while leased: to be done once more.
    again BOOLEAN NOT NULL DEFAULT FALSE,
    done_at BIGINT,
    parked BOOLEAN NOT NULL DEFAULT FALSE,
    error TEXT,
    UNIQUE (kind, subject)
);
CREATE INDEX jobs_ready ON jobs (kind, run_at, id) WHERE done_at IS NULL;
CREATE INDEX jobs_done ON jobs (done_at) WHERE done_at IS NOT NULL;

-- Images that an Engine, by its own id, holds because of us.
CREATE TABLE images (
    engine TEXT NOT NULL,
    digest TEXT NOT NULL,
    reference TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (engine, digest)
);
