-- What the next digest of the tag is compared with: size, layers, settings. NULL: not known.
ALTER TABLE runs ADD COLUMN image_facts TEXT;
-- The runs before one, of the same image for the same repository.
CREATE INDEX runs_of_image ON runs (repo_id, image, platform, id);
