-- Records the results of attempts.
-- ?1: JSON array of {delivery_id, number, now_ms, outcome, http_status, error, request_id, profile_id, status, reason,
-- reason_code, request, note, counts, failed}: the outcome of the attempt and the new state of its delivery.
-- Returns a row for each attempt and each delivery that it changed.

UPDATE attempt
SET ended_ms = max(attempt.started_ms, j.value ->> 'now_ms'), http_status = j.value ->> 'http_status',
    outcome = j.value ->> 'outcome', error = j.value ->> 'error', request_id = j.value ->> 'request_id'
FROM json_each(?1) AS j
WHERE attempt.delivery_id = j.value ->> 'delivery_id' AND attempt.number = j.value ->> 'number'
  AND attempt.ended_ms IS NULL
RETURNING delivery_id;

UPDATE delivery
SET status = j.value ->> 'status',
    reason = j.value ->> 'reason', reason_code = j.value ->> 'reason_code',
    http_status = j.value ->> 'http_status',
    profile_id = coalesce(j.value ->> 'profile_id', profile_id),
    request = coalesce(j.value ->> 'request', request),
    warnings = iif(j.value ->> 'note' IS NULL, warnings, coalesce(warnings || char(10), '') || (j.value ->> 'note')),
    tries = tries + (j.value ->> 'counts'),
    failures = failures + (j.value ->> 'failed'),
    delivered_ms = iif(j.value ->> 'status' = 'delivered', j.value ->> 'now_ms', NULL)
FROM json_each(?1) AS j
WHERE delivery.id = j.value ->> 'delivery_id' AND delivery.status IN ('pending', 'unknown')
RETURNING id;

-- An import job is closed when none of its attempts is open.
UPDATE import_job SET ended_ms = max(began_ms, (SELECT max(j.value ->> 'now_ms') FROM json_each(?1) AS j))
WHERE ended_ms IS NULL
  AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.import_job = import_job.id AND a.ended_ms IS NULL);
