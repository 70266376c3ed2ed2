-- Images whose tags are compared with their registry from time to time, for webhooks that never came.
CREATE TABLE watched_images (
    image TEXT NOT NULL PRIMARY KEY,
    -- Since when: what was there before is no missed push.
    since BIGINT NOT NULL
);

-- What each tag meant when the registry was asked last. NULL: it was not asked yet.
CREATE TABLE watched_tags (
    image TEXT NOT NULL REFERENCES watched_images (image) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    digest TEXT,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (image, tag)
);
CREATE INDEX watched_tags_asked ON watched_tags (image, asked_at);
-- The newest push of a tag.
CREATE INDEX pushes_of_tag ON pushes (image, tag, resolved_at);
