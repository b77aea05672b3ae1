-- Standard error in the unit of the value, where the law behind an estimate has one,
-- and what the hectares of an area or a production rest on. Unknown of older rows.
ALTER TABLE estimate
    ADD COLUMN se finite CHECK (se >= 0),
    ADD COLUMN area_source text
        CHECK (area_source IN ('survey', 'statistics', 'survey+statistics')),
    ADD CONSTRAINT estimate_error_is_of_a_value CHECK (se IS NULL OR value IS NOT NULL);
