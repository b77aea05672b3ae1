-- County codes are no foreign keys: boundaries are replaced as a whole when they are
-- revised, while statistics, weather and estimates of a dissolved county stay.
CREATE DOMAIN county_code AS text CHECK (VALUE ~ '^[0-9]{6}$');
-- NaN sorts above infinity, so both comparisons together mean finite.
CREATE DOMAIN finite AS float8 CHECK (VALUE > '-Infinity' AND VALUE < 'Infinity');
CREATE DOMAIN crop_name AS text CHECK (VALUE IN ('maize', 'rice', 'soybean'));

CREATE FUNCTION keep_real_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'simulated data may not replace a real row of %: %',
        TG_TABLE_NAME, to_jsonb(OLD) - 'geometry'
        USING ERRCODE = 'check_violation';
END $$;

CREATE TABLE county (
    code county_code PRIMARY KEY,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    prefecture_zh text NOT NULL,
    prefecture_en text NOT NULL,
    geometry bytea NOT NULL,
    west finite NOT NULL,
    south finite NOT NULL,
    east finite NOT NULL,
    north finite NOT NULL,
    area_km2 finite NOT NULL CHECK (area_km2 > 0)
);

-- json, not jsonb: the text is kept as hashed, so the id of a run can be recomputed.
CREATE TABLE run (
    run_id text PRIMARY KEY CHECK (run_id <> ''),
    kind text NOT NULL,
    inputs json NOT NULL,
    parameters json NOT NULL,
    code_version text NOT NULL,
    model_version text,
    simulated boolean NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL
);

CREATE TABLE estimate (
    issue bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    run_id text NOT NULL REFERENCES run,
    county county_code NOT NULL,
    crop crop_name NOT NULL,
    year smallint NOT NULL,
    measure text NOT NULL,
    value finite,
    unit text NOT NULL,
    lower finite,
    upper finite,
    "interval" finite NOT NULL CHECK ("interval" > 0 AND "interval" < 1),
    status text NOT NULL
        CHECK (status IN ('forecast', 'provisional', 'final', 'missing')),
    reason text,
    simulated boolean NOT NULL,
    issued_at timestamptz NOT NULL,
    PRIMARY KEY (county, crop, year, measure, run_id),
    CONSTRAINT estimate_missing_means_no_value
        CHECK ((status = 'missing') = (value IS NULL)),
    CONSTRAINT estimate_missing_has_a_reason
        CHECK (status <> 'missing' OR reason IS NOT NULL),
    CONSTRAINT estimate_interval_holds_value
        CHECK (lower <= value AND value <= upper),
    CONSTRAINT estimate_interval_is_whole
        CHECK (num_nulls(value, lower, upper) IN (0, 3))
);
CREATE INDEX estimate_by_year ON estimate (crop, year);

CREATE TABLE county_statistic (
    county county_code NOT NULL,
    crop crop_name NOT NULL,
    year smallint NOT NULL,
    yield_t_ha finite NOT NULL CHECK (yield_t_ha >= 0),
    area_ha finite NOT NULL CHECK (area_ha >= 0),
    source text NOT NULL,
    simulated boolean NOT NULL,
    PRIMARY KEY (county, crop, year)
);
CREATE TRIGGER keep_real_rows BEFORE UPDATE ON county_statistic FOR EACH ROW
    WHEN (NEW.simulated AND NOT OLD.simulated) EXECUTE FUNCTION keep_real_rows();

-- degC, degC, mm, MJ/m2; a value that was not measured is NULL.
CREATE TABLE county_weather (
    county county_code NOT NULL,
    day date NOT NULL,
    tmin finite,
    tmax finite,
    precipitation finite CHECK (precipitation >= 0),
    radiation finite CHECK (radiation >= 0),
    simulated boolean NOT NULL,
    PRIMARY KEY (county, day),
    CONSTRAINT county_weather_tmin_below_tmax CHECK (tmin <= tmax)
);
CREATE INDEX county_weather_by_day ON county_weather (day);
CREATE TRIGGER keep_real_rows BEFORE UPDATE ON county_weather FOR EACH ROW
    WHEN (NEW.simulated AND NOT OLD.simulated) EXECUTE FUNCTION keep_real_rows();

-- A field is stored once a year: next year's crop does not erase this year's.
CREATE TABLE field (
    field_id text NOT NULL CHECK (field_id <> ''),
    county county_code NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    crop crop_name NOT NULL,
    year smallint NOT NULL,
    geometry bytea NOT NULL,
    west finite NOT NULL,
    south finite NOT NULL,
    east finite NOT NULL,
    north finite NOT NULL,
    area_ha finite NOT NULL CHECK (area_ha > 0),
    simulated boolean NOT NULL,
    PRIMARY KEY (field_id, year)
);
CREATE INDEX field_by_county ON field (county);
CREATE TRIGGER keep_real_rows BEFORE UPDATE ON field FOR EACH ROW
    WHEN (NEW.simulated AND NOT OLD.simulated) EXECUTE FUNCTION keep_real_rows();

-- Farm and device are levels of an MQTT topic.
CREATE TABLE device (
    device_id text PRIMARY KEY CHECK (device_id ~ '^[^/+#]+$'),
    farm text NOT NULL CHECK (farm ~ '^[^/+#]+$'),
    name_zh text NOT NULL,
    name_en text NOT NULL,
    kind text NOT NULL,
    lon finite NOT NULL CHECK (lon BETWEEN -180 AND 180),
    lat finite NOT NULL CHECK (lat BETWEEN -90 AND 90),
    county county_code,
    simulated boolean NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE stream (
    stream_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id text NOT NULL REFERENCES device,
    quantity text NOT NULL,
    unit text NOT NULL,
    thing text NOT NULL,
    UNIQUE (device_id, quantity, thing)
);

-- No foreign key: it costs a third of the insert rate, so the writer checks the
-- streams of a batch at once, and streams are never deleted.
CREATE TABLE reading (
    stream_id integer NOT NULL,
    time timestamptz NOT NULL CHECK (isfinite(time)),
    value finite NOT NULL,
    flag smallint NOT NULL CHECK (flag IN (1, 2, 3, 4, 9)),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (stream_id, time)
);

-- A second value for a moment that already has one; the first stays in reading.
CREATE TABLE reading_conflict (
    stream_id integer NOT NULL REFERENCES stream,
    time timestamptz NOT NULL,
    value finite NOT NULL,
    flag smallint NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (stream_id, time, value)
);

CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    payload bytea NOT NULL,
    sha256 bytea NOT NULL,
    reason text NOT NULL,
    first_received_at timestamptz NOT NULL,
    last_received_at timestamptz NOT NULL,
    count bigint NOT NULL DEFAULT 1,
    UNIQUE (sha256, topic)
);
