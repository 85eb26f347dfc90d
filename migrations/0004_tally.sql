-- How many events stand in each state, kept by triggers, so that the daemon (and whoever measures it) knows it without
-- counting rows. The `audit` view still counts rows: the two can be held against each other.

CREATE TABLE tally (
    status TEXT NOT NULL PRIMARY KEY,
    events INTEGER NOT NULL CHECK (events >= 0)
) STRICT, WITHOUT ROWID;

INSERT INTO tally (status, events)
SELECT s.value, (SELECT count(*) FROM event WHERE status = s.value)
FROM json_each('["pending", "delivered", "skipped", "dead", "held"]') AS s;

CREATE TRIGGER tally_of_a_new_event AFTER INSERT ON event BEGIN
    UPDATE tally SET events = events + 1 WHERE status = new.status;
END;

CREATE TRIGGER tally_of_a_moved_event AFTER UPDATE OF status ON event WHEN new.status <> old.status BEGIN
    UPDATE tally SET events = events - 1 WHERE status = old.status;
    UPDATE tally SET events = events + 1 WHERE status = new.status;
END;

CREATE TRIGGER tally_of_a_removed_event AFTER DELETE ON event BEGIN
    UPDATE tally SET events = events - 1 WHERE status = old.status;
END;

PRAGMA user_version = 4;
