-- What a person asks with a SQL client. Accounts of backtests are left out unless asked for:
-- SET alpha.include_backtest = 'on'. Money is in the quote currency; fees above 0 were paid, funding above 0 was
-- received. Views that end in _local cut days, months and hours in the zone of trading.reporting_zone, the others in
-- UTC; both are market clock. docs/database shows each of them with an example.

-- Per bot and day, as of the last commit: what was folded, and the rows themselves where anything changed since.
CREATE VIEW trading.current_bot_days AS
SELECT
    account, bot, day, zone_day, fills, volume, maker_volume, fees, funding, trades, wins, losses, gross_pnl, net_pnl,
    won, lost
FROM trading.bot_days AS d
WHERE NOT EXISTS (
    SELECT FROM trading.bot_symbol_days AS s
    WHERE s.day = d.day AND s.bot = d.bot AND s.account = d.account AND NOT s.folded
)
UNION ALL
SELECT
    account, bot, day, zone_day, sum(fills)::bigint, sum(volume), sum(maker_volume), sum(fees), sum(funding),
    sum(trades)::bigint, sum(wins)::bigint, sum(losses)::bigint, sum(gross_pnl), sum(net_pnl), sum(won), sum(lost)
FROM trading.bot_symbol_days AS s
WHERE (day, bot, account) IN (SELECT day, bot, account FROM trading.bot_symbol_days WHERE NOT folded)
GROUP BY account, bot, day, zone_day;
COMMENT ON VIEW trading.current_bot_days IS
    'Sums per bot and pair of UTC day and day of the zone, as of the last commit. What the daily views are made of.';

CREATE VIEW trading.current_portfolio_days AS
SELECT
    kind, day, zone_day, fills, volume, maker_volume, fees, funding, trades, wins, losses, gross_pnl, net_pnl, won, lost
FROM trading.portfolio_days AS d
WHERE NOT EXISTS (SELECT FROM trading.bot_symbol_days AS s WHERE s.day = d.day AND NOT s.folded)
UNION ALL
SELECT
    coalesce(a.kind, 'unregistered'), s.day, s.zone_day, sum(s.fills)::bigint, sum(s.volume), sum(s.maker_volume),
    sum(s.fees), sum(s.funding), sum(s.trades)::bigint, sum(s.wins)::bigint, sum(s.losses)::bigint, sum(s.gross_pnl),
    sum(s.net_pnl), sum(s.won), sum(s.lost)
FROM trading.bot_symbol_days AS s LEFT JOIN trading.accounts AS a USING (account)
WHERE s.day IN (SELECT day FROM trading.bot_symbol_days WHERE NOT folded)
GROUP BY 1, 2, 3;
COMMENT ON VIEW trading.current_portfolio_days IS
    'Sums over all bots per kind of account and pair of UTC day and day of the zone, as of the last commit.';

-- The same questions in two calendars and over two groups: what is summed is said once.
DO $$
DECLARE
    sums CONSTANT text := '
        sum(fills)::bigint AS fills,
        sum(volume) AS volume,
        sum(fees) AS fees,
        sum(funding) AS funding,
        sum(trades)::bigint AS trades,
        sum(wins)::bigint AS wins,
        sum(losses)::bigint AS losses,
        sum(gross_pnl) AS gross_pnl,
        sum(net_pnl) AS net_pnl,
        sum(maker_volume) AS maker_volume,
        sum(won) AS won,
        sum(lost) AS lost,
        round(sum(won) / nullif(-sum(lost), 0), 4) AS profit_factor,
        round(sum(wins) * 100 / nullif(sum(trades), 0), 2) AS win_percent';
    -- A day can be left without anything: the fill was another bot's after all.
    anything CONSTANT text := 'HAVING sum(fills) <> 0 OR sum(trades) <> 0';
    counted CONSTANT text := 'account NOT IN (SELECT account FROM trading.uncounted_accounts)';
    counted_kinds CONSTANT text :=
        'kind <> ''backtest'' OR coalesce(current_setting(''alpha.include_backtest'', true), '''') = ''on''';
    of_day CONSTANT text :=
        'fills, volume, fees and funding of its fills; trades and P&L of the round trips that closed in it';
    calendar record;
    made record;
