-- A rerun of what waited for somebody to act: what it is tested by is read again before its tests.
ALTER TABLE runs ADD COLUMN looks_again BOOLEAN NOT NULL DEFAULT FALSE;
