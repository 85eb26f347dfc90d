-- Retention: what it looks events up by, and what goes with an event when its row goes.

CREATE INDEX event_done ON event (finished_ms) WHERE status IN ('delivered', 'skipped');
DROP INDEX event_finished;
DROP INDEX event_dead;
CREATE INDEX event_dead ON event (finished_ms) WHERE status = 'dead';

-- Whoever removes an event, it is counted, so that `audit` adds up. An unfinished one has no such counter: its loss
-- shows as a difference. A message is known for as long as its event has a row.
CREATE TRIGGER trace_of_a_removed_event AFTER DELETE ON event BEGIN
    UPDATE counter SET value = value + 1 WHERE name = 'pruned_' || old.status;
    DELETE FROM message WHERE source = old.source AND message_id = old.message_id AND event_id = old.id;
END;

-- A `$event_id` is known for as long as the delivery that owns it has a row.
CREATE TRIGGER key_of_a_removed_delivery AFTER DELETE ON delivery BEGIN
    DELETE FROM sent_key
    WHERE sent_to = old.sent_to AND metric = old.metric AND event_key = old.event_key AND delivery_id = old.id;
END;

PRAGMA user_version = 5;