BEGIN
    FOR calendar IN
        SELECT * FROM (VALUES ('', 'day', 'UTC'), ('_local', 'zone_day', 'reporting zone')) AS c (suffix, day, zone)
    LOOP
        FOR made IN
            SELECT * FROM (VALUES
                ('bot_daily_performance', 'bot', 'day', '1, 2', 'current_bot_days', counted, 'bot and day'),
                ('bot_monthly_performance', 'bot', 'month', '1, 2', 'current_bot_days', counted, 'bot and month'),
                ('symbol_daily_performance', 'bot, symbol', 'day', '1, 2, 3', 'bot_symbol_days', counted,
                    'bot, symbol and day'),
                ('symbol_monthly_performance', 'bot, symbol', 'month', '1, 2, 3', 'bot_symbol_days', counted,
                    'bot, symbol and month'),
                ('portfolio_daily_performance', NULL, 'day', '1', 'current_portfolio_days', counted_kinds,
                    'day over all bots'),
                ('portfolio_monthly_performance', NULL, 'month', '1', 'current_portfolio_days', counted_kinds,
                    'month over all bots')
            ) AS v (name, whose, period, keys, source, condition, per)
        LOOP
            EXECUTE format(
                'CREATE OR REPLACE VIEW trading.%I AS SELECT %s AS %I, %s FROM trading.%I WHERE %s GROUP BY %s %s',
                made.name || calendar.suffix,
                concat_ws(', ', made.whose, CASE made.period WHEN 'day' THEN calendar.day
                    ELSE format('date_trunc(''month'', %I::timestamp)::date', calendar.day) END),
                made.period, sums, made.source, made.condition, made.keys, anything);
            EXECUTE format('COMMENT ON VIEW trading.%I IS %L', made.name || calendar.suffix,
                format('Per %s (%s; a month is told by its first day): %s.', made.per, calendar.zone, of_day));
        END LOOP;

        -- Where the curve was highest, from 0 on, and how far below that it is.
        EXECUTE format('
            CREATE VIEW trading.%I AS
            WITH days AS (
                SELECT bot, day, gross_pnl - fees + funding AS result FROM trading.%I
            ), totals AS (
                SELECT *, sum(result) OVER (PARTITION BY bot ORDER BY day) AS total FROM days
            ), peaks AS (
                SELECT *, greatest(0, max(total) OVER (PARTITION BY bot ORDER BY day)) AS peak FROM totals
            )
            SELECT
                p.bot, p.day, p.result, p.total, b.capital_usdt + p.total AS equity, p.peak,
                p.peak - p.total AS drawdown,
                round((p.peak - p.total) * 100 / nullif(b.capital_usdt + p.peak, 0), 2) AS drawdown_percent
            FROM peaks AS p LEFT JOIN trading.bots AS b USING (bot)',
            'equity_curve' || calendar.suffix, 'bot_daily_performance' || calendar.suffix);
        EXECUTE format('COMMENT ON VIEW trading.%I IS %L', 'equity_curve' || calendar.suffix, format(
            'Per bot and day (%s): what was realized (round trips closed, fees and funding of the day), in all so far, and '
            'how far below its highest. equity and drawdown_percent need the bot''s capital_usdt.', calendar.zone));
        EXECUTE format('
            CREATE VIEW trading.%I AS
            WITH days AS (
                SELECT day, gross_pnl - fees + funding AS result FROM trading.%I
            ), totals AS (
                SELECT *, sum(result) OVER (ORDER BY day) AS total FROM days
            ), peaks AS (
                SELECT *, greatest(0, max(total) OVER (ORDER BY day)) AS peak FROM totals
            ), bots AS (
                SELECT sum(capital_usdt) AS capital FROM trading.bots WHERE %s
            )
            SELECT
                p.day, p.result, p.total, b.capital + p.total AS equity, p.peak, p.peak - p.total AS drawdown,
                round((p.peak - p.total) * 100 / nullif(b.capital + p.peak, 0), 2) AS drawdown_percent
            FROM peaks AS p CROSS JOIN bots AS b',
            'portfolio_equity_curve' || calendar.suffix, 'portfolio_daily_performance' || calendar.suffix, counted);
        EXECUTE format('COMMENT ON VIEW trading.%I IS %L', 'portfolio_equity_curve' || calendar.suffix, format(
            'As equity_curve, over all bots (%s); their capital is the sum of what each declares.', calendar.zone));

        FOR made IN SELECT * FROM (VALUES
            ('performance_by_hour', 'hour', 'hour', 'hour of the day (0 to 23) in which'),
            ('performance_by_weekday', 'isodow', 'weekday', 'weekday (1 is Monday) on which')
        ) AS v (name, part, field, when_it)
        LOOP
            EXECUTE format('
                CREATE VIEW trading.%I AS
                SELECT
                    t.bot,
                    extract(%s FROM t.opened_at AT TIME ZONE %s)::integer AS %I,
                    count(*) AS trades,
                    count(*) FILTER (WHERE t.net_pnl > 0) AS wins,
                    count(*) FILTER (WHERE t.net_pnl < 0) AS losses,
                    round(count(*) FILTER (WHERE t.net_pnl > 0) * 100.0 / count(*), 2) AS win_percent,
                    sum(t.gross_pnl) AS gross_pnl,
                    sum(t.fees) AS fees,
                    sum(t.funding) AS funding,
                    sum(t.net_pnl) AS net_pnl,
                    avg(t.net_pnl) AS average_net_pnl
                FROM trading.trades AS t CROSS JOIN trading.reporting_zone AS z
                WHERE t.%s
                GROUP BY 1, 2',
                made.name || calendar.suffix, made.part,
                CASE calendar.suffix WHEN '' THEN '''UTC''' ELSE 'z.zone' END, made.field, counted);
            EXECUTE format('COMMENT ON VIEW trading.%I IS %L', made.name || calendar.suffix,
                format('Per bot and %s (%s) a round trip began: how often and with what result.', made.when_it,
                    calendar.zone));
        END LOOP;
    END LOOP;

    EXECUTE format(
        'CREATE VIEW trading.symbol_performance AS SELECT bot, symbol, %s FROM trading.bot_symbol_days'
        ' WHERE %s GROUP BY 1, 2 %s', sums, counted, anything);
    COMMENT ON VIEW trading.symbol_performance IS 'Per bot and symbol over all time.';
