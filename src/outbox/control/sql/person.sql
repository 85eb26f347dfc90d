-- Everybody who is known to be the same person. ?1: JSON array of identifiers to start from; ?2: events with this
-- number and later ones are not looked at.
--
-- An event joins its identifiers into one person; the chain goes on from there. It does not cross an event that names
-- another userId, so that two people of one browser stay two. Aliases alone join two userIds: that is what they say.
-- Where nothing to start from is a userId, the chain of events without one is followed first, and the userId of the
-- events at its ends is the person's; if they name several, none is.
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
