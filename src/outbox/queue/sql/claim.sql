-- Takes events whose turn and time have come, oldest first. ?1: now, in ms; ?2: how many that never were replayed,
-- ?3: how many replayed ones, at most. Live traffic and replays have an index each, so neither hides the other.
UPDATE event SET active = 1, parked = NULL
WHERE id IN (SELECT id FROM (SELECT id FROM event
                             WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation = 1 AND run_after_ms <= ?1
                             ORDER BY run_after_ms, id LIMIT ?2)
             UNION ALL
             SELECT id FROM (SELECT id FROM event
                             WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation > 1 AND run_after_ms <= ?1
                             ORDER BY run_after_ms, id LIMIT ?3))
RETURNING id;
