-- Tracks that stand behind claimed ones in their queues, in order, each with the event right before it in each of its
-- queues. ?1: JSON array of the claimed events; ?2: how many of a queue are looked at.
WITH
    head AS (SELECT DISTINCT t.identifier, t.seq
             FROM json_each(?1) AS j
             JOIN event AS e ON e.id = j.value AND e.type = 'track'
             JOIN turn AS t ON t.event_id = e.id),
    candidate AS (SELECT DISTINCT n.event_id, n.seq
                  FROM head AS h
                  JOIN turn AS n ON n.identifier = h.identifier AND n.seq > h.seq
                   AND n.seq <= coalesce((SELECT l.seq FROM turn AS l
                                          WHERE l.identifier = h.identifier AND l.seq > h.seq
                                          ORDER BY l.seq LIMIT 1 OFFSET ?2 - 1), n.seq))
SELECT c.event_id,
       (SELECT p.event_id FROM turn AS p
        WHERE p.identifier = t.identifier AND p.seq < t.seq ORDER BY p.seq DESC LIMIT 1) AS before
FROM candidate AS c
JOIN event AS e ON e.id = c.event_id AND e.type = 'track' AND e.status = 'pending' AND e.in_air = 0
JOIN turn AS t ON t.event_id = c.event_id
ORDER BY c.seq, c.event_id;
