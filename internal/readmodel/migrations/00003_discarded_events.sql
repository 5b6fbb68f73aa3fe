-- Events that were given up for a projection, and what operators ask of one.

-- +goose Up

-- Events that a projection skips, in every version and generation.
CREATE TABLE discarded_events (
    name         TEXT   NOT NULL,
    sequence     BIGINT NOT NULL,
    enterprise   TEXT   NOT NULL, -- empty: it belongs to nobody
    subject      TEXT   NOT NULL,
    type         TEXT   NOT NULL, -- empty: it could not be decoded
    error        TEXT   NOT NULL, -- why it could not be applied
    stored_at    BIGINT NOT NULL, -- when the log took it; microseconds
    discarded_by TEXT   NOT NULL,
    discarded_at BIGINT NOT NULL, -- microseconds
    reason       TEXT   NOT NULL,
    PRIMARY KEY (name, sequence)
);

-- When the log took the event; microseconds; 0: not known.
ALTER TABLE dead_events ADD COLUMN stored_at BIGINT NOT NULL DEFAULT 0;

-- The last epoch that has tried all held events again.
ALTER TABLE projections ADD COLUMN retried BIGINT NOT NULL DEFAULT 0;

-- 1: tables that are made to be compared, and never read.
ALTER TABLE projections ADD COLUMN shadow BIGINT NOT NULL DEFAULT 0;
