-- Gives events up for good and lets those behind them move up. What is in the air is left alone.
-- ?1: now, in ms; ?2: JSON array of event ids.

UPDATE event
SET status = 'dead', finished_ms = ?1, reason = 'discarded by an operator'
WHERE id IN (SELECT j.value FROM json_each(?2) AS j) AND finished_ms IS NULL AND in_air = 0;

DELETE FROM turn
WHERE event_id IN (SELECT e.id FROM json_each(?2) AS j JOIN event AS e ON e.id = j.value AND e.finished_ms IS NOT NULL);

UPDATE event
SET ahead = (SELECT count(*) FROM turn AS t
             WHERE t.event_id = event.id
               AND EXISTS (SELECT 1 FROM turn AS p WHERE p.identifier = t.identifier AND p.seq < t.seq))
WHERE id IN (SELECT (SELECT t.event_id FROM turn AS t WHERE t.identifier = i.identifier ORDER BY t.seq LIMIT 1)
             FROM json_each(?2) AS j JOIN event_identifier AS i ON i.event_id = j.value);
