-- The keys of `kv` are names; before, they were sentences.
UPDATE kv SET name = 'vacuum_due' WHERE name = 'the file is to be written anew';
UPDATE kv SET name = 'bodies_deleted_up_to' WHERE name = 'bodies removed up to';
UPDATE kv SET name = 'retention_last_round_ms' WHERE name = 'the time of the last removal';
UPDATE kv SET name = 'damage' WHERE name = 'what could not be read of the file';
UPDATE kv SET name = 'config_rejected_since_ms' WHERE name = 'configuration not taken since';
UPDATE kv SET name = 'clock_ahead_ms' WHERE name = 'the clock is ahead of what is believed by';
UPDATE kv SET name = 'checkpoint_trouble' WHERE name = 'what keeps the log from being folded';
UPDATE kv SET name = 'rejected_requests' WHERE name = 'refused at the door';
UPDATE kv SET name = 'limits_in_use' WHERE name = 'limits in use';
UPDATE kv SET name = 'account_of_key ' || substr(name, 20) WHERE name LIKE 'account behind key %';
-- 'import of ', 32 hexadecimal digits, ' for ', and the source.
UPDATE kv SET name = 'import_position ' || substr(name, 11, 32) || ' ' || substr(name, 48) WHERE name LIKE 'import of %';

PRAGMA user_version = 19;
