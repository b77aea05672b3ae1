-- A run is issued again when its inputs return: the last issue tells which estimate
-- counts, whatever the clock says.
CREATE TABLE estimate_issue (
    issue bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES run,
    issued_at timestamptz NOT NULL
);

-- By time first, as estimates were shown so far.
INSERT INTO estimate_issue (run_id, issued_at)
SELECT run_id, max(issued_at) FROM estimate GROUP BY run_id
ORDER BY max(issued_at), max(issue);

ALTER TABLE estimate DROP COLUMN issue, DROP COLUMN issued_at;
CREATE INDEX estimate_by_run ON estimate (run_id);
