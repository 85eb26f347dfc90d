-- Import jobs. Klaviyo works on a bulk import of profiles after it has answered, and so the job outlives the request, and
-- may outlive the daemon: a row says that one was begun, before it is sent, and each attempt in it says so and where in it
-- it stands. While a job is open its events stay in flight, through a restart too: what their people sent later must not
-- reach Klaviyo before it.

CREATE TABLE import_job (
    id         INTEGER NOT NULL PRIMARY KEY,
    -- Where it was sent: the sandbox or a Klaviyo account.
    sent_to    TEXT NOT NULL,
    began_ms   INTEGER NOT NULL,
    -- How many profiles it was sent with.
    items      INTEGER NOT NULL CHECK (items > 0),
    -- Klaviyo's id of it. None: the answer has not come, or was lost.
    klaviyo_id TEXT,
    -- When the last of its attempts was settled; none while one is open.
    ended_ms   INTEGER
) STRICT;
CREATE INDEX import_job_open ON import_job (id) WHERE ended_ms IS NULL;

-- In which import job, and its place there, from 0. One entry in the index for each profile that is sent in a job.
ALTER TABLE attempt ADD COLUMN import_job INTEGER REFERENCES import_job (id);
ALTER TABLE attempt ADD COLUMN import_item INTEGER;
CREATE INDEX attempt_import ON attempt (import_job, import_item) WHERE import_job IS NOT NULL;

DROP VIEW attempts;
CREATE VIEW attempts AS
SELECT
    a.delivery_id,
    a.number,
    strftime('%Y-%m-%dT%H:%M:%fZ', a.started_ms / 1000.0, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', a.ended_ms / 1000.0, 'unixepoch') AS ended_at,
    a.ended_ms - a.started_ms AS duration_ms,
    a.http_status,
    a.outcome,
    a.error,
    a.request_id AS klaviyo_request_id,
    a.import_job,
    (SELECT j.klaviyo_id FROM import_job j WHERE j.id = a.import_job) AS klaviyo_job_id
FROM attempt a;

CREATE TRIGGER import_job_guarded_insert BEFORE INSERT ON import_job WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which import jobs Klaviyo works on is kept by klaviyo-relay; their events wait for them, and go on by themselves');
END;
CREATE TRIGGER import_job_guarded_update BEFORE UPDATE ON import_job WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which import jobs Klaviyo works on is kept by klaviyo-relay; their events wait for them, and go on by themselves');
END;
CREATE TRIGGER import_job_guarded_delete BEFORE DELETE ON import_job WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which import jobs Klaviyo works on is kept by klaviyo-relay; their events wait for them, and go on by themselves');
END;

PRAGMA user_version = 11;