END
$$;

CREATE VIEW trading.fees_and_funding AS
SELECT
    bot,
    symbol,
    date_trunc('month', day::timestamp)::date AS month,
    sum(volume) AS volume,
    sum(maker_volume) AS maker_volume,
    round(sum(maker_volume) * 100 / nullif(sum(volume), 0), 2) AS maker_percent,
    sum(fees) AS fees,
    round(sum(fees) * 10000 / nullif(sum(volume), 0), 4) AS fee_bps,
    sum(funding) AS funding,
    sum(funding) FILTER (WHERE funding > 0) AS funding_received,
    -sum(funding) FILTER (WHERE funding < 0) AS funding_paid,
    sum(gross_pnl) AS gross_pnl,
    round((sum(fees) - sum(funding)) * 100 / nullif(sum(gross_pnl), 0), 2) AS costs_percent_of_gross
FROM trading.bot_symbol_days
WHERE account NOT IN (SELECT account FROM trading.uncounted_accounts)
GROUP BY 1, 2, 3;
COMMENT ON VIEW trading.fees_and_funding IS
    'Per bot, symbol and month (UTC): what trading cost. funding_received and funding_paid are of days on which the net '
    'was so.';

CREATE OR REPLACE VIEW trading.exit_reason_analysis AS
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
    avg(t.closed_at - t.opened_at) AS average_duration,
    max(t.net_pnl) AS best,
    min(t.net_pnl) AS worst,
    round(sum(t.net_pnl) FILTER (WHERE t.net_pnl > 0) / nullif(-sum(t.net_pnl) FILTER (WHERE t.net_pnl < 0), 0), 4)
        AS profit_factor
