-- Guard rails. The tables hold together by rules that one statement by hand would break: an event set back to pending
-- that stands in no line overtakes its person's others. So only a transaction of klaviyo-relay may write them, which
-- the row in `writing` tells; it is put there first and taken away last, so that nobody else ever sees it. Whoever tries
-- by hand is told which command does what they want.

CREATE TABLE writing (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1)
) STRICT;

CREATE TRIGGER event_guarded_insert BEFORE INSERT ON event WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'events move on by `klaviyo-relay replay`, `hold`, `release` and `discard`; `forget` erases a person, retention removes what is old');
END;
CREATE TRIGGER event_guarded_update BEFORE UPDATE ON event WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'events move on by `klaviyo-relay replay`, `hold`, `release` and `discard`; `forget` erases a person, retention removes what is old');
END;
CREATE TRIGGER event_guarded_delete BEFORE DELETE ON event WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'events move on by `klaviyo-relay replay`, `hold`, `release` and `discard`; `forget` erases a person, retention removes what is old');
END;

CREATE TRIGGER payload_guarded_insert BEFORE INSERT ON payload WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'a call is kept as it came; `klaviyo-relay forget` erases a person, retention removes what is old');
END;
CREATE TRIGGER payload_guarded_update BEFORE UPDATE ON payload WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'a call is kept as it came; `klaviyo-relay forget` erases a person, retention removes what is old');
END;
CREATE TRIGGER payload_guarded_delete BEFORE DELETE ON payload WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'a call is kept as it came; `klaviyo-relay forget` erases a person, retention removes what is old');
END;

CREATE TRIGGER event_identifier_guarded_insert BEFORE INSERT ON event_identifier WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'who an event is about orders it; `klaviyo-relay forget` erases a person');
END;
CREATE TRIGGER event_identifier_guarded_update BEFORE UPDATE ON event_identifier WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'who an event is about orders it; `klaviyo-relay forget` erases a person');
END;
CREATE TRIGGER event_identifier_guarded_delete BEFORE DELETE ON event_identifier WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'who an event is about orders it; `klaviyo-relay forget` erases a person');
END;

CREATE TRIGGER turn_guarded_insert BEFORE INSERT ON turn WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'the order of events is kept by klaviyo-relay; `klaviyo-relay hold`, `release` and `discard` change what waits');
END;
CREATE TRIGGER turn_guarded_update BEFORE UPDATE ON turn WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'the order of events is kept by klaviyo-relay; `klaviyo-relay hold`, `release` and `discard` change what waits');
END;
CREATE TRIGGER turn_guarded_delete BEFORE DELETE ON turn WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'the order of events is kept by klaviyo-relay; `klaviyo-relay hold`, `release` and `discard` change what waits');
END;

CREATE TRIGGER message_guarded_insert BEFORE INSERT ON message WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which messages came is kept by klaviyo-relay; `klaviyo-relay import` takes in events');
END;
CREATE TRIGGER message_guarded_update BEFORE UPDATE ON message WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which messages came is kept by klaviyo-relay; `klaviyo-relay import` takes in events');
END;
CREATE TRIGGER message_guarded_delete BEFORE DELETE ON message WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which messages came is kept by klaviyo-relay; `klaviyo-relay import` takes in events');
END;

CREATE TRIGGER delivery_guarded_insert BEFORE INSERT ON delivery WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'what an event owes is kept by klaviyo-relay; `klaviyo-relay replay` sends it again, `discard` gives it up');
END;
CREATE TRIGGER delivery_guarded_update BEFORE UPDATE ON delivery WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'what an event owes is kept by klaviyo-relay; `klaviyo-relay replay` sends it again, `discard` gives it up');
END;
CREATE TRIGGER delivery_guarded_delete BEFORE DELETE ON delivery WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'what an event owes is kept by klaviyo-relay; `klaviyo-relay replay` sends it again, `discard` gives it up');
END;

CREATE TRIGGER attempt_guarded_insert BEFORE INSERT ON attempt WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'attempts are history; `klaviyo-relay replay` makes new ones');
END;
CREATE TRIGGER attempt_guarded_update BEFORE UPDATE ON attempt WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'attempts are history; `klaviyo-relay replay` makes new ones');
END;
CREATE TRIGGER attempt_guarded_delete BEFORE DELETE ON attempt WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'attempts are history; `klaviyo-relay replay` makes new ones');
END;

CREATE TRIGGER sent_key_guarded_insert BEFORE INSERT ON sent_key WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which `$event_id`s were sent is kept by klaviyo-relay; `klaviyo-relay replay` sends to another destination what went to this one');
END;
CREATE TRIGGER sent_key_guarded_update BEFORE UPDATE ON sent_key WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which `$event_id`s were sent is kept by klaviyo-relay; `klaviyo-relay replay` sends to another destination what went to this one');
END;
CREATE TRIGGER sent_key_guarded_delete BEFORE DELETE ON sent_key WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which `$event_id`s were sent is kept by klaviyo-relay; `klaviyo-relay replay` sends to another destination what went to this one');
END;

CREATE TRIGGER counter_guarded_insert BEFORE INSERT ON counter WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'counts are kept by klaviyo-relay; `klaviyo-relay audit` proves them');
END;
CREATE TRIGGER counter_guarded_update BEFORE UPDATE ON counter WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'counts are kept by klaviyo-relay; `klaviyo-relay audit` proves them');
END;
CREATE TRIGGER counter_guarded_delete BEFORE DELETE ON counter WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'counts are kept by klaviyo-relay; `klaviyo-relay audit` proves them');
END;

CREATE TRIGGER tally_guarded_insert BEFORE INSERT ON tally WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'counts are kept by klaviyo-relay; `klaviyo-relay audit` proves them');
END;
CREATE TRIGGER tally_guarded_update BEFORE UPDATE ON tally WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'counts are kept by klaviyo-relay; `klaviyo-relay audit` proves them');
END;
CREATE TRIGGER tally_guarded_delete BEFORE DELETE ON tally WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'counts are kept by klaviyo-relay; `klaviyo-relay audit` proves them');
END;

CREATE TRIGGER erasure_guarded_insert BEFORE INSERT ON erasure WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'erasures are history; `klaviyo-relay forget` makes one');
END;
CREATE TRIGGER erasure_guarded_update BEFORE UPDATE ON erasure WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'erasures are history; `klaviyo-relay forget` makes one');
END;
CREATE TRIGGER erasure_guarded_delete BEFORE DELETE ON erasure WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'erasures are history; `klaviyo-relay forget` makes one');
END;

CREATE TRIGGER events_guarded_insert INSTEAD OF INSERT ON events BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`');
END;
CREATE TRIGGER events_guarded_update INSTEAD OF UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`');
END;
CREATE TRIGGER events_guarded_delete INSTEAD OF DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`');
END;

CREATE TRIGGER deliveries_guarded_insert INSTEAD OF INSERT ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay` or `discard` on the event');
END;
CREATE TRIGGER deliveries_guarded_update INSTEAD OF UPDATE ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay` or `discard` on the event');
END;
CREATE TRIGGER deliveries_guarded_delete INSTEAD OF DELETE ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay` or `discard` on the event');
END;

CREATE TRIGGER dead_letters_guarded_insert INSTEAD OF INSERT ON dead_letters BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay` or `discard`');
END;
CREATE TRIGGER dead_letters_guarded_update INSTEAD OF UPDATE ON dead_letters BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay` or `discard`');
END;
CREATE TRIGGER dead_letters_guarded_delete INSTEAD OF DELETE ON dead_letters BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay` or `discard`');
END;

PRAGMA user_version = 6;
