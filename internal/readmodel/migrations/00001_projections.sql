-- The state of the projections. Their own tables are made by the projections,
-- one set for each version and generation.

-- +goose Up
CREATE TABLE projections (
    name           TEXT   NOT NULL,
    version        BIGINT NOT NULL,
    generation     BIGINT NOT NULL,
    active         BIGINT NOT NULL, -- 1: queries read this generation
    position       BIGINT NOT NULL, -- stream sequence up to which it is applied
    stream_created BIGINT NOT NULL, -- of the stream that was read; nanoseconds
    fingerprint    TEXT   NOT NULL, -- of the message at position
    epoch          BIGINT NOT NULL, -- grows with every new owner
    beat           BIGINT NOT NULL, -- grows while the owner is alive
    owner          TEXT   NOT NULL, -- empty: nobody
    stopped        TEXT   NOT NULL, -- why it does not follow the log any more; empty: it does
    PRIMARY KEY (name, version, generation)
);

-- Events that could not be applied.
CREATE TABLE dead_events (
    name       TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    sequence   BIGINT NOT NULL,
    enterprise TEXT   NOT NULL, -- empty: it belongs to nobody
    subject    TEXT   NOT NULL,
    type       TEXT   NOT NULL, -- empty: it could not be decoded
    error      TEXT   NOT NULL,
    PRIMARY KEY (name, version, generation, sequence)
);

-- Enterprises whose events are held behind one that could not be applied.
CREATE TABLE held (
    name       TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    enterprise TEXT   NOT NULL,
    held_at    BIGINT NOT NULL, -- the first sequence that is not applied
    PRIMARY KEY (name, version, generation, enterprise)
);
