-- Takes events whose turn and time have come. ?1: now, in ms; ?2: how many at most.
UPDATE event SET in_air = 1
WHERE id IN (SELECT id FROM event
             WHERE status = 'pending' AND ahead = 0 AND in_air = 0 AND due_ms <= ?1
             ORDER BY due_ms, id LIMIT ?2)
RETURNING id;
