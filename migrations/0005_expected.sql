-- Images that commits wait for, or waited for in vain. The run that comes of one takes over its id, and the row goes.
CREATE TABLE expected (
    id TEXT NOT NULL PRIMARY KEY,
    repo_id BIGINT NOT NULL REFERENCES repos (id),
    commit_sha TEXT NOT NULL,
    image TEXT NOT NULL,
    -- What sets its check apart from others of the image.
    suffix TEXT,
    -- Its status' context at GitHub.
    context TEXT NOT NULL,
    -- How the commit came to be.
    arrival TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    -- How the wait ended without an image.
    ended TEXT,
    ended_at BIGINT
);
CREATE INDEX expected_of_commit ON expected (repo_id, commit_sha, context);
CREATE INDEX expected_ended ON expected (ended_at) WHERE ended_at IS NOT NULL;

-- A check stands before its run does: no row of `runs` need be there.
CREATE TABLE checks_of_any (
    run_id TEXT NOT NULL PRIMARY KEY,
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
INSERT INTO checks_of_any (run_id, installation_id, wanted, sent, begun_at, github_id, shown, completed, failures,
    not_before, parked)
SELECT run_id, installation_id, wanted, sent, begun_at, github_id, shown, completed, failures, not_before, parked
FROM checks;
DROP TABLE checks;
ALTER TABLE checks_of_any RENAME TO checks;
CREATE INDEX checks_due ON checks (installation_id) WHERE sent < wanted AND parked IS NULL;
