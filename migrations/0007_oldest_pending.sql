-- The oldest event of each unfinished state, by one look-up: for a scrape of the metrics, however deep the backlog is and
-- however many events are held. The `backlog` view uses the index as before.

DROP INDEX event_unfinished;
CREATE INDEX event_unfinished ON event (status, received_ms) WHERE finished_ms IS NULL;

PRAGMA user_version = 7;
