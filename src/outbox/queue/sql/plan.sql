-- Records the deliveries of events, as mapped.
-- ?1: JSON array of {event_id, position, kind, metric, event_key, list_id, request, refused, warnings}.
INSERT INTO delivery (event_id, generation, position, kind, metric, event_key, list_id, status, reason, warnings, request)
SELECT e.id, e.generation, j.value ->> 'position', j.value ->> 'kind', j.value ->> 'metric',
       j.value ->> 'event_key', j.value ->> 'list_id',
       iif(j.value ->> 'refused' IS NULL, 'pending', 'rejected'), j.value ->> 'refused',
       j.value ->> 'warnings', j.value ->> 'request'
FROM json_each(?1) AS j JOIN event AS e ON e.id = j.value ->> 'event_id'
RETURNING id, event_id, position;
