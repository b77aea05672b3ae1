-- m/s at 2 m, mean relative humidity in %; the source is null where nobody said it.
ALTER TABLE county_weather
    ADD COLUMN wind finite CHECK (wind >= 0),
    ADD COLUMN humidity finite CHECK (humidity BETWEEN 0 AND 100),
    ADD COLUMN source text CHECK (source <> '');

-- No foreign key: a field is stored once a year, its weather runs through the years.
CREATE TABLE field_weather (
    field_id text NOT NULL CHECK (field_id <> ''),
    day date NOT NULL,
    tmin finite,
    tmax finite,
    precipitation finite CHECK (precipitation >= 0),
    radiation finite CHECK (radiation >= 0),
    wind finite CHECK (wind >= 0),
    humidity finite CHECK (humidity BETWEEN 0 AND 100),
    source text CHECK (source <> ''),
    simulated boolean NOT NULL,
    PRIMARY KEY (field_id, day),
    CONSTRAINT field_weather_tmin_below_tmax CHECK (tmin <= tmax)
);
CREATE INDEX field_weather_by_day ON field_weather (day);
CREATE TRIGGER keep_real_rows BEFORE UPDATE ON field_weather FOR EACH ROW
    WHEN (NEW.simulated AND NOT OLD.simulated) EXECUTE FUNCTION keep_real_rows();
