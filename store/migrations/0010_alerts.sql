-- Replaced as a whole, with a new id: the states of the old one go with it.
CREATE TABLE alert_rule (
    rule_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    body jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);

-- What a rule remembers of one target, cursors included.
CREATE TABLE alert_state (
    rule_id integer NOT NULL REFERENCES alert_rule ON DELETE CASCADE,
    key text NOT NULL,
    state jsonb NOT NULL,
    PRIMARY KEY (rule_id, key)
);

-- Counts the evaluations that changed something: a process whose last one has this
-- number may trust what it remembers.
CREATE TABLE alert_turn (turn bigint NOT NULL);
CREATE UNIQUE INDEX alert_turn_is_one_row ON alert_turn ((true));
INSERT INTO alert_turn (turn) VALUES (0);

-- In rising order, so that severities compare.
CREATE TYPE alert_severity AS ENUM ('info', 'warning', 'critical');

-- No reference to the rule: an alert outlives it. A summary stands for the alerts that
-- name it.
CREATE TABLE alert (
    alert_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id integer NOT NULL,
    rule text NOT NULL,
    key text NOT NULL,
    kind text NOT NULL
        CHECK (kind IN ('threshold', 'rate', 'silence', 'formula', 'summary')),
    farm text NOT NULL,
    device_id text NOT NULL,
    thing text NOT NULL,
    severity alert_severity NOT NULL,
    text_zh text NOT NULL,
    text_en text NOT NULL,
    value finite,
    evidence jsonb NOT NULL,
    simulated boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    noticed_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note text,
    cleared_at timestamptz,
    cleared_because text CHECK (cleared_because IN ('settled', 'rule changed')),
    summary_id bigint REFERENCES alert,
    CONSTRAINT alert_clearing_is_whole
        CHECK (num_nulls(cleared_at, cleared_because) IN (0, 2)),
    CONSTRAINT alert_acknowledgement_is_whole
        CHECK (num_nulls(acknowledged_at, acknowledged_by) IN (0, 2))
);
CREATE UNIQUE INDEX alert_open_once ON alert (rule_id, key) WHERE cleared_at IS NULL;
CREATE INDEX alert_by_noticing ON alert (noticed_at);
CREATE INDEX alert_by_farm ON alert (rule_id, farm, noticed_at);
CREATE INDEX alert_by_summary ON alert (summary_id) WHERE summary_id IS NOT NULL;

CREATE TABLE alert_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL REFERENCES alert,
    change text NOT NULL CHECK (change IN
        ('opened', 'escalated', 'reminded', 'acknowledged', 'cleared')),
    severity alert_severity NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL,
    note text NOT NULL DEFAULT ''
);
CREATE INDEX alert_change_by_alert ON alert_change (alert_id);

-- farm NULL: all farms. The secret signs or signs in; it is never shown.
CREATE TABLE notification_channel (
    channel_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('mqtt', 'webhook', 'email')),
    address text NOT NULL CHECK (address <> ''),
    language text NOT NULL CHECK (language IN ('zh', 'en')),
    secret text,
    farm text,
    severity alert_severity NOT NULL,
    per_hour integer NOT NULL CHECK (per_hour > 0),
    created_at timestamptz NOT NULL
);

CREATE TABLE notification (
    notification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id integer NOT NULL REFERENCES notification_channel ON DELETE CASCADE,
    change_id bigint NOT NULL REFERENCES alert_change,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sent', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    tried_at timestamptz,
    settled_at timestamptz,
    error text,
    UNIQUE (change_id, channel_id)
);
CREATE INDEX notification_due ON notification (channel_id, due_at)
    WHERE state = 'queued';
CREATE INDEX notification_tried ON notification (channel_id, tried_at);

CREATE TABLE command (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    command_id text PRIMARY KEY CHECK (command_id <> ''),
    device_id text NOT NULL REFERENCES device,
    desired jsonb NOT NULL,
    valid_s integer NOT NULL CHECK (valid_s > 0),
    forced boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'sent', 'delivered', 'confirmed',
        'expired', 'refused', 'failed', 'superseded')),
    reason text,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    valid_until timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    sent_at timestamptz,
    settled_at timestamptz,
    CONSTRAINT command_open_or_settled CHECK (
        (settled_at IS NULL) = (state IN ('queued', 'sent', 'delivered')))
);
CREATE INDEX command_by_device ON command (device_id, number);
CREATE INDEX command_open ON command (due_at) WHERE settled_at IS NULL;

CREATE TABLE command_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command_id text NOT NULL REFERENCES command,
    state text NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL,
    note text NOT NULL DEFAULT ''
);
CREATE INDEX command_change_by_command ON command_change (command_id);

-- Every report of a device once, whatever the number of times it was sent.
CREATE TABLE state_report (
    device_id text NOT NULL REFERENCES device,
    time timestamptz NOT NULL CHECK (isfinite(time)),
    digest bytea NOT NULL,
    state jsonb NOT NULL,
    command_id text,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, time, digest)
);

-- Newest reported value of each actuator.
CREATE TABLE actuator_state (
    device_id text NOT NULL REFERENCES device,
    actuator text NOT NULL,
    value jsonb NOT NULL,
    time timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, actuator)
);
