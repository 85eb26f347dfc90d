-- Stores a batch of events, in order of arrival. The caller has stored their message ids before; enqueue.sql follows.
-- ?1: JSON array of the events without their texts; ?2: JSON array of [first byte of its payload in ?3, from 1; bytes of
-- it; position of its envelope among those just stored, from 1] of each; ?3: the payloads, one after the other.
-- Events from an archive have their own generation, consent and backfill; other events start in generation 1.
-- An event whose message id is already in use is not stored: its number is never used.

INSERT INTO event (id, source, message_id, type, name, profile, at_ms, received_ms, status, reason, reason_code,
                   queue_pos, run_after_ms, generation, generation_ms, consent, backfill, finished_ms, order_id, traceparent)
SELECT m.event_id, m.source, m.message_id, j.value ->> 'type', j.value ->> 'name', j.value ->> 'profile',
       j.value ->> 'at_ms', m.received_ms,
       iif(j.value ->> 'reason' IS NULL, 'pending', 'dead'), j.value ->> 'reason', j.value ->> 'reason_code', m.event_id,
       m.received_ms, coalesce(j.value ->> 'generation', 1), m.received_ms, coalesce(j.value ->> 'consent', 0),
       coalesce(j.value ->> 'backfill', 0), iif(j.value ->> 'reason' IS NULL, NULL, m.received_ms),
       j.value ->> 'order_id', j.value ->> 'traceparent'
FROM json_each(?1) AS j
JOIN message AS m
  ON m.source = j.value ->> 'source' AND m.message_id = j.value ->> 'message_id'
 AND m.event_id = (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key;

INSERT INTO payload (event_id, body, envelope_id)
SELECT e.id, CAST(substr(?3, j.value ->> 0, j.value ->> 1) AS TEXT),
       (SELECT value FROM counter WHERE name = 'last_envelope') + (j.value ->> 2)
FROM json_each(?2) AS j
JOIN event AS e ON e.id = (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key;

INSERT INTO event_identifier (event_id, identifier)
SELECT e.id, i.value
FROM json_each(?1) AS j
JOIN event AS e ON e.id = (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key
JOIN json_each(j.value, '$.identifiers') AS i;
