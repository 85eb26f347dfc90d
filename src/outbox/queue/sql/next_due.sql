-- When the next event that nothing blocks is due: of the events that were never replayed, and of the replayed ones.
SELECT
    (SELECT min(run_after_ms) FROM event WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation = 1) AS live,
    (SELECT min(run_after_ms) FROM event WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation > 1) AS replayed;
