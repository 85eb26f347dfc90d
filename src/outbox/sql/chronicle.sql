-- Writes minutes down. What comes late to a minute that is written down is added to
-- it; what ended in it is counted anew each time, and the larger count is right: a replay takes from it, and so does
-- retention.
-- ?1: JSON object of minutes: [{minute_ms, came, done, died, throttled, half_ms, most_ms}], sources: [{minute_ms, source,
-- came}], pending: how many wait now, oldest_ms: when the oldest of them had come, base_ms: in minutes from this on,
-- now_ms, last_id: the last event counted, throttled: the 429s that the process has counted. One parameter: sqlx counts those that a statement leaves out.

INSERT INTO minute (minute_ms, came, done, died, throttled, pending, half_ms, most_ms)
SELECT j.value ->> 'minute_ms', j.value ->> 'came', j.value ->> 'done', j.value ->> 'died', j.value ->> 'throttled',
       ?1 ->> 'pending', j.value ->> 'half_ms', j.value ->> 'most_ms'
FROM json_each(?1, '$.minutes') AS j
WHERE true
ON CONFLICT (minute_ms) DO UPDATE
SET came = came + excluded.came, throttled = throttled + excluded.throttled,
    half_ms = iif(excluded.done >= done, excluded.half_ms, half_ms),
    most_ms = iif(excluded.done >= done, excluded.most_ms, most_ms),
    done = max(done, excluded.done), died = max(died, excluded.died);

UPDATE minute SET pending = ?1 ->> 'pending', oldest_ms = ?1 ->> 'oldest_ms'
WHERE minute_ms >= ?1 ->> 'base_ms' AND minute_ms <= ?1 ->> 'now_ms';

INSERT INTO minute_source (minute_ms, source, came)
SELECT j.value ->> 'minute_ms', j.value ->> 'source', j.value ->> 'came'
FROM json_each(?1, '$.sources') AS j
WHERE true
ON CONFLICT (minute_ms, source) DO UPDATE SET came = came + excluded.came;

UPDATE chronicle SET last_id = ?1 ->> 'last_id', told_ms = ?1 ->> 'now_ms', throttled = ?1 ->> 'throttled' WHERE id = 1;
