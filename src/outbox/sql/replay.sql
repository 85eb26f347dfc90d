-- Starts a new cycle for finished events: behind all that wait, in their order of arrival among themselves. One that
-- held its lines still has its place there, and keeps it. One that was erased stays as it is: there is nothing to send.
-- ?1: now, in ms; ?2: JSON array of event ids in order; ?3: consent, ?4: backfill, ?5: as sent, ?6: again,
-- 1 or 0 each.

UPDATE event
SET status = 'pending', reason = NULL, copy_of = NULL, finished_ms = NULL, in_air = 0,
    seq = iif(EXISTS (SELECT 1 FROM turn AS t WHERE t.event_id = event.id), seq,
              (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key),
    cycle = cycle + 1, cycle_ms = ?1, due_ms = ?1, consent = ?3, backfill = ?4, as_sent = ?5, again = ?6
FROM json_each(?2) AS j
WHERE event.id = j.value AND event.finished_ms IS NOT NULL
  AND EXISTS (SELECT 1 FROM payload AS p WHERE p.event_id = event.id);

INSERT INTO turn (identifier, seq, event_id)
SELECT i.identifier, e.seq, e.id
FROM json_each(?2) AS j
JOIN event AS e ON e.id = j.value AND e.finished_ms IS NULL
JOIN event_identifier AS i ON i.event_id = e.id
WHERE true
ON CONFLICT DO NOTHING;

UPDATE event
SET ahead = (SELECT count(*) FROM turn AS t
             WHERE t.event_id = event.id
               AND EXISTS (SELECT 1 FROM turn AS p WHERE p.identifier = t.identifier AND p.seq < t.seq))
WHERE id IN (SELECT j.value FROM json_each(?2) AS j) AND finished_ms IS NULL;

UPDATE counter SET value = value + json_array_length(?2) WHERE name = 'last_id';
