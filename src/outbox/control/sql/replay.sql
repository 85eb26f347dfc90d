-- Starts a new generation of finished events, behind all waiting events, in the order of ?2. An event that still has
-- queue entries (it finished with hold) keeps its position. An erased event is not changed: it has no payload to send.
-- ?1: now, in ms; ?2: JSON array of event ids in order; ?3: consent, ?4: backfill, ?5: as_sent, ?6: again, 1 or 0 each.
-- Returns the ids of the replayed events.

UPDATE event
SET status = 'pending', reason = NULL, reason_code = NULL, copy_of = NULL, finished_ms = NULL, active = 0,
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
