-- Sums are made anew beside a listener without a deadlock, and only trading.record_at_once keeps the triggers from
-- counting fills.

-- Holds up recording until the transaction ends, once everybody who is at it has committed. The heads come first, as for
-- whoever records: behind its head, one takes fills before trades, and one that folds a late fill trades before fills.
-- Here they were taken without the heads, fills first: each then held what the other waited for.
CREATE FUNCTION trading.hold_recording() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Whoever waits for the heads keeps others from them meanwhile, also the listener that would take an account from one
-- that has stopped within a batch, and end that.
SET lock_timeout = '1s'
AS $$
BEGIN
    -- Before the heads: trading.unfold_account takes them in this order too.
    PERFORM pg_advisory_xact_lock(hashtextextended('trading.fold_closed_days', 0));
    -- Not its rows: who keeps those locked for long is ended by a listener that waits to take the account.
    LOCK TABLE trading.account_head IN EXCLUSIVE MODE;
    -- Autovacuum gives way after a second (deadlock_timeout).
    PERFORM set_config('lock_timeout', '5s', true);
    -- For who writes by hand, and locks no head. Not the months of fills: a fill is written by way of the table over
    -- them, and a month that is being packed is locked until that is done, which waits for whoever reads.
    LOCK TABLE ONLY trading.fills, trading.fill_owners, trading.trades IN SHARE ROW EXCLUSIVE MODE;
END
$$;
REVOKE ALL ON FUNCTION trading.hold_recording() FROM PUBLIC;

-- As in 0012, but for the locks.
CREATE OR REPLACE FUNCTION trading.rebuild_rollups() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made bigint;
BEGIN
    PERFORM trading.hold_recording();
    DELETE FROM trading.portfolio_days;
    DELETE FROM trading.bot_days;
    DELETE FROM trading.bot_symbol_days;
    INSERT INTO trading.bot_symbol_days
        (account, bot, symbol, day, zone_day, fills, volume, maker_volume, fees, funding,
            trades, wins, losses, gross_pnl, net_pnl, won, lost)
    SELECT
        account, bot, symbol, day, zone_day, sum(fills), sum(volume), sum(maker_volume), sum(fees), sum(funding),
        sum(trades), sum(wins), sum(losses), sum(gross_pnl), sum(net_pnl), sum(won), sum(lost)
    FROM (
        SELECT
            f.account, f.bot, f.symbol,
            (f.exec_time AT TIME ZONE 'UTC')::date AS day,
            (f.exec_time AT TIME ZONE z.zone)::date AS zone_day,
            count(*) AS fills,
            coalesce(sum(f.notional) FILTER (WHERE f.exec_type <> 'Funding'), 0) AS volume,
            coalesce(sum(f.notional) FILTER (WHERE f.exec_type <> 'Funding' AND f.is_maker), 0) AS maker_volume,
            coalesce(sum(f.fee) FILTER (WHERE f.exec_type <> 'Funding'), 0) AS fees,
            coalesce(-sum(f.fee) FILTER (WHERE f.exec_type = 'Funding'), 0) AS funding,
            0 AS trades, 0 AS wins, 0 AS losses, 0 AS gross_pnl, 0 AS net_pnl, 0 AS won, 0 AS lost
        FROM trading.owned_fills AS f CROSS JOIN trading.reporting_zone AS z
        WHERE f.bot IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM trading.opening_positions AS o
                WHERE o.account = f.account AND o.bot = f.bot AND o.symbol = f.symbol AND o.position_idx = f.position_idx
                    AND CASE WHEN o.seq >= 0 THEN f.seq <= o.seq ELSE f.exec_time < o.at END
            )
        GROUP BY 1, 2, 3, 4, 5
        UNION ALL
        SELECT
            t.account, t.bot, t.symbol,
            (t.closed_at AT TIME ZONE 'UTC')::date,
            (t.closed_at AT TIME ZONE z.zone)::date,
            0, 0, 0, 0, 0,
            count(*),
            count(*) FILTER (WHERE t.net_pnl > 0),
            count(*) FILTER (WHERE t.net_pnl < 0),
            sum(t.gross_pnl),
            sum(t.net_pnl),
            coalesce(sum(t.net_pnl) FILTER (WHERE t.net_pnl > 0), 0),
            coalesce(sum(t.net_pnl) FILTER (WHERE t.net_pnl < 0), 0)
        FROM trading.trades AS t CROSS JOIN trading.reporting_zone AS z
        GROUP BY 1, 2, 3, 4, 5
    ) AS counted
    GROUP BY account, bot, symbol, day, zone_day;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;

-- As in 0012, but for the locks.
CREATE OR REPLACE FUNCTION trading.set_reporting_zone(new_zone text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Anything else that PostgreSQL takes for a zone (an abbreviation, an offset) knows no summer time.
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = new_zone) THEN
        RAISE EXCEPTION '% is no time zone; one is named like Europe/Berlin', new_zone
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Before the zone changes: whoever counts a fill reads it, and has committed when recording is held up.
    PERFORM trading.hold_recording();
    UPDATE trading.reporting_zone SET zone = new_zone, changed_at = clock_timestamp(), changed_by = session_user;
    RETURN trading.rebuild_rollups();
END
$$;

-- Who packs a month that is over gives way to a fill that comes late for it: its recorder has read the indexes before it
-- writes to the month. Sooner than PostgreSQL looks for deadlocks (deadlock_timeout, 1 s), which ended the packing and
-- held up recording until then.
ALTER FUNCTION trading.pack_next_index(bigint, text[]) SET lock_timeout = '500ms';

-- trading.record_at_once sets alpha.at_once for the fills that it counts itself. Whoever may insert fills may set it as
-- well, so it holds only for who may write the sums too: the function runs with the rights of their owner, whatever his
-- name is after a restore. None may be recording beside this, as in 0024.
LOCK TABLE trading.account_head IN EXCLUSIVE MODE;
CREATE OR REPLACE TRIGGER fills_are_counted AFTER INSERT ON trading.fills
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT
    WHEN (
        current_setting('alpha.at_once', true) IS DISTINCT FROM 'on'
        OR NOT has_table_privilege('trading.bot_symbol_days'::regclass, 'UPDATE')
    )
    EXECUTE FUNCTION trading.count_fills();
CREATE OR REPLACE TRIGGER trades_are_counted AFTER INSERT ON trading.trades
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT
    WHEN (
        current_setting('alpha.at_once', true) IS DISTINCT FROM 'on'
        OR NOT has_table_privilege('trading.bot_symbol_days'::regclass, 'UPDATE')
    )
    EXECUTE FUNCTION trading.count_trades('1');
