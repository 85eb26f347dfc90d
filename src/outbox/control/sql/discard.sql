-- Makes unfinished events dead, so that the events behind them move up. An active event without a request in flight is
-- taken from the daemon; one with a request in flight is not changed.
-- ?1: now, in ms; ?2: JSON array of event ids. Returns the ids of those that are finished now.

UPDATE event
SET status = 'dead', finished_ms = ?1, reason_code = 'discarded', reason = 'discarded by an operator', active = 0
WHERE id IN (SELECT j.value FROM json_each(?2) AS j) AND finished_ms IS NULL
  AND NOT (active = 1 AND EXISTS (SELECT 1 FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
                                  WHERE d.event_id = event.id AND a.ended_ms IS NULL));

DELETE FROM queue_entry
WHERE event_id IN (SELECT e.id FROM json_each(?2) AS j JOIN event AS e ON e.id = j.value AND e.finished_ms IS NOT NULL);

UPDATE event
SET blocked_by = (SELECT count(*) FROM queue_entry AS t
             WHERE t.event_id = event.id
               AND EXISTS (SELECT 1 FROM queue_entry AS p WHERE p.identifier = t.identifier AND p.queue_pos < t.queue_pos))
WHERE id IN (SELECT (SELECT t.event_id FROM queue_entry AS t WHERE t.identifier = i.identifier ORDER BY t.queue_pos LIMIT 1)
             FROM json_each(?2) AS j JOIN event_identifier AS i ON i.event_id = j.value);

SELECT e.id FROM json_each(?2) AS j JOIN event AS e ON e.id = j.value AND e.finished_ms IS NOT NULL AND ?1 IS NOT NULL;
