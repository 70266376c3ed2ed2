-- What each installation was asked for at GitHub, by slices of ten seconds: GitHub's budgets are of the last minute
-- and of the last hour, and replicas share them.
CREATE TABLE github_budget (
    installation_id BIGINT NOT NULL,
    slice BIGINT NOT NULL,
    points BIGINT NOT NULL,
    writes BIGINT NOT NULL,
    PRIMARY KEY (installation_id, slice)
);

-- How many checks have yet to say how they end decides who may speak.
CREATE INDEX checks_unfinished ON checks (installation_id) WHERE NOT completed AND parked IS NULL;

-- Until when GitHub wants to hear nothing of an installation: a limit was met that names its time.
CREATE TABLE github_closed (
    installation_id BIGINT PRIMARY KEY,
    closed_until BIGINT NOT NULL
);
