-- Records that attempts start, before anything is sent.
-- ?1: JSON array of {delivery_id, sent_to, now_ms, request, import_job, import_item}; request only if it is not frozen
-- yet, the last two only for attempts in an import job.

UPDATE delivery
SET sent_to = j.value ->> 'sent_to', request = coalesce(request, j.value ->> 'request')
FROM json_each(?1) AS j
WHERE delivery.id = j.value ->> 'delivery_id';

-- A request that an earlier generation delivered to the same destination with an identical body is a duplicate, unless
-- the replay has `again`. The list changes after it need the profile id from that answer.
UPDATE delivery
SET status = 'duplicate', copy_of = e.id, profile_id = f.profile_id,
    reason_code = 'delivered_before',
    reason = 'delivered before, in generation ' || f.generation || ' of this event: `replay --again` sends it again'
FROM json_each(?1) AS j, event AS e, delivery AS f
WHERE delivery.id = j.value ->> 'delivery_id' AND e.id = delivery.event_id AND e.again = 0
  AND f.event_id = e.id AND f.generation < delivery.generation AND f.status = 'delivered'
  AND f.sent_to = delivery.sent_to AND f.kind = delivery.kind AND f.list_id IS delivery.list_id
  AND f.request = delivery.request
  AND (f.profile_id IS NOT NULL OR f.kind <> 'profile'
       OR NOT EXISTS (SELECT 1 FROM delivery AS l WHERE l.event_id = e.id AND l.generation = delivery.generation
                      AND l.kind IN ('list_add', 'list_remove', 'deletion')));

-- A dedup_key is free again if its owner will never deliver it: the delivery was rejected, its event is finished, or a
-- later generation of its event has begun. A replay with `again` also takes the keys that an earlier generation
-- delivered.
DELETE FROM dedup_key
WHERE (sent_to, metric, event_key) IN
      (SELECT d.sent_to, d.metric, d.event_key
       FROM json_each(?1) AS j JOIN delivery AS d ON d.id = j.value ->> 'delivery_id'
       WHERE d.event_key IS NOT NULL)
  AND EXISTS (SELECT 1 FROM delivery AS o JOIN event AS e ON e.id = o.event_id
              WHERE o.id = dedup_key.delivery_id
                AND (o.status = 'rejected' OR (o.generation < e.generation AND e.again = 1)
                     OR (o.status <> 'delivered' AND (e.finished_ms IS NOT NULL OR o.generation < e.generation))));

INSERT INTO dedup_key (sent_to, metric, event_key, person, delivery_id, at_ms)
SELECT d.sent_to, d.metric, d.event_key, p.person, d.id, j.value ->> 'now_ms'
FROM json_each(?1) AS j JOIN delivery AS d ON d.id = j.value ->> 'delivery_id'
JOIN delivery_people AS p ON p.delivery_id = d.id
WHERE d.status IN ('pending', 'unknown')
ON CONFLICT DO NOTHING;

-- A copy: another delivery owns the key for one of its identifiers. If that owner was delivered, this one is
-- not sent.
UPDATE delivery
SET status = 'duplicate', copy_of = o.event_id,
    reason_code = 'event_id_delivered',
    reason = 'its `$event_id` was delivered before for this person, by event ' || o.event_id
FROM json_each(?1) AS j, delivery_people AS p, dedup_key AS k, delivery AS o
WHERE delivery.id = j.value ->> 'delivery_id' AND delivery.status IN ('pending', 'unknown')
  AND p.delivery_id = delivery.id
  AND k.sent_to = delivery.sent_to AND k.metric = delivery.metric AND k.event_key = delivery.event_key
  AND k.person = p.person AND k.delivery_id <> delivery.id
  AND o.id = k.delivery_id AND o.status = 'delivered';

-- A delivery that is a copy, or that has to wait for the owner of a key, owns no keys in the meantime: two deliveries
-- that wait for each other would wait forever.
DELETE FROM dedup_key
WHERE (sent_to, metric, event_key, delivery_id) IN
      (SELECT d.sent_to, d.metric, d.event_key, d.id
       FROM json_each(?1) AS j JOIN delivery AS d ON d.id = j.value ->> 'delivery_id'
       JOIN delivery_people AS p ON p.delivery_id = d.id
       JOIN dedup_key AS k ON k.sent_to = d.sent_to AND k.metric = d.metric AND k.event_key = d.event_key
        AND k.person = p.person
       WHERE k.delivery_id <> d.id);

INSERT INTO attempt (delivery_id, number, started_ms, import_job, import_item)
SELECT d.id, 1 + (SELECT coalesce(max(a.number), 0) FROM attempt AS a WHERE a.delivery_id = d.id),
       j.value ->> 'now_ms', j.value ->> 'import_job', j.value ->> 'import_item'
FROM json_each(?1) AS j JOIN delivery AS d ON d.id = j.value ->> 'delivery_id'
WHERE d.status IN ('pending', 'unknown')
  AND (d.event_key IS NULL
       OR EXISTS (SELECT 1 FROM dedup_key AS k WHERE k.sent_to = d.sent_to AND k.metric = d.metric
                  AND k.event_key = d.event_key AND k.delivery_id = d.id));

SELECT d.id, d.status, d.copy_of, d.profile_id,
       (SELECT max(a.number) FROM attempt AS a WHERE a.delivery_id = d.id AND a.ended_ms IS NULL) AS number
FROM json_each(?1) AS j JOIN delivery AS d ON d.id = j.value ->> 'delivery_id'
ORDER BY j.key;
