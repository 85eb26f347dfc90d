-- Search: what lists and look-ups read instead of every event. What each index costs when it is written:
--
-- event_order: one entry for an event that names an order, none for the others; orders are the lesser part of traffic.
-- delivery_key: one entry for each request with a `$event_id`, written when it is planned and never moved. The key stands
-- in `sent_key` already, which leads from a metric to it and knows one owner; every event of a key is asked for here. The
-- event's number in it saves a look into the row for each.
-- event_dead_id, event_skipped_id: one entry, at the end of the index or near it, for an event that ends so. A page of
-- three dead events among millions reads three entries.
-- A message id needs none: the key of `message` begins with the source, sources are few, and each is asked in turn.

INSERT INTO writing (id) VALUES (1);

ALTER TABLE event ADD COLUMN order_id TEXT;

-- The `orderId` of calls that are here, as the program reads it from those that come: the first key of that spelling, a
-- text or a number, neither garbage nor very long. A spelling with odd separators and a text with escapes are left out;
-- a body that is no JSON says nothing.
UPDATE event SET order_id = f.order_id
FROM (SELECT event_id, trim(text, ' ' || char(9, 10, 13)) AS order_id
      FROM (SELECT p.event_id AS event_id, min(j.id),
                   CASE WHEN j.type IN ('integer', 'real') THEN p.body -> j.fullkey
                        WHEN j.type = 'text' AND instr(p.body -> j.fullkey, '\u') = 0 THEN j.value END AS text
            FROM payload AS p
            JOIN json_each(iif(json_valid(p.body), p.body, 'null'), '$.properties') AS j
            WHERE p.body LIKE '%order%id%'
              AND lower(replace(replace(replace(replace(j.key, '_', ''), ' ', ''), '-', ''), '.', '')) = 'orderid'
            GROUP BY p.event_id)) AS f
WHERE event.id = f.event_id AND length(f.order_id) BETWEEN 1 AND 255
  AND lower(f.order_id) NOT IN ('null', 'nil', 'none', 'undefined', '[object object]', 'nan', '0', '-1', 'false', 'true',
                                'anonymous', '00000000-0000-0000-0000-000000000000');

DELETE FROM writing;

CREATE INDEX event_order ON event (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX delivery_key ON delivery (event_key, event_id) WHERE event_key IS NOT NULL;
CREATE INDEX event_dead_id ON event (id) WHERE status = 'dead';
CREATE INDEX event_skipped_id ON event (id) WHERE status = 'skipped';

DROP VIEW events;
CREATE VIEW events AS
SELECT
    e.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.received_ms / 1000.0, 'unixepoch') AS received_at,
    e.source,
    e.message_id,
    e.type,
    e.name,
    e.profile,
    e.status,
    e.reason,
    (SELECT count(*) FROM delivery d WHERE d.event_id = e.id AND d.cycle = e.cycle) AS deliveries,
    (SELECT count(*) FROM delivery d
      WHERE d.event_id = e.id AND d.cycle = e.cycle AND d.status IN ('delivered', 'duplicate')) AS delivered,
    (SELECT count(*) FROM delivery d JOIN attempt a ON a.delivery_id = d.id WHERE d.event_id = e.id) AS attempts,
    CASE WHEN e.status = 'pending' AND e.ahead = 0 AND e.in_air = 0
         THEN strftime('%Y-%m-%dT%H:%M:%fZ', e.due_ms / 1000.0, 'unixepoch') END AS next_attempt_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.finished_ms / 1000.0, 'unixepoch') AS finished_at,
    e.order_id,
    p.body AS payload
FROM event e LEFT JOIN payload p ON p.event_id = e.id;

-- The guards of 0006 went with the view.
CREATE TRIGGER events_guarded_insert INSTEAD OF INSERT ON events BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`');
END;
CREATE TRIGGER events_guarded_update INSTEAD OF UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`');
END;
CREATE TRIGGER events_guarded_delete INSTEAD OF DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`');
END;

PRAGMA user_version = 9;
