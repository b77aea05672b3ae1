-- Yearbooks give area, production and yield, or two of them. The file and the county's
-- name and code as written there keep a number traceable when counties are renamed.
ALTER TABLE county_statistic
    ADD COLUMN production_t finite CHECK (production_t >= 0),
    ADD COLUMN derived text CHECK (derived IN ('area', 'production', 'yield')),
    ADD COLUMN file text,
    ADD COLUMN written text;