FROM trading.trades AS t
WHERE t.account NOT IN (SELECT account FROM trading.uncounted_accounts)
GROUP BY t.bot, t.exit_reason;

-- As before, but round trips are counted from the days.
CREATE OR REPLACE VIEW trading.bot_performance AS
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
    SELECT coalesce(sum(d.trades), 0)::bigint AS trades
    FROM trading.current_bot_days AS d
    WHERE d.bot = b.bot AND d.account NOT IN (SELECT account FROM trading.uncounted_accounts)
) AS t
WHERE b.account NOT IN (SELECT account FROM trading.uncounted_accounts)
GROUP BY b.bot;

-- The exchange's position belongs to books of several bots only in hedge mode, where position_idx tells them apart.
CREATE VIEW trading.open_positions AS
SELECT
    b.bot,
    b.account,
    b.symbol,
    b.position_idx,
    b.open_direction AS direction,
    b.quantity,
    b.entry_price,
    b.open_opened_at AS opened_at,
    p.mark_price,
    p.updated_at AS marked_at,
    abs(b.quantity) * coalesce(p.mark_price, b.entry_price) AS notional,
    (p.mark_price - b.entry_price) * b.quantity AS unrealized_pnl,
    round((p.mark_price - b.entry_price) * sign(b.quantity) * 100 / b.entry_price, 4) AS unrealized_percent,
    b.open_gross_pnl AS realized_pnl,
    b.open_fees AS fees,
    b.open_funding AS funding,
    b.open_gross_pnl - b.open_fees + b.open_funding + (p.mark_price - b.entry_price) * b.quantity AS net_pnl,
    p.liq_price,
    p.stop_loss,
    p.take_profit,
    p.leverage
FROM trading.books AS b
LEFT JOIN trading.positions AS p
    ON p.account = b.account AND p.symbol = b.symbol AND p.position_idx = b.position_idx AND p.category = 'linear'
WHERE b.quantity <> 0 AND b.account NOT IN (SELECT account FROM trading.uncounted_accounts);
COMMENT ON VIEW trading.open_positions IS
    'What each bot holds, marked to market: of the open round trip, realized_pnl, fees and funding so far, and net_pnl if '
    'it were closed at mark_price.';

CREATE VIEW trading.account_equity_daily AS
SELECT
    s.account,
    (s.at AT TIME ZONE 'UTC')::date AS day,
    (array_agg(s.equity ORDER BY s.at))[1] AS opening,
    (array_agg(s.equity ORDER BY s.at DESC))[1] AS closing,
    max(s.equity) AS highest,
    min(s.equity) AS lowest,
    (array_agg(s.balance ORDER BY s.at DESC))[1] AS balance,
    count(*) AS snapshots
FROM trading.equity_snapshots AS s
WHERE s.account NOT IN (SELECT account FROM trading.uncounted_accounts)
GROUP BY 1, 2;
COMMENT ON VIEW trading.account_equity_daily IS
    'The exchange''s word on each account''s equity (USD) per day (UTC): first, last, highest and lowest reported.';

