-- Repairs what the last daemon left open: requests in flight become `unknown`, and their events can be claimed again.
-- Requests in an open import job stay unchanged: Klaviyo may still process the job, and the daemon requests its state
-- before it sends anything of the same people.
-- ?1: now, in ms.

UPDATE delivery
SET status = 'unknown', reason_code = 'interrupted',
    reason = 'the answer never came: the daemon ended while it was in flight'
WHERE status IN ('pending', 'unknown')
  AND id IN (SELECT a.delivery_id FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
             JOIN event AS e ON e.id = d.event_id
             WHERE a.ended_ms IS NULL
               AND NOT (e.active = 1 AND EXISTS (SELECT 1 FROM import_job AS o
                                                 WHERE o.id = a.import_job AND o.ended_ms IS NULL)));

UPDATE attempt
SET ended_ms = max(started_ms, ?1), outcome = 'unknown',
    error = 'the daemon ended while the request was in flight'
WHERE ended_ms IS NULL
  AND NOT EXISTS (SELECT 1 FROM import_job AS o JOIN delivery AS d ON d.id = attempt.delivery_id
                  JOIN event AS e ON e.id = d.event_id
                  WHERE o.id = attempt.import_job AND o.ended_ms IS NULL
                    AND e.active = 1 AND d.status IN ('pending', 'unknown'));

-- The attempts that are still open are in an open import job.
UPDATE event SET active = 0
WHERE active = 1
  AND NOT EXISTS (SELECT 1 FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
                  WHERE d.event_id = event.id AND a.ended_ms IS NULL);

UPDATE event SET parked = NULL, run_after_ms = min(run_after_ms, ?1) WHERE parked IS NOT NULL;

UPDATE import_job SET ended_ms = max(began_ms, ?1)
WHERE ended_ms IS NULL
  AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.import_job = import_job.id AND a.ended_ms IS NULL);

-- A new process counts its 429s from 0.
UPDATE counter SET value = 0 WHERE name = 'rollup_429s';
