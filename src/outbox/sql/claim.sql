-- Takes events whose turn and time have come, oldest first. ?1: now, in ms; ?2: how many that never were replayed,
-- ?3: how many replayed ones, at most. Live traffic and replays have an index each, so neither hides the other.
UPDATE event SET in_air = 1, parked = NULL
WHERE id IN (SELECT id FROM (SELECT id FROM event
                             WHERE status = 'pending' AND ahead = 0 AND in_air = 0 AND cycle = 1 AND due_ms <= ?1
                             ORDER BY due_ms, id LIMIT ?2)
             UNION ALL
             SELECT id FROM (SELECT id FROM event
                             WHERE status = 'pending' AND ahead = 0 AND in_air = 0 AND cycle > 1 AND due_ms <= ?1
                             ORDER BY due_ms, id LIMIT ?3))
RETURNING id;
