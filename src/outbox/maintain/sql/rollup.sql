-- Writes minutes. Events that arrived late in a written minute are added to it. Events that ended in it are counted
-- again on each write, and the larger count is kept: a replay or retention makes the count of the rows smaller.
-- ?1: JSON object of minutes: [{minute_ms, came, done, died, throttled, p50_ms, p95_ms}], sources: [{minute_ms, source,
-- came}], pending: how many events are pending now, oldest_ms: when the oldest of them arrived, base_ms: the first
-- minute that gets these two, now_ms, last_id: the last event counted, throttled: the 429s that the process has
-- counted. One parameter, because sqlx also counts the parameters that a statement leaves out.

INSERT INTO minute (minute_ms, came, done, died, throttled, pending, p50_ms, p95_ms)
SELECT j.value ->> 'minute_ms', j.value ->> 'came', j.value ->> 'done', j.value ->> 'died', j.value ->> 'throttled',
       ?1 ->> 'pending', j.value ->> 'p50_ms', j.value ->> 'p95_ms'
FROM json_each(?1, '$.minutes') AS j
WHERE true
ON CONFLICT (minute_ms) DO UPDATE
SET came = came + excluded.came, throttled = throttled + excluded.throttled,
    p50_ms = iif(excluded.done >= done, excluded.p50_ms, p50_ms),
    p95_ms = iif(excluded.done >= done, excluded.p95_ms, p95_ms),
    done = max(done, excluded.done), died = max(died, excluded.died);

UPDATE minute SET pending = ?1 ->> 'pending', oldest_ms = ?1 ->> 'oldest_ms'
WHERE minute_ms >= ?1 ->> 'base_ms' AND minute_ms <= ?1 ->> 'now_ms';

INSERT INTO minute_source (minute_ms, source, came)
SELECT j.value ->> 'minute_ms', j.value ->> 'source', j.value ->> 'came'
FROM json_each(?1, '$.sources') AS j
WHERE true
ON CONFLICT (minute_ms, source) DO UPDATE SET came = came + excluded.came;

UPDATE counter
SET value = CASE name WHEN 'rollup_id' THEN ?1 ->> 'last_id' WHEN 'rollup_ms' THEN ?1 ->> 'now_ms'
                      ELSE ?1 ->> 'throttled' END
WHERE name IN ('rollup_id', 'rollup_ms', 'rollup_429s');
