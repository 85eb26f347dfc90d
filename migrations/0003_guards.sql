-- Guards. The tables hold together by rules that one statement by hand would break: an event set back to pending that
-- stands in no queue overtakes its person's others. So only a transaction of klaviyo-relay may write them: it begins by
-- putting a row into `write_guard` and ends by removing it, so that no other connection ever sees the row. A statement
-- by hand is refused with the command that does what is wanted. Each guard is one line, so that `.schema` stays short.

CREATE TRIGGER guard_event_insert BEFORE INSERT ON event WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`'); END;
CREATE TRIGGER guard_event_update BEFORE UPDATE ON event WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`'); END;
CREATE TRIGGER guard_event_delete BEFORE DELETE ON event WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`'); END;
CREATE TRIGGER guard_payload_insert BEFORE INSERT ON payload WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person; retention removes the rest'); END;
CREATE TRIGGER guard_payload_update BEFORE UPDATE ON payload WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person; retention removes the rest'); END;
CREATE TRIGGER guard_payload_delete BEFORE DELETE ON payload WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person; retention removes the rest'); END;
CREATE TRIGGER guard_envelope_insert BEFORE INSERT ON envelope WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person; retention removes the rest'); END;
CREATE TRIGGER guard_envelope_update BEFORE UPDATE ON envelope WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person; retention removes the rest'); END;
CREATE TRIGGER guard_envelope_delete BEFORE DELETE ON envelope WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person; retention removes the rest'); END;
CREATE TRIGGER guard_event_identifier_insert BEFORE INSERT ON event_identifier WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person'); END;
CREATE TRIGGER guard_event_identifier_update BEFORE UPDATE ON event_identifier WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person'); END;
CREATE TRIGGER guard_event_identifier_delete BEFORE DELETE ON event_identifier WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person'); END;
CREATE TRIGGER guard_queue_entry_insert BEFORE INSERT ON queue_entry WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay hold`, `release` or `discard`'); END;
CREATE TRIGGER guard_queue_entry_update BEFORE UPDATE ON queue_entry WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay hold`, `release` or `discard`'); END;
CREATE TRIGGER guard_queue_entry_delete BEFORE DELETE ON queue_entry WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay hold`, `release` or `discard`'); END;
CREATE TRIGGER guard_message_insert BEFORE INSERT ON message WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay import` to take events in'); END;
CREATE TRIGGER guard_message_update BEFORE UPDATE ON message WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay import` to take events in'); END;
CREATE TRIGGER guard_message_delete BEFORE DELETE ON message WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay import` to take events in'); END;
CREATE TRIGGER guard_delivery_insert BEFORE INSERT ON delivery WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay` or `discard` on the event'); END;
CREATE TRIGGER guard_delivery_update BEFORE UPDATE ON delivery WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay` or `discard` on the event'); END;
CREATE TRIGGER guard_delivery_delete BEFORE DELETE ON delivery WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay` or `discard` on the event'); END;
CREATE TRIGGER guard_attempt_insert BEFORE INSERT ON attempt WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay` to send the event again'); END;
CREATE TRIGGER guard_attempt_update BEFORE UPDATE ON attempt WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay` to send the event again'); END;
CREATE TRIGGER guard_attempt_delete BEFORE DELETE ON attempt WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay` to send the event again'); END;
CREATE TRIGGER guard_import_job_insert BEFORE INSERT ON import_job WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'jobs are closed by `klaviyo-relay serve`'); END;
CREATE TRIGGER guard_import_job_update BEFORE UPDATE ON import_job WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'jobs are closed by `klaviyo-relay serve`'); END;
CREATE TRIGGER guard_import_job_delete BEFORE DELETE ON import_job WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'jobs are closed by `klaviyo-relay serve`'); END;
CREATE TRIGGER guard_dedup_key_insert BEFORE INSERT ON dedup_key WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay` to send to another destination'); END;
CREATE TRIGGER guard_dedup_key_update BEFORE UPDATE ON dedup_key WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay` to send to another destination'); END;
CREATE TRIGGER guard_dedup_key_delete BEFORE DELETE ON dedup_key WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay replay` to send to another destination'); END;
CREATE TRIGGER guard_counter_insert BEFORE INSERT ON counter WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay audit` to check the counts'); END;
CREATE TRIGGER guard_counter_update BEFORE UPDATE ON counter WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay audit` to check the counts'); END;
CREATE TRIGGER guard_counter_delete BEFORE DELETE ON counter WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay audit` to check the counts'); END;
CREATE TRIGGER guard_erasure_insert BEFORE INSERT ON erasure WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person'); END;
CREATE TRIGGER guard_erasure_update BEFORE UPDATE ON erasure WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person'); END;
CREATE TRIGGER guard_erasure_delete BEFORE DELETE ON erasure WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'use `klaviyo-relay forget` to erase a person'); END;
CREATE TRIGGER guard_minute_insert BEFORE INSERT ON minute WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve`'); END;
CREATE TRIGGER guard_minute_update BEFORE UPDATE ON minute WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve`'); END;
CREATE TRIGGER guard_minute_delete BEFORE DELETE ON minute WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve`'); END;
CREATE TRIGGER guard_minute_source_insert BEFORE INSERT ON minute_source WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve`'); END;
CREATE TRIGGER guard_minute_source_update BEFORE UPDATE ON minute_source WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve`'); END;
CREATE TRIGGER guard_minute_source_delete BEFORE DELETE ON minute_source WHEN NOT EXISTS (SELECT 1 FROM write_guard) BEGIN SELECT RAISE(ABORT, 'minutes are counted by `klaviyo-relay serve`'); END;

PRAGMA user_version = 18;
