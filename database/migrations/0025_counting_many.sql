-- The fills of a large batch are counted with half the work. What takes longest is to find out on which day a fill
-- happened, in UTC and where the reports are read. Clocks all over the world differ by whole quarters of an hour, so it is
-- found out once for each quarter of an hour that has fills. And they are not sorted bit by bit any more, as the planner
-- would have it, which knows nothing of how many there are. A single fill needs no way of its own here any more: those are
-- counted where they are recorded.

CREATE OR REPLACE FUNCTION trading.count_fills() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_incremental_sort = off
AS $$
BEGIN
    INSERT INTO trading.bot_symbol_days AS d
        (account, bot, symbol, day, zone_day, fills, volume, maker_volume, fees, funding)
    SELECT
        q.account, q.bot, q.symbol,
        (q.quarter AT TIME ZONE 'UTC')::date,
        (q.quarter AT TIME ZONE z.zone)::date,
        sum(q.fills), sum(q.volume), sum(q.maker_volume), sum(q.fees), sum(q.funding)
    FROM (
        SELECT
            f.account, f.bot, f.symbol,
            date_bin('15 minutes', f.exec_time, 'epoch') AS quarter,
            count(*) AS fills,
            coalesce(sum(f.notional) FILTER (WHERE f.exec_type <> 'Funding'), 0) AS volume,
            coalesce(sum(f.notional) FILTER (WHERE f.exec_type <> 'Funding' AND f.is_maker), 0) AS maker_volume,
            coalesce(sum(f.fee) FILTER (WHERE f.exec_type <> 'Funding'), 0) AS fees,
            coalesce(-sum(f.fee) FILTER (WHERE f.exec_type = 'Funding'), 0) AS funding
        FROM changed AS f
        WHERE f.bot IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM trading.opening_positions AS o
                WHERE o.account = f.account AND o.bot = f.bot AND o.symbol = f.symbol AND o.position_idx = f.position_idx
                    AND CASE WHEN o.seq >= 0 THEN f.seq <= o.seq ELSE f.exec_time < o.at END
            )
        GROUP BY 1, 2, 3, 4
    ) AS q CROSS JOIN trading.reporting_zone AS z
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 2, 4, 3, 1, 5
    ON CONFLICT (bot, day, symbol, account, zone_day) DO UPDATE SET
        fills = d.fills + excluded.fills,
        volume = d.volume + excluded.volume,
        maker_volume = d.maker_volume + excluded.maker_volume,
        fees = d.fees + excluded.fees,
        funding = d.funding + excluded.funding,
        folded = false;
    RETURN NULL;
END
$$;

ALTER FUNCTION trading.count_trades() SET enable_incremental_sort = off;
