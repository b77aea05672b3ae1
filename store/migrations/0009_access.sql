-- The number stands for the id where rows are many. The external id is what a network
-- calls the device (devEUI); 16 hexadecimal digits are kept in lower case.
ALTER TABLE device
    ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN external_id text UNIQUE CHECK (external_id <> ''),
    ADD COLUMN gateway boolean NOT NULL DEFAULT false,
    ADD COLUMN disabled_at timestamptz;

-- A device that moves gets new streams: a reading belongs to the newest one that is not
-- younger than itself. One quantity may be measured at several positions.
ALTER TABLE stream
    ADD COLUMN position text NOT NULL DEFAULT '' CHECK (position !~ '@'),
    ADD COLUMN since timestamptz;
UPDATE stream SET since = created_at FROM device
WHERE device.device_id = stream.device_id;
ALTER TABLE stream
    ALTER COLUMN since SET DEFAULT now(),
    ALTER COLUMN since SET NOT NULL,
    ADD CONSTRAINT stream_since_is_finite CHECK (isfinite(since)),
    DROP CONSTRAINT stream_device_id_quantity_thing_key,
    ADD CONSTRAINT stream_is_one
        UNIQUE (device_id, quantity, position, thing, since);

-- Hashed as Mosquitto's password file has it. Null: valid until it is ended.
CREATE TABLE credential (
    credential_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id text NOT NULL REFERENCES device,
    hash text NOT NULL CHECK (hash ~ '^\$7\$[0-9]+\$[^$:]+\$[^$:]+$'),
    issued_at timestamptz NOT NULL,
    valid_until timestamptz
);
CREATE INDEX credential_by_device ON credential (device_id, credential_id);
CREATE INDEX credential_by_end ON credential (valid_until);
CREATE INDEX device_by_disabling ON device (disabled_at)
    WHERE disabled_at IS NOT NULL;

-- A code is known by its SHA-256 alone.
CREATE TABLE claim (
    claim_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id text NOT NULL REFERENCES device,
    hash bytea NOT NULL UNIQUE,
    made_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    used_at timestamptz,
    hardware_id text,
    CONSTRAINT claim_used_by_somebody
        CHECK ((used_at IS NULL) = (hardware_id IS NULL))
);
CREATE INDEX claim_by_device ON claim (device_id);

-- Wrong codes by address, forgotten after a while.
CREATE TABLE claim_failure (
    address text PRIMARY KEY,
    failures integer NOT NULL,
    since timestamptz NOT NULL
);

-- The last session of a device; without an end it lives.
CREATE TABLE presence (
    device_id text PRIMARY KEY REFERENCES device,
    listener text NOT NULL,
    address text NOT NULL,
    connected_at timestamptz NOT NULL,
    disconnected_at timestamptz,
    reason text,
    CONSTRAINT presence_end_has_a_reason
        CHECK ((disconnected_at IS NULL) = (reason IS NULL))
);
CREATE INDEX presence_alive ON presence (listener) WHERE disconnected_at IS NULL;
