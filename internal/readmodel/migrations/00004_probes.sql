-- What the last probe of each peer found. It is not made from the log: samples
-- may be lost, and nothing follows from them.

-- +goose Up
CREATE TABLE probes (
    enterprise TEXT   NOT NULL,
    peer       TEXT   NOT NULL,
    started    BIGINT NOT NULL, -- microseconds
    ok         BIGINT NOT NULL, -- 1: the peer answered on every layer
    latency_us BIGINT NOT NULL, -- 0: there was none
    layer      TEXT   NOT NULL, -- of what failed, or needs attention
    code       TEXT   NOT NULL,
    message    TEXT   NOT NULL,
    config_seq BIGINT NOT NULL, -- the configuration that was probed
    prober     TEXT   NOT NULL,
    PRIMARY KEY (enterprise, peer)
);
