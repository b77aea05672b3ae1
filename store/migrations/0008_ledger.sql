-- What became of the messages of one COMMIT, packed (store/ledger.py), in the same
-- transaction as their readings. Folding turns rows into the counters below.
CREATE TABLE ledger (
    ledger_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    messages bytea NOT NULL
);
-- Lives for seconds: compressing it costs more than writing it.
ALTER TABLE ledger ALTER COLUMN messages SET STORAGE EXTERNAL;

-- The last batch of each writer, so that one whose connection broke during COMMIT can
-- tell whether the batch is in.
CREATE TABLE ledger_writer (
    writer_id uuid PRIMARY KEY,
    batch_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

-- One row: counters of all messages that are no longer in ledger.
CREATE TABLE total_count (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    stored bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    conflict bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    readings_stored bigint NOT NULL DEFAULT 0,
    readings_duplicate bigint NOT NULL DEFAULT 0,
    readings_conflict bigint NOT NULL DEFAULT 0,
    readings_corrected bigint NOT NULL DEFAULT 0
);
INSERT INTO total_count DEFAULT VALUES;

-- device is device.number, 0 stands for all that is not registered. No foreign key: a
-- device may be removed between its message and the folding.
CREATE TABLE device_count (
    device integer PRIMARY KEY,
    stored bigint NOT NULL,
    duplicate bigint NOT NULL,
    conflict bigint NOT NULL,
    quarantined bigint NOT NULL,
    readings_stored bigint NOT NULL,
    readings_duplicate bigint NOT NULL,
    readings_conflict bigint NOT NULL,
    readings_corrected bigint NOT NULL,
    last_seen timestamptz NOT NULL,
    -- Newest time by the device's own clock.
    last_time timestamptz,
    -- Receipt minus device time of the newest messages, milliseconds, oldest first.
    delays_ms integer[] NOT NULL
);

-- Sequence numbers of the devices that send them, since the device last started.
CREATE TABLE device_sequence (
    device integer PRIMARY KEY,
    first bigint NOT NULL,
    top bigint NOT NULL,
    -- Device times of the first message after the start, and of the one numbered top.
    since_us bigint NOT NULL,
    top_us bigint NOT NULL,
    -- Numbers between first and top that did not come.
    missing int8multirange NOT NULL,
    -- How many were missing before the last start, or are too many to be remembered.
    lost bigint NOT NULL,
    restarts integer NOT NULL
);

-- sha256 is of the whole payload, with the publisher's id and NUL before it where a
-- credential tells who it was: many publish on one topic.
ALTER TABLE quarantine
    ADD COLUMN device_id text,
    ADD COLUMN farm text,
    ADD COLUMN truncated boolean NOT NULL DEFAULT false;
CREATE INDEX quarantine_by_receipt ON quarantine (last_received_at, quarantine_id);
