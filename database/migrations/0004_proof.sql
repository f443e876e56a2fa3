-- What we know to be complete, what disagrees, and what could not be read.

CREATE TABLE trading.coverage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('heard', 'proven', 'unproven', 'unreachable')),
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    detail text NOT NULL DEFAULT '',
    by text NOT NULL DEFAULT session_user,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (started_at <= ended_at)
);
COMMENT ON TABLE trading.coverage IS
    'Intervals of market time per account. heard: the stream was live; proven: read from REST to the last page; unproven: '
    'in doubt; unreachable: older than the exchange keeps. Later rows overrule earlier ones. Writer: listener; others doubt '
    'through trading.mark_unproven.';
CREATE INDEX coverage_account ON trading.coverage (account, kind, id);

CREATE FUNCTION trading.mark_unproven(of_account text, since timestamptz, until timestamptz, why text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO trading.coverage (account, kind, started_at, ended_at, detail)
    VALUES (of_account, 'unproven', since, until, why)
    RETURNING id
$$;
COMMENT ON FUNCTION trading.mark_unproven IS
    'Doubts an interval, so that the listener reads it again: all that a service without the right to write fills can do.';
REVOKE ALL ON FUNCTION trading.mark_unproven(text, timestamptz, timestamptz, text) FROM PUBLIC;

CREATE TABLE trading.drift (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    times bigint NOT NULL DEFAULT 1,
    kind text NOT NULL,
    account text NOT NULL,
    bot text,
    symbol text,
    subject text NOT NULL,
    detail jsonb NOT NULL,
    fingerprint text NOT NULL,
    blocks_entries boolean NOT NULL DEFAULT true,
    resolved_at timestamptz,
    resolved_by text,
    resolution text,
    CHECK ((resolved_at IS NULL) = (resolved_by IS NULL))
);
COMMENT ON TABLE trading.drift IS
    'Where ledger and exchange disagree, until resolved or accepted by a person. The same finding is counted, not repeated.';
CREATE UNIQUE INDEX drift_open ON trading.drift (account, kind, subject, fingerprint) WHERE resolved_at IS NULL;
CREATE INDEX drift_found ON trading.drift (account, found_at);

CREATE TABLE trading.raw_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    topic text NOT NULL,
    reason text NOT NULL,
    raw text NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    replayed_at timestamptz,
    replay_result text
);
COMMENT ON TABLE trading.raw_events IS 'What the exchange sent and we could not read, verbatim. Writer: listener.';
CREATE INDEX raw_events_waiting ON trading.raw_events (id) WHERE replayed_at IS NULL;

CREATE TABLE trading.sync_status (
    account text NOT NULL,
    task text NOT NULL,
    through timestamptz,
    ok boolean NOT NULL,
    detail text NOT NULL DEFAULT '',
    ran_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, task)
);
COMMENT ON TABLE trading.sync_status IS
    'Last run of each comparison with the exchange and the market time it reached. Writer: trade_sync_service.';
