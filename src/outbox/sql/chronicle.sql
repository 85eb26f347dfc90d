-- Writes minutes down, and forgets those that are too old. What comes late to a minute that is written down is added to
-- it; what ended in it is counted anew each time, and the larger count is right: a replay takes from it, and so does
-- retention.
-- ?1: JSON array of {minute_ms, came, done, died, throttled, half_ms, most_ms}; ?2: of {minute_ms, source, came};
-- ?3: how many wait now; ?4: when the oldest of them had come, in ms; ?5: in minutes from this on, in ms; ?6: now, in ms;
-- ?7: the last event counted; ?8: the 429s that the process has counted; ?9: minutes before this go, in ms.

INSERT INTO minute (minute_ms, came, done, died, throttled, pending, half_ms, most_ms)
SELECT j.value ->> 'minute_ms', j.value ->> 'came', j.value ->> 'done', j.value ->> 'died', j.value ->> 'throttled', ?3,
       j.value ->> 'half_ms', j.value ->> 'most_ms'
FROM json_each(?1) AS j
WHERE true
ON CONFLICT (minute_ms) DO UPDATE
SET came = came + excluded.came, throttled = throttled + excluded.throttled,
    half_ms = iif(excluded.done >= done, excluded.half_ms, half_ms),
    most_ms = iif(excluded.done >= done, excluded.most_ms, most_ms),
    done = max(done, excluded.done), died = max(died, excluded.died);

UPDATE minute SET pending = ?3, oldest_ms = ?4 WHERE minute_ms >= ?5 AND minute_ms <= ?6;

INSERT INTO minute_source (minute_ms, source, came)
SELECT j.value ->> 'minute_ms', j.value ->> 'source', j.value ->> 'came'
FROM json_each(?2) AS j
WHERE true
ON CONFLICT (minute_ms, source) DO UPDATE SET came = came + excluded.came;

DELETE FROM minute WHERE minute_ms < ?9;
DELETE FROM minute_source WHERE minute_ms < ?9;

UPDATE chronicle SET last_id = ?7, told_ms = ?6, throttled = ?8 WHERE id = 1;
