-- All identifiers that are known to be of the same person. ?1: JSON array of the identifiers to start from; ?2: only
-- events with a smaller id are read.
--
-- An event connects its identifiers to one person, and the search continues from them. It does not continue through an
-- event that names another userId, so that two people who use one browser stay separate. Only an alias connects two
-- userIds: that is its meaning. If ?1 contains no userId, the search first follows the events without a userId. The
-- userId of the events at the ends of that chain belongs to the person; if these events name several userIds, none of
-- them does.
WITH RECURSIVE
named (identifier) AS (SELECT value FROM json_each(?1)),
nameless (identifier) AS (
    SELECT identifier FROM named
    WHERE NOT EXISTS (SELECT 1 FROM named WHERE substr(identifier, 1, 5) = 'user:')
    UNION
    SELECT o.identifier
    FROM nameless AS n
    JOIN event_identifier AS i ON i.identifier = n.identifier AND i.event_id < ?2
    JOIN event_identifier AS o ON o.event_id = i.event_id
    WHERE NOT EXISTS (SELECT 1 FROM event_identifier AS f
                      WHERE f.event_id = i.event_id AND substr(f.identifier, 1, 5) = 'user:')
),
user (identifier) AS (
    SELECT identifier FROM named WHERE substr(identifier, 1, 5) = 'user:'
    UNION
    SELECT only.identifier
    FROM (SELECT min(u.identifier) AS identifier
          FROM nameless AS n
          JOIN event_identifier AS i ON i.identifier = n.identifier AND i.event_id < ?2
          JOIN event AS e ON e.id = i.event_id AND coalesce(e.type, '') <> 'alias'
          JOIN event_identifier AS u ON u.event_id = e.id AND substr(u.identifier, 1, 5) = 'user:'
          HAVING count(DISTINCT u.identifier) = 1) AS only
    UNION
    SELECT o.identifier
    FROM user AS u
    JOIN event_identifier AS i ON i.identifier = u.identifier AND i.event_id < ?2
    JOIN event AS e ON e.id = i.event_id AND e.type = 'alias'
    JOIN event_identifier AS o ON o.event_id = e.id AND substr(o.identifier, 1, 5) = 'user:'
),
person (identifier) AS (
    SELECT identifier FROM named
    UNION
    SELECT identifier FROM user
    UNION
    SELECT o.identifier
    FROM person AS p
    JOIN event_identifier AS i ON i.identifier = p.identifier AND i.event_id < ?2
    JOIN event_identifier AS o ON o.event_id = i.event_id
    WHERE NOT EXISTS (SELECT 1 FROM event_identifier AS f
                      WHERE f.event_id = i.event_id AND substr(f.identifier, 1, 5) = 'user:'
                        AND f.identifier NOT IN (SELECT identifier FROM user))
)
SELECT identifier FROM person;
