-- Readings by weeks: old ones go by dropping a table, and the indexes that grow stay
-- small. There is no default partition: a week could not be added beside one that holds
-- its rows.
ALTER TABLE reading RENAME TO reading_whole;
ALTER INDEX reading_pkey RENAME TO reading_whole_pkey;

-- Wide columns first: a row is 8 bytes shorter than in the order of the key.
CREATE TABLE reading (
    time timestamptz NOT NULL CHECK (isfinite(time)),
    value float8 NOT NULL
        CONSTRAINT reading_value_finite
            CHECK (value > '-Infinity' AND value < 'Infinity'),
    received_at timestamptz NOT NULL,
    stream_id integer NOT NULL,
    flag smallint NOT NULL CHECK (flag IN (1, 2, 3, 4, 9)),
    PRIMARY KEY (stream_id, time)
) PARTITION BY RANGE (time);

-- Makes the partition of the week that holds a moment; true when it was missing.
-- From before 2024 come imports, and readings of clocks that are wrong: there 52 weeks
-- share one, because every query plans with all partitions and locks many.
-- A hypertable of TimescaleDB makes its own. Attaching, unlike CREATE TABLE ...
-- PARTITION OF, lets others read and write the table meanwhile.
CREATE FUNCTION make_reading_week(moment timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    span interval := CASE
        WHEN moment < '2024-01-01Z' THEN interval '8736 hours'
        ELSE interval '168 hours' END;
    -- Sixty times 52 weeks before 2024.
    monday timestamptz := date_bin(span, moment, '1964-03-16Z');
    name text := 'reading_' || to_char(monday AT TIME ZONE 'UTC', 'YYYYMMDD');
    parent pg_class;
BEGIN
    SELECT * INTO parent FROM pg_class WHERE oid = 'reading'::regclass;
    IF parent.relkind <> 'p' OR to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(7310472216);
    -- to_regclass would not see what another made while this one waited.
    PERFORM FROM pg_class WHERE relname = name AND relnamespace = parent.relnamespace;
    IF FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE reading INCLUDING ALL)', name);
    EXECUTE format(
        'ALTER TABLE reading ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, monday, monday + span);
    RETURN true;
END $$;

SELECT make_reading_week(week)
FROM (SELECT DISTINCT date_trunc('week', time, 'UTC') AS week FROM reading_whole) AS old;
INSERT INTO reading (stream_id, time, value, flag, received_at)
SELECT stream_id, time, value, flag, received_at FROM reading_whole;

-- What a correction replaced.
CREATE TABLE reading_correction (
    correction_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id integer NOT NULL REFERENCES stream,
    time timestamptz NOT NULL,
    value float8 NOT NULL,
    flag smallint NOT NULL,
    received_at timestamptz NOT NULL,
    corrected_at timestamptz NOT NULL
);
CREATE INDEX reading_correction_by_key ON reading_correction (stream_id, time);

-- Hours of a stream. Flags 1 and 2 count, the others are bad_n; without a good reading
-- n is 0 and the values are NULL.
CREATE TABLE reading_hour (
    stream_id integer NOT NULL,
    hour timestamptz NOT NULL,
    n integer NOT NULL,
    bad_n integer NOT NULL,
    sum float8,
    min float8,
    max float8,
    last_time timestamptz,
    last float8,
    PRIMARY KEY (stream_id, hour)
);
-- TimescaleDB's aggregate takes the place of the table behind this name.
CREATE VIEW reading_hourly AS SELECT * FROM reading_hour;

-- Hours with readings that reading_hour does not know: one row for a batch and an hour,
-- written in the transaction of the batch.
CREATE TABLE rollup_dirty (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hour timestamptz NOT NULL,
    streams integer[] NOT NULL
);
ALTER TABLE rollup_dirty ALTER COLUMN streams SET STORAGE EXTERNAL;
CREATE INDEX rollup_dirty_by_hour ON rollup_dirty (hour);
INSERT INTO rollup_dirty (hour, streams)
SELECT date_trunc('hour', time, 'UTC'), array_agg(DISTINCT stream_id)
FROM reading_whole GROUP BY 1;

-- A stream has a reading at or after this time: where the search for the newest ends.
CREATE TABLE stream_hint (
    stream_id integer PRIMARY KEY,
    since timestamptz NOT NULL
);

-- One row. kept_from: readings before it were dropped, so their hours stay as they are.
-- aggregated_from: hours from here on are TimescaleDB's; NULL without it.
CREATE TABLE series_state (
    kept_from timestamptz NOT NULL DEFAULT '-infinity',
    aggregated_from timestamptz
);
CREATE UNIQUE INDEX series_state_is_one_row ON series_state ((true));
INSERT INTO series_state DEFAULT VALUES;

DROP TABLE reading_whole;
