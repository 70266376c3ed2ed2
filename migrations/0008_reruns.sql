-- The run that somebody asked for again, of a push that is looked at once more for it.
ALTER TABLE pushes ADD COLUMN rerun_of TEXT;
