-- The last day of the data an estimate was made from, and what it has to beat: the
-- county's trend and five-year mean, in the unit of the value. Unknown of older rows.
-- A final estimate quotes a statistic, which states its source and no interval.
ALTER TABLE estimate
    ADD COLUMN as_of date,
    ADD COLUMN trend finite,
    ADD COLUMN mean5 finite,
    ADD COLUMN source text CHECK (source <> ''),
    ALTER COLUMN "interval" DROP NOT NULL,
    DROP CONSTRAINT estimate_interval_is_whole,
    ADD CONSTRAINT estimate_interval_is_whole CHECK (
        (num_nulls(value, lower, upper) IN (0, 3) AND "interval" IS NOT NULL)
        OR (status = 'final' AND num_nulls(lower, upper, "interval") = 3)
    ),
    ADD CONSTRAINT estimate_as_of_its_year
        CHECK (extract(year FROM as_of) = year);

-- Not of the rows before: they were stored under other rules.
ALTER TABLE estimate
    ADD CONSTRAINT estimate_unit_of_its_measure CHECK (
        (measure, unit) IN (('yield', 't/ha'), ('area', 'ha'), ('production', 't'))
    ) NOT VALID,
    ADD CONSTRAINT estimate_whole_final_has_a_source
        CHECK (status <> 'final' OR source IS NOT NULL) NOT VALID;

-- How a run's model and its baselines did in past years that they had not seen.
CREATE TABLE estimate_skill (
    run_id text NOT NULL REFERENCES run,
    crop crop_name NOT NULL,
    measure text NOT NULL,
    years smallint[] NOT NULL,
    compared integer NOT NULL CHECK (compared >= 0),
    rmse finite CHECK (rmse >= 0),
    rmse_trend finite CHECK (rmse_trend >= 0),
    rmse_mean5 finite CHECK (rmse_mean5 >= 0),
    coverage finite CHECK (coverage BETWEEN 0 AND 1),
    -- Share of the squared error that all counties of a year have in common.
    shared finite CHECK (shared BETWEEN 0 AND 1),
    PRIMARY KEY (run_id, crop, measure)
);

-- Of a season that is not over: NDVI at its end. Then sos, pos and eos are unknown.
ALTER TABLE season_feature ADD COLUMN latest finite;
