-- A copy is the same call once more, not another one under the same `messageId`. `sameness` is the same number for the
-- same type, name and person; it outlives the event, as the id does. NULL: not known, of messages from before.

ALTER TABLE message ADD COLUMN sameness INTEGER;

INSERT INTO writing (id) VALUES (1);
INSERT INTO counter (name, value) VALUES ('repeats', 0);
DELETE FROM writing;

PRAGMA user_version = 16;
