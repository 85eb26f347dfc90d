-- Finishes events and removes their queue entries, so that the events behind them move up.
-- ?1: JSON array of {event_id, status, reason, reason_code, copy_of, hold, now_ms}. An event with hold = 1 keeps its queue entries.

UPDATE event
SET status = j.value ->> 'status', reason = j.value ->> 'reason',
    reason_code = j.value ->> 'reason_code', copy_of = j.value ->> 'copy_of',
    finished_ms = j.value ->> 'now_ms', active = 0
FROM json_each(?1) AS j
WHERE event.id = j.value ->> 'event_id' AND event.finished_ms IS NULL;

DELETE FROM queue_entry
WHERE event_id IN (SELECT j.value ->> 'event_id' FROM json_each(?1) AS j WHERE j.value ->> 'hold' = 0);

-- Computes blocked_by again for each event that is now first in a queue of one of them.
UPDATE event
SET blocked_by = (SELECT count(*) FROM queue_entry AS t
             WHERE t.event_id = event.id
               AND EXISTS (SELECT 1 FROM queue_entry AS p WHERE p.identifier = t.identifier AND p.queue_pos < t.queue_pos))
WHERE id IN (SELECT (SELECT t.event_id FROM queue_entry AS t WHERE t.identifier = i.identifier ORDER BY t.queue_pos LIMIT 1)
             FROM json_each(?1) AS j JOIN event_identifier AS i ON i.event_id = j.value ->> 'event_id');
