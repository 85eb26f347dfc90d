-- Tracks behind claimed tracks in their queues, in order, each with the event directly before it in each of its queues.
-- ?1: JSON array of the claimed events; ?2: how many entries of a queue are read at most.
WITH
    head AS (SELECT DISTINCT t.identifier, t.queue_pos
             FROM json_each(?1) AS j
             JOIN event AS e ON e.id = j.value AND e.type = 'track'
             JOIN queue_entry AS t ON t.event_id = e.id),
    candidate AS (SELECT DISTINCT n.event_id, n.queue_pos
                  FROM head AS h
                  JOIN queue_entry AS n ON n.identifier = h.identifier AND n.queue_pos > h.queue_pos
                   AND n.queue_pos <= coalesce((SELECT l.queue_pos FROM queue_entry AS l
                                          WHERE l.identifier = h.identifier AND l.queue_pos > h.queue_pos
                                          ORDER BY l.queue_pos LIMIT 1 OFFSET ?2 - 1), n.queue_pos))
SELECT c.event_id,
       (SELECT p.event_id FROM queue_entry AS p
        WHERE p.identifier = t.identifier AND p.queue_pos < t.queue_pos ORDER BY p.queue_pos DESC LIMIT 1) AS before
FROM candidate AS c
JOIN event AS e ON e.id = c.event_id AND e.type = 'track' AND e.status = 'pending' AND e.active = 0
JOIN queue_entry AS t ON t.event_id = c.event_id
ORDER BY c.queue_pos, c.event_id;
