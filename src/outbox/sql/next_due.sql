-- When the next event may go whose turn has come: of those that never were replayed, and of the replayed ones.
SELECT
    (SELECT min(due_ms) FROM event WHERE status = 'pending' AND ahead = 0 AND in_air = 0 AND cycle = 1) AS live,
    (SELECT min(due_ms) FROM event WHERE status = 'pending' AND ahead = 0 AND in_air = 0 AND cycle > 1) AS replayed;
