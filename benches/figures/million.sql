-- Multiplies the one finished run of a store, with all that belongs to it, until there are :runs more: a
-- hundred repositories, over ninety days. Each brings an event of GitHub's with an id of its own as well.
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -1000000;
BEGIN;

INSERT INTO repos (id, name, private, default_branch, installation_id)
SELECT id + value, name || '-' || value, private, default_branch, installation_id
FROM repos, generate_series(1, 99) WHERE id = (SELECT repo_id FROM runs);

-- What is there now is the model; ids keep its time and count on.
CREATE TEMP TABLE model AS
SELECT r.id AS run, r.delivery_id AS delivery, p.id AS push,
    substr(r.id, 1, 24) AS run_prefix, substr(r.delivery_id, 1, 24) AS delivery_prefix, substr(p.id, 1, 24) AS push_prefix,
    r.created_at - 7776000000 AS oldest, 7776000000 / :runs AS apart
FROM runs AS r JOIN pushes AS p ON p.delivery_id = r.delivery_id;

INSERT INTO deliveries (id, sender, event, event_id, body, decision, reason, received_at)
SELECT delivery_prefix || printf('%012x', 2 * value), sender, event, event_id, body, decision, reason, oldest + value * apart
FROM generate_series(1, :runs), model JOIN deliveries AS d ON d.id = delivery;

INSERT INTO deliveries (id, sender, event, event_id, body, decision, reason, received_at)
SELECT delivery_prefix || printf('%012x', 2 * value + 1), 'github', 'check_suite', lower(hex(randomblob(16))),
    '{"Other":{"event":"check_suite","action":"requested"}}', 'ignored',
    'check_suite.requested is nothing that is acted on', oldest + value * apart
FROM generate_series(1, :runs), model;

INSERT INTO runs (id, repo_id, image, digest, platform, commit_sha, plan_fingerprint, attempt, image_private, evidence,
    binding, claims, plan, context, stage, verdict, outcome, delivery_id, created_at, started_at, finished_at)
SELECT run_prefix || printf('%012x', value), repo_id + value % 100, image, 'sha256:' || lower(hex(randomblob(32))), platform,
    lower(hex(randomblob(20))), plan_fingerprint, attempt, image_private, evidence, binding, claims, plan, context, stage,
    verdict, outcome, delivery_prefix || printf('%012x', 2 * value), oldest + value * apart,
    oldest + value * apart + started_at - created_at, oldest + value * apart + finished_at - created_at
FROM generate_series(1, :runs), model JOIN runs AS r ON r.id = run;

INSERT INTO pushes (id, delivery_id, image, tag, digest, resolved_at, stage, reason, run_id, due_at, received_at)
SELECT push_prefix || printf('%012x', value), delivery_prefix || printf('%012x', 2 * value), image, tag, digest,
    oldest + value * apart, stage, reason, run_prefix || printf('%012x', value), oldest + value * apart,
    oldest + value * apart
FROM generate_series(1, :runs), model JOIN pushes AS p ON p.id = push;

INSERT INTO run_tags (run_id, tag, seen_at)
SELECT run_prefix || printf('%012x', value), tag, oldest + value * apart
FROM generate_series(1, :runs), model JOIN run_tags AS t ON t.run_id = run;

INSERT INTO run_events (run_id, seq, at, what)
SELECT run_prefix || printf('%012x', value), seq, oldest + value * apart, what
FROM generate_series(1, :runs), model JOIN run_events AS e ON e.run_id = run;

INSERT INTO logs (run_id, seq, bytes)
SELECT run_prefix || printf('%012x', value), seq, bytes
FROM generate_series(1, :runs), model JOIN logs AS l ON l.run_id = run;

INSERT INTO checks (run_id, installation_id, wanted, sent, begun_at, github_id, shown, completed)
SELECT run_prefix || printf('%012x', value), installation_id, wanted, sent, begun_at, github_id + value, shown, completed
FROM generate_series(1, :runs), model JOIN checks AS c ON c.run_id = run;

INSERT INTO statuses (repo_id, commit_sha, context, run_id, installation_id, wanted, sent, begun_at, shown)
SELECT r.repo_id, r.commit_sha, r.context, r.id, s.installation_id, s.wanted, s.sent, s.begun_at, s.shown
FROM runs AS r, model JOIN statuses AS s ON s.run_id = run WHERE r.id <> run;

COMMIT;
PRAGMA journal_mode = WAL;
