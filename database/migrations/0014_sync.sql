-- What the exchange says of an account's past, beside what the ledger says: its transaction log, and how far each
-- comparison has come. Everything here is written by trade_sync_service, which may write no fill.

CREATE TABLE trading.account_log (
    number bigint GENERATED ALWAYS AS IDENTITY,
    account text NOT NULL,
    log_id text NOT NULL CHECK (log_id <> ''),
    at timestamptz NOT NULL,
    type text NOT NULL,
    sub_type text NOT NULL,
    category text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('Buy', 'Sell', '')),
    currency text NOT NULL CHECK (currency <> ''),
    quantity numeric NOT NULL,
    size numeric NOT NULL,
    price numeric NOT NULL,
    funding numeric NOT NULL,
    fee numeric NOT NULL,
    fee_rate numeric NOT NULL,
    cash_flow numeric NOT NULL,
    change numeric NOT NULL,
    balance numeric NOT NULL,
    bonus_change numeric NOT NULL,
    trade_id text NOT NULL,
    order_id text NOT NULL,
    order_link_id text NOT NULL,
    synced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, log_id)
);
COMMENT ON TABLE trading.account_log IS
    'The exchange''s transaction log of each account, one row per entry, as it was given. Writer: trade_sync_service.';
COMMENT ON COLUMN trading.account_log.number IS
    'Order of arrival here. Entries of one millisecond keep the order in which the exchange listed them.';
COMMENT ON COLUMN trading.account_log.fee IS 'Above 0 paid. change = cash_flow + funding - fee; balance is the wallet after it.';
COMMENT ON COLUMN trading.account_log.funding IS 'Above 0 received, which is the opposite of fills.fee of a funding.';
COMMENT ON COLUMN trading.account_log.size IS 'Signed position that the entry left.';
COMMENT ON COLUMN trading.account_log.trade_id IS 'The execution behind the entry (fills.exec_id), empty where there is none.';
CREATE INDEX account_log_time ON trading.account_log (account, at, number);

CREATE TRIGGER account_log_are_facts BEFORE UPDATE OR DELETE OR TRUNCATE ON trading.account_log
    FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change();
ALTER TABLE trading.account_log ENABLE ALWAYS TRIGGER account_log_are_facts;
REVOKE UPDATE, DELETE, TRUNCATE ON trading.account_log FROM CURRENT_USER;
GRANT INSERT ON trading.account_log TO alpha_sync_writer;

-- How far each comparison has come, window by window, so that a backfill goes on where it was interrupted and a gap
-- between two windows shows.
ALTER TABLE trading.sync_status
    ADD COLUMN window_start timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN window_end timestamptz NOT NULL DEFAULT 'infinity',
    ADD COLUMN complete boolean NOT NULL DEFAULT false,
    ADD COLUMN rows_read bigint NOT NULL DEFAULT 0,
    ADD COLUMN findings bigint NOT NULL DEFAULT 0,
    ADD COLUMN failures integer NOT NULL DEFAULT 0,
    ADD COLUMN cause text NOT NULL DEFAULT '',
    ADD COLUMN ok_at timestamptz,
    DROP CONSTRAINT sync_status_pkey,
    ADD PRIMARY KEY (account, task, window_start),
    ADD CHECK (window_start <= window_end);
COMMENT ON TABLE trading.sync_status IS
    'How far each comparison with the exchange has come, one row per account, task and window of market time (a week from '
    'Monday 00:00 UTC, both ends included; tasks without a window have one row). Writer: trade_sync_service.';
COMMENT ON COLUMN trading.sync_status.through IS
    'Market time up to which the window has been read; null when never. Of the task key: when the API key expires.';
COMMENT ON COLUMN trading.sync_status.complete IS 'Read to its end, and again after that.';
COMMENT ON COLUMN trading.sync_status.failures IS 'Runs in a row that failed; 0 after one that did not.';
COMMENT ON COLUMN trading.sync_status.cause IS 'One word for why it fails: key_expired, wrong_environment, clock...';
COMMENT ON COLUMN trading.sync_status.ran_at IS 'Last try, by the database''s clock; ok_at is the last that succeeded.';

-- What has to be synchronised at once: a person asks, the service takes it up within seconds.
CREATE TABLE trading.sync_requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text,
    by text NOT NULL,
    why text NOT NULL DEFAULT '',
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    taken_at timestamptz,
    done_at timestamptz,
    ok boolean,
    result jsonb,
    CHECK ((done_at IS NULL) = (ok IS NULL))
);
COMMENT ON TABLE trading.sync_requests IS
    'Synchronisations asked for; without an account of all of them. Written by who asks, answered by trade_sync_service.';
CREATE INDEX sync_requests_waiting ON trading.sync_requests (id) WHERE done_at IS NULL;
GRANT INSERT (account, by, why) ON trading.sync_requests TO alpha_commander, alpha_sync_writer;
GRANT UPDATE (taken_at, done_at, ok, result) ON trading.sync_requests TO alpha_sync_writer;

-- Balances: the listener writes them while it follows an account, the sync service every hour, also when none does.
GRANT INSERT ON trading.equity_snapshots TO alpha_sync_writer;
COMMENT ON TABLE trading.equity_snapshots IS
    'Wallet of an account over time: equity and available in USD, balance in USDT. "at" is market clock. Writers: listener '
    'and trade_sync_service, which "source" tells apart; no row is ever changed.';

-- Bybit's row of a closing order says when it closed and by which side, not when the position was opened: that comes
-- from our fills. `side` is the closing order's, so what was closed is the opposite.
CREATE VIEW trading.completed_trade_entries AS
SELECT c.account, c.category, c.symbol, c.order_id, c.created_at, c.updated_at,
       c.side AS closing_side,
       CASE c.side WHEN 'Sell' THEN 'long' ELSE 'short' END AS direction,
       coalesce(o.bot, c.bot) AS bot,
       c.closed_quantity, c.entry_price, c.exit_price, c.closed_pnl, c.open_fee, c.close_fee,
       o.fills, o.quantity AS our_quantity, o.fees AS our_fees, o.exit_reason,
       t.opened_at AS entry_at, t.entry_price AS our_entry_price, t.entry_reason, t.first_exec_id
FROM trading.completed_trades AS c
LEFT JOIN LATERAL (
    SELECT min(f.bot) AS bot, min(f.position_idx) AS position_idx, max(f.exec_time) AS last_at,
           count(*) AS fills, sum(f.quantity) AS quantity, sum(f.fee) AS fees, min(f.reason) AS exit_reason
    FROM trading.owned_fills AS f
    WHERE f.account = c.account AND f.exec_time BETWEEN c.created_at AND c.updated_at
        AND f.order_id = c.order_id AND f.symbol = c.symbol
) AS o ON true
LEFT JOIN LATERAL (
    SELECT t.opened_at, t.entry_price, t.entry_reason, t.first_exec_id
    FROM trading.trades AS t
    WHERE t.account = c.account AND t.bot = o.bot AND t.symbol = c.symbol AND t.position_idx = o.position_idx
        AND t.direction = CASE c.side WHEN 'Sell' THEN 'long' ELSE 'short' END
        AND t.opened_at <= o.last_at AND t.closed_at >= c.created_at
    ORDER BY t.opened_at DESC LIMIT 1
) AS t ON true;
COMMENT ON VIEW trading.completed_trade_entries IS
    'The exchange''s closed P&L beside the round trip of ours that each closing order belongs to. entry_at and entry_reason '
    'are our fills''; null while the position is still open, and for orders from before the ledger began.';
