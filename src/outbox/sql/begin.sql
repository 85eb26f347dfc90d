-- Writes down that attempts begin, before anything is sent.
-- ?1: JSON array of {delivery_id, sent_to, now_ms, request, import_job, import_item}; request only where it is not frozen
-- yet, the last two only for those that go in one import job.

-- A key whose owner was refused for good is free again.
DELETE FROM sent_key
WHERE (sent_to, metric, event_key) IN
      (SELECT j.value ->> 'sent_to', d.metric, d.event_key
       FROM json_each(?1) AS j JOIN delivery AS d ON d.id = j.value ->> 'delivery_id'
       WHERE d.event_key IS NOT NULL)
  AND delivery_id IN (SELECT o.id FROM delivery AS o WHERE o.id = sent_key.delivery_id AND o.status = 'rejected');

INSERT INTO sent_key (sent_to, metric, event_key, delivery_id, at_ms)
SELECT j.value ->> 'sent_to', d.metric, d.event_key, d.id, j.value ->> 'now_ms'
FROM json_each(?1) AS j JOIN delivery AS d ON d.id = j.value ->> 'delivery_id'
WHERE d.event_key IS NOT NULL
ON CONFLICT DO NOTHING;

UPDATE delivery
SET sent_to = j.value ->> 'sent_to', request = coalesce(request, j.value ->> 'request')
FROM json_each(?1) AS j
WHERE delivery.id = j.value ->> 'delivery_id';

INSERT INTO attempt (delivery_id, number, started_ms, import_job, import_item)
SELECT d.id, 1 + (SELECT coalesce(max(a.number), 0) FROM attempt AS a WHERE a.delivery_id = d.id),
       j.value ->> 'now_ms', j.value ->> 'import_job', j.value ->> 'import_item'
FROM json_each(?1) AS j JOIN delivery AS d ON d.id = j.value ->> 'delivery_id'
LEFT JOIN sent_key AS k ON k.sent_to = d.sent_to AND k.metric = d.metric AND k.event_key = d.event_key
WHERE d.event_key IS NULL OR k.delivery_id = d.id;

-- The ledger's owner already delivered it, or its row is gone and only the ledger remembers.
UPDATE delivery
SET status = 'duplicate',
    reason = 'its `$event_id` was delivered before, by delivery ' || k.delivery_id
FROM json_each(?1) AS j, sent_key AS k
WHERE delivery.id = j.value ->> 'delivery_id'
  AND k.sent_to = delivery.sent_to AND k.metric = delivery.metric AND k.event_key = delivery.event_key
  AND k.delivery_id <> delivery.id
  AND NOT EXISTS (SELECT 1 FROM delivery AS o WHERE o.id = k.delivery_id AND o.status <> 'delivered');

SELECT d.id, d.status, k.delivery_id AS owner,
       (SELECT max(a.number) FROM attempt AS a WHERE a.delivery_id = d.id) AS number
FROM json_each(?1) AS j JOIN delivery AS d ON d.id = j.value ->> 'delivery_id'
LEFT JOIN sent_key AS k ON k.sent_to = d.sent_to AND k.metric = d.metric AND k.event_key = d.event_key
ORDER BY j.key;
