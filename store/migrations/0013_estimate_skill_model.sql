-- Which of its candidate models a run estimated a crop with. Unknown of older rows.
ALTER TABLE estimate_skill ADD COLUMN model text;
