-- What the exchange says of itself: orders, positions, balances, its own closed P&L.

CREATE TABLE trading.orders (
    account text NOT NULL,
    category text NOT NULL,
    symbol text NOT NULL,
    order_id text NOT NULL,
    order_link_id text NOT NULL,
    bot text,
    side text NOT NULL CHECK (side IN ('Buy', 'Sell')),
    order_type text NOT NULL,
    time_in_force text NOT NULL,
    status text NOT NULL,
    price numeric,
    quantity numeric NOT NULL,
    filled_quantity numeric NOT NULL,
    average_price numeric,
    reduce_only boolean NOT NULL,
    position_idx smallint NOT NULL,
    create_type text NOT NULL,
    stop_order_type text NOT NULL,
    trigger_price numeric,
    take_profit numeric,
    stop_loss numeric,
    reject_reason text NOT NULL,
    cancel_type text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, order_id)
);
COMMENT ON TABLE trading.orders IS 'Latest state of every order; never goes backwards. Writer: listener.';
CREATE INDEX orders_link ON trading.orders (account, order_link_id) WHERE order_link_id <> '';
CREATE INDEX orders_bot_symbol_time ON trading.orders (bot, symbol, created_at);

CREATE TABLE trading.positions (
    account text NOT NULL,
    category text NOT NULL,
    symbol text NOT NULL,
    position_idx smallint NOT NULL,
    quantity numeric NOT NULL,
    entry_price numeric NOT NULL,
    mark_price numeric,
    unrealized_pnl numeric NOT NULL,
    liq_price numeric,
    take_profit numeric,
    stop_loss numeric,
    trailing_stop numeric,
    leverage numeric,
    seq bigint,
    updated_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, category, symbol, position_idx)
);
COMMENT ON TABLE trading.positions IS
    'The exchange''s word on each position of an account, flat ones included; quantity is signed. Writer: listener.';

CREATE TABLE trading.equity_snapshots (
    account text NOT NULL,
    at timestamptz NOT NULL,
    equity numeric NOT NULL,
    balance numeric NOT NULL,
    available numeric NOT NULL,
    unrealized_pnl numeric NOT NULL,
    source text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, at)
);
COMMENT ON TABLE trading.equity_snapshots IS
    'Wallet of an account over time: equity and available in USD, balance in USDT. "at" is market clock. Writer: listener.';

CREATE TABLE trading.completed_trades (
    account text NOT NULL,
    category text NOT NULL,
    symbol text NOT NULL,
    order_id text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    bot text,
    side text NOT NULL CHECK (side IN ('Buy', 'Sell')),
    order_type text NOT NULL,
    exec_type text NOT NULL,
    quantity numeric NOT NULL,
    closed_quantity numeric NOT NULL,
    entry_value numeric NOT NULL,
    entry_price numeric NOT NULL,
    exit_value numeric NOT NULL,
    exit_price numeric NOT NULL,
    closed_pnl numeric NOT NULL,
    open_fee numeric,
    close_fee numeric,
    fill_count bigint NOT NULL,
    leverage numeric,
    synced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, category, symbol, order_id, created_at)
);
COMMENT ON TABLE trading.completed_trades IS
    'The exchange''s own closed P&L, one row per closing order (side is that order''s). Writer: trade_sync_service.';
CREATE INDEX completed_trades_bot_time ON trading.completed_trades (bot, updated_at);
CREATE INDEX completed_trades_account_time ON trading.completed_trades (account, updated_at);
