-- Closes the open attempts of events whose results the daemon could not record: they become unknown.
-- ?1: JSON array of {event_id, now_ms}.

UPDATE delivery SET status = 'unknown', reason_code = 'not_recorded', reason = 'its result could not be recorded'
WHERE status IN ('pending', 'unknown')
  AND id IN (SELECT d.id FROM json_each(?1) AS j JOIN delivery AS d ON d.event_id = j.value ->> 'event_id'
             JOIN attempt AS a ON a.delivery_id = d.id WHERE a.ended_ms IS NULL);

UPDATE attempt
SET ended_ms = max(started_ms, (SELECT max(j.value ->> 'now_ms') FROM json_each(?1) AS j)), outcome = 'unknown',
    error = 'its result could not be recorded'
WHERE ended_ms IS NULL
  AND delivery_id IN (SELECT d.id FROM json_each(?1) AS j JOIN delivery AS d ON d.event_id = j.value ->> 'event_id');

-- An import job is closed when none of its attempts is open.
UPDATE import_job SET ended_ms = max(began_ms, (SELECT max(j.value ->> 'now_ms') FROM json_each(?1) AS j))
WHERE ended_ms IS NULL
  AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.import_job = import_job.id AND a.ended_ms IS NULL);
