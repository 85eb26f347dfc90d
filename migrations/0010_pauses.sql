-- Pauses by endpoint family, and what the back-off of a request and the parking of events need.

-- What is paused: the whole account, or one family of endpoints. An operator's `release` empties it, by which the
-- daemon knows that it shall try at once.
ALTER TABLE pause RENAME TO former_pause;
CREATE TABLE pause (
    -- 'account', or the family.
    scope    TEXT NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL CHECK (kind IN ('refused', 'unreachable', 'rate_limited')),
    since_ms INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    probe_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO pause SELECT 'account', kind, since_ms, reason, probe_ms FROM former_pause;
DROP TABLE former_pause;

CREATE VIEW pauses AS
SELECT
    scope,
    kind,
    strftime('%Y-%m-%dT%H:%M:%fZ', since_ms / 1000.0, 'unixepoch') AS since,
    reason,
    strftime('%Y-%m-%dT%H:%M:%fZ', probe_ms / 1000.0, 'unixepoch') AS next_probe_at
FROM pause;

CREATE TRIGGER pauses_guarded_insert INSTEAD OF INSERT ON pauses BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: `klaviyo-relay release` tries a paused endpoint at once');
END;
CREATE TRIGGER pauses_guarded_update INSTEAD OF UPDATE ON pauses BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: `klaviyo-relay release` tries a paused endpoint at once');
END;
CREATE TRIGGER pauses_guarded_delete INSTEAD OF DELETE ON pauses BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: `klaviyo-relay release` tries a paused endpoint at once');
END;

-- Attempts that failed, counted against max_attempts or not: the back-off grows with them.
ALTER TABLE delivery ADD COLUMN failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0);
CREATE INDEX delivery_failing ON delivery (failures) WHERE failures >= 3 AND status IN ('pending', 'unknown');

-- The family for whose pause an event waits. It is due far ahead, and at once when the family goes on.
ALTER TABLE event ADD COLUMN parked TEXT;
CREATE INDEX event_parked ON event (parked, id) WHERE parked IS NOT NULL;

PRAGMA user_version = 10;