CREATE VIEW trading.order_executions AS
SELECT
    f.bot, f.account, f.symbol, f.order_id, f.order_link_id, f.reason, f.side, f.order_type,
    i.bar AS decided_at,
    i.created_at AS sent_at,
    f.first_fill_at, f.last_fill_at, f.fills, f.quantity, f.notional, f.fees,
    i.decision_price, f.arrival_price, f.fill_price,
    round(f.sign * (f.fill_price - i.decision_price) * 10000 / i.decision_price, 4) AS slippage_bps,
    round(f.sign * (f.arrival_price - i.decision_price) * 10000 / i.decision_price, 4) AS delay_bps,
    round(f.sign * (f.fill_price - f.arrival_price) * 10000 / f.arrival_price, 4) AS execution_bps,
    f.sign * (f.fill_price - i.decision_price) * f.quantity AS slippage_cost,
    round(f.maker_notional * 100 / nullif(f.notional, 0), 2) AS maker_percent
FROM (
    SELECT
        bot, account, symbol, order_id, order_link_id, side, CASE side WHEN 'Buy' THEN 1 ELSE -1 END AS sign,
        min(reason) AS reason,
        min(order_type) AS order_type,
        min(exec_time) AS first_fill_at,
        max(exec_time) AS last_fill_at,
        count(*) AS fills,
        sum(quantity) AS quantity,
        sum(notional) AS notional,
        coalesce(sum(notional) FILTER (WHERE is_maker), 0) AS maker_notional,
        sum(fee) AS fees,
        sum(price * quantity) / sum(quantity) AS fill_price,
        (array_agg(mark_price ORDER BY exec_time, seq, leaves_quantity DESC))[1] AS arrival_price
    FROM trading.owned_fills
    WHERE bot IS NOT NULL AND exec_type <> 'Funding'
        AND account NOT IN (SELECT account FROM trading.uncounted_accounts)
    GROUP BY bot, account, symbol, order_id, order_link_id, side
) AS f
LEFT JOIN trading.order_intents AS i ON i.order_link_id = nullif(f.order_link_id, '');
COMMENT ON VIEW trading.order_executions IS
    'Every filled order: the price it was decided at, the mark price when it met the market (arrival), and its average '
    'fill. Basis points above 0 are worse: slippage is delay (decision to arrival) and execution (arrival to fill).';

CREATE VIEW trading.execution_quality AS
SELECT
    bot,
    reason,
    count(*) AS orders,
    count(slippage_bps) AS measured,
    sum(notional) AS notional,
    round(sum(slippage_bps * notional) / nullif(sum(notional) FILTER (WHERE slippage_bps IS NOT NULL), 0), 4)
        AS slippage_bps,
    round(sum(delay_bps * notional) / nullif(sum(notional) FILTER (WHERE delay_bps IS NOT NULL), 0), 4) AS delay_bps,
    round(sum(execution_bps * notional) / nullif(sum(notional) FILTER (WHERE execution_bps IS NOT NULL), 0), 4)
        AS execution_bps,
    max(slippage_bps) AS worst_bps,
    sum(slippage_cost) AS slippage_cost,
    round(sum(maker_percent * notional) / nullif(sum(notional), 0), 2) AS maker_percent
FROM trading.order_executions
GROUP BY bot, reason;
COMMENT ON VIEW trading.execution_quality IS
    'Per bot and reason of the order, weighted by notional: slippage in basis points and what it cost. measured: orders '
    'whose decision price is known.';

