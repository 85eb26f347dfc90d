-- Stores a batch of events, in order of arrival. ?1: JSON array of what is known of each; ?2: JSON array of
-- [payload, place of its envelope among those just stored, from 1] of each, apart so that the large texts are read once.
-- What comes from an archive says its generation, consent and backfill; what arrives is in its first generation.
-- A message whose id another has is left out: its number is simply never used. Their ids are stored before.
-- line_up.sql follows.

INSERT INTO event (id, source, message_id, type, name, profile, at_ms, received_ms, status, reason, queue_pos,
                   run_after_ms, generation, generation_ms, consent, backfill, finished_ms, order_id, traceparent)
SELECT m.event_id, m.source, m.message_id, j.value ->> 'type', j.value ->> 'name', j.value ->> 'profile',
       j.value ->> 'at_ms', m.received_ms,
       iif(j.value ->> 'refused' IS NULL, 'pending', 'dead'), j.value ->> 'refused', m.event_id,
       m.received_ms, coalesce(j.value ->> 'generation', 1), m.received_ms, coalesce(j.value ->> 'consent', 0),
       coalesce(j.value ->> 'backfill', 0), iif(j.value ->> 'refused' IS NULL, NULL, m.received_ms),
       j.value ->> 'order_id', j.value ->> 'traceparent'
FROM json_each(?1) AS j
JOIN message AS m
  ON m.source = j.value ->> 'source' AND m.message_id = j.value ->> 'message_id'
 AND m.event_id = (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key;

INSERT INTO payload (event_id, body, envelope_id)
SELECT e.id, j.value ->> 0, (SELECT value FROM counter WHERE name = 'last_envelope') + (j.value ->> 1)
FROM json_each(?2) AS j
JOIN event AS e ON e.id = (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key;

INSERT INTO event_identifier (event_id, identifier)
SELECT e.id, i.value
FROM json_each(?1) AS j
JOIN event AS e ON e.id = (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key
JOIN json_each(j.value, '$.identifiers') AS i;
