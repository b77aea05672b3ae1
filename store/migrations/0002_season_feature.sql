-- County means of one season run; a year can have several runs, each kept.
CREATE TABLE season_feature (
    run_id text NOT NULL REFERENCES run,
    county county_code NOT NULL,
    crop crop_name NOT NULL,
    year smallint NOT NULL,
    peak finite,
    integral finite,
    sos finite,
    pos finite,
    eos finite,
    pixels integer NOT NULL CHECK (pixels >= 0),
    clear_share finite CHECK (clear_share BETWEEN 0 AND 1),
    PRIMARY KEY (run_id, county, crop)
);
