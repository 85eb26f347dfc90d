-- Erasing a person: a new kind of request, and the record that it was done.

-- SQLite cannot change a CHECK in place. Making the table anew would copy every request ever sent, and dropping the
-- old one would delete the attempts that refer to it. So the text of the CHECK is edited where SQLite keeps it, as its
-- page on ALTER TABLE describes for changes that leave what is stored untouched: one more word is allowed.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(sql, '''list_add'', ''list_remove'')', '''list_add'', ''list_remove'', ''deletion'')')
WHERE type = 'table' AND name = 'delivery';
-- Reads the schema anew. Other connections do when the next statement changes its version.
PRAGMA writable_schema = RESET;

-- That somebody was erased, when, and from how many events; not who. A fingerprint of an e-mail can be guessed.
CREATE TABLE erasure (
    id       INTEGER NOT NULL PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    -- The delete call that asked for it; none: a command did.
    event_id INTEGER,
    -- How many events were emptied, the delete call among them where it was.
    events   INTEGER NOT NULL CHECK (events >= 0)
) STRICT;

CREATE VIEW erasures AS
SELECT
    e.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.at_ms / 1000.0, 'unixepoch') AS erased_at,
    e.event_id,
    e.events
FROM erasure e;

-- Programs of version 2 did not overwrite what they deleted: the file is written anew, once.
INSERT INTO fact (name, value)
SELECT 'the file is to be written anew', '1' WHERE EXISTS (SELECT 1 FROM event);

PRAGMA user_version = 3;
