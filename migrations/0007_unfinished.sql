-- What has not ended is looked through every minute.
CREATE INDEX runs_unfinished ON runs (stage) WHERE stage <> 'finished';
CREATE INDEX expected_open ON expected (until) WHERE ended IS NULL;
