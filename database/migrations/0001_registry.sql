-- Who trades where, as bots.yaml says. Rows are never deleted: history refers to them, and a bot's code is never reused.

CREATE TABLE trading.accounts (
    account text PRIMARY KEY CHECK (account <> ''),
    kind text NOT NULL CHECK (kind IN ('live', 'demo', 'testnet', 'paper', 'backtest')),
    uid text,
    position_mode text NOT NULL DEFAULT 'one_way' CHECK (position_mode IN ('one_way', 'hedge')),
    first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.accounts IS 'One row per exchange account (one UID). Writer: listener.';

CREATE TABLE trading.bots (
    bot text PRIMARY KEY CHECK (bot <> ''),
    code text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9]{2,6}$'),
    account text NOT NULL REFERENCES trading.accounts,
    strategy text NOT NULL,
    category text NOT NULL,
    symbols text[] NOT NULL,
    redis_db integer NOT NULL,
    capital_usdt numeric CHECK (capital_usdt > 0),
    params jsonb NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true,
    first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.bots IS 'Every bot that was ever registered; active: in bots.yaml now. Writer: listener.';

-- Facts are inserted and stay. The trigger holds for whoever asks, a superuser and the owner included, and also while
-- session_replication_role is replica (ENABLE ALWAYS); grants alone would not stop an owner.
CREATE FUNCTION trading.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is refused: its rows are facts and stay as they are', tg_op, tg_table_schema, tg_table_name
        USING ERRCODE = 'restrict_violation';
END
$$;
