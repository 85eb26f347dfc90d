-- What the shop's traffic was, minute by minute, for plots: counts alone, nobody's data. The daemon writes each minute down
-- when it is over; what is newer than that is counted from the events themselves (src/outbox/history).

CREATE TABLE minute (
    -- When it began.
    minute_ms INTEGER NOT NULL PRIMARY KEY,
    came      INTEGER NOT NULL CHECK (came >= 0),
    -- Delivered or skipped.
    done      INTEGER NOT NULL CHECK (done >= 0),
    died      INTEGER NOT NULL CHECK (died >= 0),
    -- Requests that Klaviyo answered with 429.
    throttled INTEGER NOT NULL CHECK (throttled >= 0),
    -- How many waited at its end, and when the oldest of them had come.
    pending   INTEGER NOT NULL CHECK (pending >= 0),
    oldest_ms INTEGER,
    -- From arrival to delivery, of events delivered in it that never were replayed: the median and the 95th percentile.
    half_ms   INTEGER,
    most_ms   INTEGER
) STRICT;

CREATE TABLE minute_source (
    minute_ms INTEGER NOT NULL,
    source    TEXT NOT NULL,
    came      INTEGER NOT NULL CHECK (came >= 0),
    PRIMARY KEY (minute_ms, source)
) STRICT, WITHOUT ROWID;

-- How far the minutes are written down: the last event in them, when that was (never: NULL), and how many 429s the
-- process had counted by then. What came before this table is in no minute.
CREATE TABLE chronicle (
    id        INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    last_id   INTEGER NOT NULL,
    told_ms   INTEGER,
    throttled INTEGER NOT NULL CHECK (throttled >= 0)
) STRICT;
INSERT INTO chronicle (id, last_id, told_ms, throttled)
SELECT 1, value, NULL, 0 FROM counter WHERE name = 'last_id';

-- The minutes that are over.
CREATE VIEW history AS
SELECT
    strftime('%Y-%m-%dT%H:%M:%fZ', m.minute_ms / 1000.0, 'unixepoch') AS minute,
    m.came,
    m.done,
    m.died,
    m.throttled,
    m.pending,
    strftime('%Y-%m-%dT%H:%M:%fZ', m.oldest_ms / 1000.0, 'unixepoch') AS oldest_pending,
    m.half_ms AS median_ms,
    m.most_ms AS p95_ms
FROM minute m
WHERE m.minute_ms < (SELECT c.told_ms / 60000 * 60000 FROM chronicle c);

CREATE TRIGGER minute_guarded_insert BEFORE INSERT ON minute WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve` and go after 8 days; read them in the view `history`');
END;
CREATE TRIGGER minute_guarded_update BEFORE UPDATE ON minute WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve` and go after 8 days; read them in the view `history`');
END;
CREATE TRIGGER minute_guarded_delete BEFORE DELETE ON minute WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve` and go after 8 days; read them in the view `history`');
END;

CREATE TRIGGER minute_source_guarded_insert BEFORE INSERT ON minute_source WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve` and go after 8 days; read them in the view `history`');
END;
CREATE TRIGGER minute_source_guarded_update BEFORE UPDATE ON minute_source WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve` and go after 8 days; read them in the view `history`');
END;
CREATE TRIGGER minute_source_guarded_delete BEFORE DELETE ON minute_source WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve` and go after 8 days; read them in the view `history`');
END;

CREATE TRIGGER chronicle_guarded_insert BEFORE INSERT ON chronicle WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve` and go after 8 days; read them in the view `history`');
END;
CREATE TRIGGER chronicle_guarded_update BEFORE UPDATE ON chronicle WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve` and go after 8 days; read them in the view `history`');
END;
CREATE TRIGGER chronicle_guarded_delete BEFORE DELETE ON chronicle WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve` and go after 8 days; read them in the view `history`');
END;

CREATE TRIGGER history_guarded_insert INSTEAD OF INSERT ON history BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: its minutes are counted by `klaviyo-relay serve`');
END;
CREATE TRIGGER history_guarded_update INSTEAD OF UPDATE ON history BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: its minutes are counted by `klaviyo-relay serve`');
END;
CREATE TRIGGER history_guarded_delete INSTEAD OF DELETE ON history BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: its minutes are counted by `klaviyo-relay serve`');
END;

PRAGMA user_version = 8;
