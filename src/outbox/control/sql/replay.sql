-- Starts a new generation for finished events: behind all that wait, in their order of arrival among themselves. One that
-- held its lines still has its place there, and keeps it. One that was erased stays as it is: there is nothing to send.
-- ?1: now, in ms; ?2: JSON array of event ids in order; ?3: consent, ?4: backfill, ?5: as sent, ?6: again,
-- 1 or 0 each. Answers those that it replays.

UPDATE event
SET status = 'pending', reason = NULL, copy_of = NULL, finished_ms = NULL, active = 0,
    queue_pos = iif(EXISTS (SELECT 1 FROM queue_entry AS t WHERE t.event_id = event.id), queue_pos,
              (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key),
    generation = generation + 1, generation_ms = ?1, run_after_ms = ?1, consent = ?3, backfill = ?4, as_sent = ?5, again = ?6
FROM json_each(?2) AS j
WHERE event.id = j.value AND event.finished_ms IS NOT NULL
  AND EXISTS (SELECT 1 FROM payload AS p WHERE p.event_id = event.id)
RETURNING id;

INSERT INTO queue_entry (identifier, queue_pos, event_id)
SELECT i.identifier, e.queue_pos, e.id
FROM json_each(?2) AS j
JOIN event AS e ON e.id = j.value AND e.finished_ms IS NULL
JOIN event_identifier AS i ON i.event_id = e.id
WHERE true
ON CONFLICT DO NOTHING;

UPDATE event
SET blocked_by = (SELECT count(*) FROM queue_entry AS t
             WHERE t.event_id = event.id
               AND EXISTS (SELECT 1 FROM queue_entry AS p WHERE p.identifier = t.identifier AND p.queue_pos < t.queue_pos))
WHERE id IN (SELECT j.value FROM json_each(?2) AS j) AND finished_ms IS NULL;

UPDATE counter SET value = value + json_array_length(?2) WHERE name = 'last_id';