-- What a bot held and had made at any time: its books folded from the last time each of them was flat before that, as
-- docs/accounting.md defines it. A book that was not in the ledger then has no row.
CREATE FUNCTION trading.bot_positions_at(of_bot text, moment timestamptz, prices jsonb DEFAULT '{}')
RETURNS TABLE (
    account text, symbol text, position_idx smallint, quantity numeric, entry_price numeric, opened_at timestamptz,
    realized_pnl numeric, fees numeric, funding numeric, fills bigint, mark_price numeric, marked_at timestamptz,
    unrealized_pnl numeric, net_pnl numeric
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    flat record;
    opening record;
    f record;
    sign integer;
    closing numeric;
    cash numeric;
    known boolean;
BEGIN
    FOR account, symbol, position_idx IN
        SELECT b.account, b.symbol, b.position_idx FROM trading.books AS b WHERE b.bot = of_bot
        ORDER BY b.account, b.symbol, b.position_idx
    LOOP
        SELECT o.quantity, o.entry_price, o.seq, o.at INTO opening
        FROM trading.opening_positions AS o
        WHERE o.account = bot_positions_at.account AND o.bot = of_bot AND o.symbol = bot_positions_at.symbol
            AND o.position_idx = bot_positions_at.position_idx;
        SELECT
            t.closed_at, t.last_seq, t.last_leaves_quantity, t.last_exec_id, t.book_realized_pnl, t.book_fees,
            t.book_funding, t.book_fill_count
        INTO flat
        FROM trading.trades AS t
        WHERE t.bot = of_bot AND t.account = bot_positions_at.account AND t.symbol = bot_positions_at.symbol
            AND t.position_idx = bot_positions_at.position_idx AND t.ends_flat AND t.closed_at <= moment
        ORDER BY t.closed_at DESC, t.last_seq DESC, t.last_leaves_quantity, t.last_exec_id COLLATE "C" DESC LIMIT 1;
        quantity := 0;
        entry_price := 0;
        opened_at := NULL;
        cash := 0;
        realized_pnl := coalesce(flat.book_realized_pnl, 0);
        fees := coalesce(flat.book_fees, 0);
        funding := coalesce(flat.book_funding, 0);
        fills := coalesce(flat.book_fill_count, 0);
        known := flat.closed_at IS NOT NULL;
        IF NOT known AND opening.at <= moment THEN
            known := true;
            IF opening.quantity <> 0 THEN
                quantity := opening.quantity;
                entry_price := opening.entry_price;
                opened_at := opening.at;
                cash := -quantity * entry_price;
            END IF;
        END IF;
        FOR f IN
            SELECT o.exec_time, o.exec_type, o.side, o.price, o.quantity, o.fee
            FROM trading.owned_fills AS o
            WHERE o.bot = of_bot AND o.symbol = bot_positions_at.symbol AND o.account = bot_positions_at.account
                AND o.position_idx = bot_positions_at.position_idx
                AND o.exec_time >= coalesce(flat.closed_at, '-infinity') AND o.exec_time <= moment
                AND (flat.closed_at IS NULL OR (o.exec_time, o.seq, -o.leaves_quantity, o.exec_id COLLATE "C")
                    > (flat.closed_at, flat.last_seq, -flat.last_leaves_quantity, flat.last_exec_id COLLATE "C"))
                AND (opening.at IS NULL
                    OR CASE WHEN opening.seq >= 0 THEN o.seq > opening.seq ELSE o.exec_time >= opening.at END)
            ORDER BY o.exec_time, o.seq, o.leaves_quantity DESC, o.exec_id COLLATE "C"
        LOOP
            known := true;
            fills := fills + 1;
            IF f.exec_type = 'Funding' THEN
                funding := funding - f.fee;
                CONTINUE;
            END IF;
            fees := fees + f.fee;
            sign := CASE f.side WHEN 'Buy' THEN 1 ELSE -1 END;
            closing := CASE WHEN quantity * sign < 0 THEN least(abs(quantity), f.quantity) ELSE 0 END;
            IF closing > 0 THEN
                cash := cash - sign * f.price * closing;
                quantity := quantity + sign * closing;
                IF quantity = 0 THEN
                    -- Flat, so the cash of the round trip is its price P&L, to the last digit.
                    realized_pnl := realized_pnl + cash;
                    cash := 0;
                    entry_price := 0;
                    opened_at := NULL;
                END IF;
            END IF;
            IF f.quantity > closing THEN
                opened_at := coalesce(opened_at, f.exec_time);
                entry_price := (entry_price * abs(quantity) + f.price * (f.quantity - closing))
                    / (abs(quantity) + f.quantity - closing);
                cash := cash - sign * f.price * (f.quantity - closing);
                quantity := quantity + sign * (f.quantity - closing);
            END IF;
        END LOOP;
        CONTINUE WHEN NOT known;
        realized_pnl := realized_pnl + cash + quantity * entry_price;
        mark_price := NULL;
        marked_at := NULL;
        unrealized_pnl := 0;
        IF quantity <> 0 THEN
            -- The newest price known then: one that was given, of the bot's last fill of the symbol, or the exchange's.
            SELECT p.price, p.at INTO mark_price, marked_at
            FROM (
                SELECT (prices ->> bot_positions_at.symbol)::numeric AS price, moment AS at
                UNION ALL
                (
                    SELECT coalesce(o.mark_price, o.price), o.exec_time
                    FROM trading.fills AS o
                    WHERE o.bot = of_bot AND o.symbol = bot_positions_at.symbol AND o.exec_time <= moment
                    ORDER BY o.exec_time DESC LIMIT 1
                )
                UNION ALL
                SELECT p.mark_price, p.updated_at
                FROM trading.positions AS p
                WHERE p.account = bot_positions_at.account AND p.symbol = bot_positions_at.symbol
                    AND p.position_idx = bot_positions_at.position_idx AND p.updated_at <= moment
            ) AS p
            WHERE p.price IS NOT NULL
            ORDER BY p.at DESC LIMIT 1;
            unrealized_pnl := (mark_price - entry_price) * quantity;
        END IF;
        net_pnl := realized_pnl - fees + funding + unrealized_pnl;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION trading.bot_positions_at IS
    'Each book of a bot after all fills up to and including a moment (market clock). prices gives mark prices by symbol, '
    'as {"BTCUSDT": 64000}; without, the newest price that the ledger knew then.';

CREATE FUNCTION trading.bot_equity_at(of_bot text, moment timestamptz, prices jsonb DEFAULT '{}')
RETURNS TABLE (
    bot text, at timestamptz, capital numeric, realized_pnl numeric, fees numeric, funding numeric,
    unrealized_pnl numeric, net_pnl numeric, equity numeric
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        of_bot, moment, max(b.capital_usdt), coalesce(sum(p.realized_pnl), 0), coalesce(sum(p.fees), 0),
        coalesce(sum(p.funding), 0), coalesce(sum(p.unrealized_pnl), 0), coalesce(sum(p.net_pnl), 0),
        max(b.capital_usdt) + coalesce(sum(p.net_pnl), 0)
    FROM trading.bot_positions_at(of_bot, moment, prices) AS p
    FULL JOIN (SELECT capital_usdt FROM trading.bots WHERE bot = of_bot) AS b ON true
$$;
COMMENT ON FUNCTION trading.bot_equity_at IS
    'What a bot had made up to a moment, open positions marked to market, and its capital_usdt with that (null without '
    'one).';

CREATE FUNCTION trading.portfolio_equity_at(moment timestamptz, prices jsonb DEFAULT '{}')
RETURNS TABLE (
    at timestamptz, bots bigint, capital numeric, realized_pnl numeric, fees numeric, funding numeric,
    unrealized_pnl numeric, net_pnl numeric, equity numeric
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        moment, count(*), sum(e.capital), sum(e.realized_pnl), sum(e.fees), sum(e.funding), sum(e.unrealized_pnl),
        sum(e.net_pnl), sum(e.capital) + sum(e.net_pnl)
    FROM (
        SELECT DISTINCT b.bot FROM trading.books AS b
        WHERE b.account NOT IN (SELECT account FROM trading.uncounted_accounts)
    ) AS known
    CROSS JOIN LATERAL trading.bot_equity_at(known.bot, moment, prices) AS e
$$;
COMMENT ON FUNCTION trading.portfolio_equity_at IS 'bot_equity_at over all bots that ever held anything.';
