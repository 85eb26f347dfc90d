-- Removes all personal data from finished events. Their rows stay, so that the counts add up. The message ids stay, so
-- that the same call is recognised. The `$event_id`s stay, but without an identifier of a person.
-- ?1: JSON array of event ids.

UPDATE attempt SET error = 'erased'
WHERE error IS NOT NULL
  AND delivery_id IN (SELECT d.id FROM json_each(?1) AS j JOIN delivery AS d ON d.event_id = j.value);

UPDATE delivery
SET request = NULL, profile_id = NULL, warnings = NULL, reason = iif(reason IS NULL, NULL, 'erased'),
    reason_code = iif(reason IS NULL, NULL, 'erased')
WHERE event_id IN (SELECT j.value FROM json_each(?1) AS j);

UPDATE OR REPLACE dedup_key SET person = 'erased:' || delivery_id
WHERE (sent_to, metric, event_key, delivery_id) IN
      (SELECT d.sent_to, d.metric, d.event_key, d.id FROM json_each(?1) AS j JOIN delivery AS d ON d.event_id = j.value);

DELETE FROM payload WHERE event_id IN (SELECT j.value FROM json_each(?1) AS j);

DELETE FROM event_identifier WHERE event_id IN (SELECT j.value FROM json_each(?1) AS j);

-- The fingerprint would let a reader verify a guess about the person of a message.
UPDATE message SET fingerprint = NULL
WHERE (source, message_id) IN (SELECT e.source, e.message_id FROM json_each(?1) AS j JOIN event AS e ON e.id = j.value);

UPDATE event
SET profile = NULL, order_id = NULL, reason = iif(reason IS NULL, NULL, 'erased'),
    reason_code = iif(reason IS NULL, NULL, 'erased')
WHERE id IN (SELECT j.value FROM json_each(?1) AS j);
