-- What `.github/hubcheck.yml` says on the default branch of each repository that the App reaches.
CREATE TABLE declarations (
    repo_id BIGINT NOT NULL PRIMARY KEY REFERENCES repos (id),
    -- The last text that could be read; NULL: there is no file, or none could ever be read.
    good TEXT,
    -- What is wrong with the file that stands there now.
    problem TEXT,
    -- By which GitHub tells whether it changed.
    etag TEXT,
    read_at BIGINT NOT NULL
);

-- The images that it names: `docker.io/acme/app`, `docker.io/acme/*`.
CREATE TABLE declared_images (
    pattern TEXT NOT NULL,
    repo_id BIGINT NOT NULL REFERENCES declarations (repo_id) ON DELETE CASCADE,
    PRIMARY KEY (pattern, repo_id)
);
CREATE INDEX declared_images_of_repo ON declared_images (repo_id);

-- How a run is judged and told; a run from before it is judged as if its repository said nothing.
ALTER TABLE runs ADD COLUMN policy TEXT NOT NULL DEFAULT '{}';

-- What the tag meant: an index, where there is one. NULL: the run's own digest.
ALTER TABLE runs ADD COLUMN pushed TEXT;
-- What the tests came to, while the commit is not known well enough for a verdict and a signature may still come.
ALTER TABLE runs ADD COLUMN tests TEXT;
