-- What a person asks. Accounts of backtests are left out unless asked for: SET alpha.include_backtest = 'on'.
-- Days are UTC and market clock. All money in the quote currency; fees above 0 were paid, funding above 0 was received.

CREATE VIEW trading.uncounted_accounts AS
SELECT account
FROM trading.accounts
WHERE kind = 'backtest' AND coalesce(current_setting('alpha.include_backtest', true), '') <> 'on';
COMMENT ON VIEW trading.uncounted_accounts IS 'Accounts that the views below leave out.';

CREATE VIEW trading.bot_daily_performance AS
WITH by_fill AS (
    SELECT
        f.bot,
        (f.exec_time AT TIME ZONE 'UTC')::date AS day,
        count(*) AS fills,
        sum(f.notional) FILTER (WHERE f.exec_type <> 'Funding') AS volume,
        sum(f.fee) FILTER (WHERE f.exec_type <> 'Funding') AS fees,
        -sum(f.fee) FILTER (WHERE f.exec_type = 'Funding') AS funding
    FROM trading.fills AS f
    WHERE f.bot IS NOT NULL AND f.account NOT IN (SELECT account FROM trading.uncounted_accounts)
    GROUP BY 1, 2
), by_trade AS (
    SELECT
        t.bot,
        (t.closed_at AT TIME ZONE 'UTC')::date AS day,
        count(*) AS trades,
        count(*) FILTER (WHERE t.net_pnl > 0) AS wins,
        count(*) FILTER (WHERE t.net_pnl < 0) AS losses,
        sum(t.gross_pnl) AS gross_pnl,
        sum(t.net_pnl) AS net_pnl
    FROM trading.trades AS t
    WHERE t.account NOT IN (SELECT account FROM trading.uncounted_accounts)
    GROUP BY 1, 2
)
SELECT
    bot,
    day,
    coalesce(f.fills, 0) AS fills,
    coalesce(f.volume, 0) AS volume,
    coalesce(f.fees, 0) AS fees,
    coalesce(f.funding, 0) AS funding,
    coalesce(t.trades, 0) AS trades,
    coalesce(t.wins, 0) AS wins,
    coalesce(t.losses, 0) AS losses,
    coalesce(t.gross_pnl, 0) AS gross_pnl,
    coalesce(t.net_pnl, 0) AS net_pnl
FROM by_fill AS f
FULL JOIN by_trade AS t USING (bot, day);
COMMENT ON VIEW trading.bot_daily_performance IS
    'Per bot and day: fills, volume, fees and funding of that day''s fills; P&L of the round trips that closed that day.';

CREATE VIEW trading.position_summaries AS
SELECT
    b.bot,
    b.account,
    b.symbol,
    b.position_idx,
    b.open_direction AS direction,
    b.quantity,
    nullif(b.entry_price, 0) AS entry_price,
    b.open_opened_at AS opened_at,
    p.mark_price,
    (p.mark_price - b.entry_price) * b.quantity AS unrealized_pnl,
    p.liq_price,
    p.stop_loss,
    p.take_profit,
    b.realized_pnl,
    b.fees,
    b.funding,
    b.realized_pnl - b.fees + b.funding AS net_pnl,
    b.fill_count AS fills,
    b.last_exec_time AS last_fill_at
FROM trading.books AS b
LEFT JOIN trading.positions AS p
    ON p.account = b.account AND p.symbol = b.symbol AND p.position_idx = b.position_idx AND p.category = 'linear'
WHERE b.account NOT IN (SELECT account FROM trading.uncounted_accounts);
COMMENT ON VIEW trading.position_summaries IS
    'Per bot and symbol: what it holds (signed quantity, 0 when flat), at which prices, and what it has earned there.';

CREATE VIEW trading.exit_reason_analysis AS
SELECT
    t.bot,
    t.exit_reason,
    count(*) AS trades,
    count(*) FILTER (WHERE t.net_pnl > 0) AS wins,
    count(*) FILTER (WHERE t.net_pnl < 0) AS losses,
    round(count(*) FILTER (WHERE t.net_pnl > 0) * 100.0 / count(*), 2) AS win_percent,
    sum(t.gross_pnl) AS gross_pnl,
    sum(t.fees) AS fees,
    sum(t.funding) AS funding,
    sum(t.net_pnl) AS net_pnl,
    avg(t.net_pnl) AS average_net_pnl,
    avg(t.closed_at - t.opened_at) AS average_duration
FROM trading.trades AS t
WHERE t.account NOT IN (SELECT account FROM trading.uncounted_accounts)
GROUP BY t.bot, t.exit_reason;
COMMENT ON VIEW trading.exit_reason_analysis IS 'Per bot and reason of the closing fill: how often and with what result.';

CREATE VIEW trading.bot_performance AS
SELECT
    b.bot,
    sum(b.fill_count)::bigint AS fills,
    max(t.trades) AS trades,
    sum(b.realized_pnl) AS realized_pnl,
    sum(b.fees) AS fees,
    sum(b.funding) AS funding,
    sum(b.realized_pnl - b.fees + b.funding) AS net_pnl,
    max(b.last_exec_time) AS last_fill_at
FROM trading.books AS b
CROSS JOIN LATERAL (
    SELECT count(*) AS trades
    FROM trading.trades AS t
    WHERE t.bot = b.bot AND t.account NOT IN (SELECT account FROM trading.uncounted_accounts)
) AS t
WHERE b.account NOT IN (SELECT account FROM trading.uncounted_accounts)
GROUP BY b.bot;
COMMENT ON VIEW trading.bot_performance IS 'Per bot over its whole life.';
