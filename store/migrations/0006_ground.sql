-- One imported file, or one layer of it: the same one is not imported twice.
CREATE TABLE ground_dataset (
    dataset_id text PRIMARY KEY CHECK (dataset_id <> ''),
    kind text NOT NULL
        CHECK (kind IN ('points', 'segments', 'cuts', 'monitor', 'fields')),
    source text NOT NULL,
    layer text NOT NULL,
    checksum text NOT NULL,
    parameters jsonb NOT NULL,
    licence text,
    attribution text,
    converted_from text CHECK (converted_from = 'GCJ-02'),
    simulated boolean NOT NULL,
    imported_at timestamptz NOT NULL,
    UNIQUE (kind, checksum, layer)
);

CREATE DOMAIN ground_crop AS text
    CHECK (VALUE IN ('maize', 'rice', 'soybean', 'other'));
CREATE DOMAIN longitude AS float8 CHECK (VALUE BETWEEN -180 AND 180);
CREATE DOMAIN latitude AS float8 CHECK (VALUE BETWEEN -90 AND 90);

CREATE TABLE ground_point (
    dataset_id text NOT NULL REFERENCES ground_dataset ON DELETE CASCADE,
    row integer NOT NULL CHECK (row > 0),
    lon longitude NOT NULL,
    lat latitude NOT NULL,
    year smallint NOT NULL,
    is_crop boolean NOT NULL,
    crop ground_crop,
    county county_code,
    simulated boolean NOT NULL,
    PRIMARY KEY (lon, lat, year),
    CONSTRAINT ground_point_crop_of_crops CHECK (is_crop OR crop IS NULL)
);
CREATE INDEX ground_point_by_dataset ON ground_point (dataset_id);
CREATE TRIGGER keep_real_rows BEFORE UPDATE ON ground_point FOR EACH ROW
    WHEN (NEW.simulated AND NOT OLD.simulated) EXECUTE FUNCTION keep_real_rows();

-- NULL is a crop that was not surveyed, 0 one that does not grow there.
CREATE TABLE ground_segment (
    dataset_id text NOT NULL REFERENCES ground_dataset ON DELETE CASCADE,
    row integer NOT NULL CHECK (row > 0),
    segment_id text NOT NULL CHECK (segment_id <> ''),
    stratum text NOT NULL,
    year smallint NOT NULL,
    geometry bytea NOT NULL,
    west finite NOT NULL,
    south finite NOT NULL,
    east finite NOT NULL,
    north finite NOT NULL,
    area_ha finite NOT NULL CHECK (area_ha > 0),
    maize_ha finite CHECK (maize_ha >= 0),
    rice_ha finite CHECK (rice_ha >= 0),
    soybean_ha finite CHECK (soybean_ha >= 0),
    other_ha finite CHECK (other_ha >= 0),
    county county_code,
    simulated boolean NOT NULL,
    PRIMARY KEY (segment_id, year)
);
CREATE INDEX ground_segment_by_dataset ON ground_segment (dataset_id);
CREATE TRIGGER keep_real_rows BEFORE UPDATE ON ground_segment FOR EACH ROW
    WHEN (NEW.simulated AND NOT OLD.simulated) EXECUTE FUNCTION keep_real_rows();

-- m2, kg, % wet basis; the yield in t/ha is of grain at the moisture of the basis.
CREATE TABLE ground_cut (
    dataset_id text NOT NULL REFERENCES ground_dataset ON DELETE CASCADE,
    row integer NOT NULL CHECK (row > 0),
    cut_id text NOT NULL CHECK (cut_id <> ''),
    lon longitude NOT NULL,
    lat latitude NOT NULL,
    year smallint NOT NULL,
    crop ground_crop NOT NULL,
    plot_m2 finite NOT NULL CHECK (plot_m2 > 0),
    grain_kg finite NOT NULL CHECK (grain_kg >= 0),
    moisture finite NOT NULL CHECK (moisture BETWEEN 0 AND 100),
    basis finite NOT NULL CHECK (basis BETWEEN 0 AND 100),
    yield_t_ha finite NOT NULL CHECK (yield_t_ha >= 0),
    county county_code,
    simulated boolean NOT NULL,
    PRIMARY KEY (cut_id, year)
);
CREATE INDEX ground_cut_by_dataset ON ground_cut (dataset_id);
CREATE TRIGGER keep_real_rows BEFORE UPDATE ON ground_cut FOR EACH ROW
    WHEN (NEW.simulated AND NOT OLD.simulated) EXECUTE FUNCTION keep_real_rows();

-- Two exports of one harvest carry the same places and times, so no point counts twice.
-- What the logger wrote is kept, impossible or not.
CREATE TABLE ground_monitor (
    dataset_id text NOT NULL REFERENCES ground_dataset ON DELETE CASCADE,
    row integer NOT NULL CHECK (row > 0),
    lon longitude NOT NULL,
    lat latitude NOT NULL,
    year smallint NOT NULL,
    crop ground_crop,
    time_s finite NOT NULL,
    interval_s finite,
    distance_m finite,
    swath_m finite,
    speed_m_s finite,
    flow_kg_s finite,
    moisture finite,
    elevation_m finite,
    basis finite NOT NULL CHECK (basis BETWEEN 0 AND 100),
    yield_t_ha finite,
    flag smallint NOT NULL CHECK (flag IN (1, 2, 3, 4, 9)),
    reason text,
    county county_code,
    simulated boolean NOT NULL,
    PRIMARY KEY (lon, lat, year, time_s),
    CONSTRAINT ground_monitor_failed_has_no_yield
        CHECK (flag IN (1, 2, 3) OR yield_t_ha IS NULL),
    CONSTRAINT ground_monitor_flag_has_a_reason CHECK (flag <= 2 OR reason IS NOT NULL)
);
CREATE INDEX ground_monitor_by_dataset ON ground_monitor (dataset_id);
CREATE TRIGGER keep_real_rows BEFORE UPDATE ON ground_monitor FOR EACH ROW
    WHEN (NEW.simulated AND NOT OLD.simulated) EXECUTE FUNCTION keep_real_rows();

-- NULL is a field that came from no file.
ALTER TABLE field ADD COLUMN dataset_id text
    REFERENCES ground_dataset ON DELETE CASCADE;
CREATE INDEX field_by_dataset ON field (dataset_id);
