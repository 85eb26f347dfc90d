-- Records the deliveries of events, as mapped.
-- ?1: JSON array of {event_id, position, kind, metric, event_key, list_id, request, reason, reason_code, warnings}; ?2: the requests,
-- one after the other: `request` is [first byte, from 1; bytes] of it.
INSERT INTO delivery (event_id, generation, position, kind, metric, event_key, list_id, status, reason, reason_code,
                      warnings, request)
SELECT e.id, e.generation, j.value ->> 'position', j.value ->> 'kind', j.value ->> 'metric',
       j.value ->> 'event_key', j.value ->> 'list_id',
       iif(j.value ->> 'reason' IS NULL, 'pending', 'rejected'), j.value ->> 'reason', j.value ->> 'reason_code',
       j.value ->> 'warnings',
       CAST(substr(?2, j.value ->> '$.request[0]', j.value ->> '$.request[1]') AS TEXT)
FROM json_each(?1) AS j JOIN event AS e ON e.id = j.value ->> 'event_id'
RETURNING id, event_id, position;
