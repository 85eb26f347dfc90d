-- The events with the most waiting events, and how many events others wait for. ?1: how many to return. Reads all queue
-- entries once, from their key only. The view `blocked_profiles` gives exact numbers for all of them, and costs more.
WITH
line (head, waiting) AS (
    -- The event with the smallest position: SQLite takes the other columns from the row of the min().
    SELECT head, waiting
    FROM (SELECT event_id AS head, min(queue_pos) AS place, count(*) - 1 AS waiting FROM queue_entry GROUP BY identifier)
    WHERE waiting > 0
),
head (id, waiting) AS MATERIALIZED (
    SELECT l.head, max(l.waiting) FROM line AS l JOIN event AS e ON e.id = l.head AND e.blocked_by = 0 GROUP BY l.head
)
SELECT h.id, h.waiting, (SELECT count(*) FROM head) AS heads, e.profile, e.received_ms, e.status,
       iif(e.status = 'pending', e.run_after_ms, NULL) AS run_after_ms,
       EXISTS (SELECT 1 FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
               WHERE d.event_id = e.id AND a.ended_ms IS NULL) AS in_flight,
       coalesce(e.reason, (SELECT a.error FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
                           WHERE d.event_id = e.id AND a.error IS NOT NULL
                           ORDER BY a.started_ms DESC, d.id DESC, a.number DESC LIMIT 1)) AS words,
       coalesce(e.reason_code, (SELECT d.reason_code FROM delivery AS d
                                WHERE d.event_id = e.id AND d.generation = e.generation AND d.reason_code IS NOT NULL
                                  AND d.status IN ('pending', 'unknown') ORDER BY d.position LIMIT 1)) AS reason_code
FROM head AS h JOIN event AS e ON e.id = h.id
ORDER BY h.waiting DESC, h.id LIMIT ?1;
