-- Bearer tokens. Of a token itself only a hash is kept. One that was revoked
-- stays: the history names it.

-- +goose Up
CREATE TABLE tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    hash       TEXT   NOT NULL UNIQUE, -- SHA-256 of the token, hexadecimal
    role       TEXT   NOT NULL,
    enterprise TEXT   NOT NULL, -- empty: all
    note       TEXT   NOT NULL,
    created_at BIGINT NOT NULL, -- microseconds, as all times here
    created_by TEXT   NOT NULL,
    last_used  BIGINT NOT NULL, -- 0: never
    revoked_at BIGINT NOT NULL, -- 0: it is good
    revoked_by TEXT   NOT NULL
);
