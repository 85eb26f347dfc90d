-- What a batch says around its calls is stored once, however many calls it has: as often as its calls, 111 bytes on the
-- wire made 160 MB of disk. Rows from before keep their own copy in `payload.envelope`.

CREATE TABLE envelope (
    id   INTEGER NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

ALTER TABLE payload ADD COLUMN envelope_id INTEGER REFERENCES envelope (id);
CREATE INDEX payload_envelope ON payload (envelope_id) WHERE envelope_id IS NOT NULL;

INSERT INTO writing (id) VALUES (1);
INSERT INTO counter (name, value) VALUES ('last_envelope', 0);
DELETE FROM writing;

-- With the last call that it is about, it goes.
CREATE TRIGGER payload_last_of_envelope AFTER DELETE ON payload
WHEN old.envelope_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM payload AS p WHERE p.envelope_id = old.envelope_id) BEGIN
    DELETE FROM envelope WHERE id = old.envelope_id;
END;

CREATE TRIGGER envelope_guarded_insert BEFORE INSERT ON envelope WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'a call is kept as it came; `klaviyo-relay forget` erases a person, retention removes what is old');
END;
CREATE TRIGGER envelope_guarded_update BEFORE UPDATE ON envelope WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'a call is kept as it came; `klaviyo-relay forget` erases a person, retention removes what is old');
END;
CREATE TRIGGER envelope_guarded_delete BEFORE DELETE ON envelope WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'a call is kept as it came; `klaviyo-relay forget` erases a person, retention removes what is old');
END;

PRAGMA user_version = 12;
