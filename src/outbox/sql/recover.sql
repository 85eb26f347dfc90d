-- What the last daemon left when it ended without finishing: requests in the air become `unknown`, their events
-- may be taken again. ?1: now, in ms.

UPDATE delivery SET status = 'unknown', reason = 'the answer never came: the daemon ended while it was in the air'
WHERE status IN ('pending', 'unknown')
  AND id IN (SELECT delivery_id FROM attempt WHERE ended_ms IS NULL);

UPDATE attempt
SET ended_ms = max(started_ms, ?1), outcome = 'unknown',
    error = 'the daemon ended while the request was in the air'
WHERE ended_ms IS NULL;

UPDATE event SET in_air = 0 WHERE in_air = 1;
UPDATE event SET parked = NULL, due_ms = min(due_ms, ?1) WHERE parked IS NOT NULL;

-- A new process counts its 429s from 0.
UPDATE chronicle SET throttled = 0 WHERE id = 1;
