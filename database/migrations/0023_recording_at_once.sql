-- A fill or a few, recorded in one call: each statement is planned once per connection and has a row or two to see to.
-- One large statement for everything was set up anew each time, which took as long as all the rest. And sums that take
-- in one fill as quickly as that is possible.

-- Records fills of one account and one bot, with the books and round trips they lead to, unless something is not as the
-- recorder remembers it. Answers the clock once the account's head was locked, which is the time of recording; null
-- when the head is not the one that was told, and nothing was written then. What else is not as expected is an error,
-- which undoes everything: the recorder goes the long way then, and finds out.
CREATE FUNCTION trading.record_at_once(
    of_account text, of_epoch bigint, of_version bigint, fills_before bigint, gained bigint, newest timestamptz,
    of_bot text, seq_before bigint, seq_last bigint,
    told json, new_books json, new_trades json
) RETURNS timestamptz
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_bitmapscan = off  -- a look for an id is a probe of the key, also in a month without statistics
AS $$
DECLARE
    locked_at timestamptz;
    inserted bigint;
BEGIN
    -- Who waits here for somebody who wrote for the account meanwhile gets the row as it is afterwards: with another
    -- epoch, number of fills or version of the books. Each statement behind it sees what was committed until then.
    PERFORM FROM trading.account_head AS h
    WHERE h.account = of_account AND h.epoch = of_epoch AND h.books_version = of_version AND h.fills = fills_before
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- Behind the wait: what is recorded after somebody has read under the lock has a later time than that reading.
    locked_at := clock_timestamp();
    UPDATE trading.account_head AS h
    SET fills = h.fills + gained, last_exec_time = greatest(h.last_exec_time, newest), last_recorded_at = locked_at
    WHERE h.account = of_account;
    UPDATE trading.bot_heads AS h SET last_seq = seq_last WHERE h.bot = of_bot AND h.last_seq = seq_before;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'fills of % were numbered by somebody else', of_bot;
    END IF;
    INSERT INTO trading.fills (
        account, category, symbol, exec_id, exec_time, seq, exec_type, side, price, quantity, notional, fee, fee_rate,
        fee_currency, is_maker, closed_quantity, leaves_quantity, order_id, order_link_id, order_type, create_type,
        stop_order_type, mark_price, bot, reason, attribution, position_idx, bot_seq, source, frame_at, received_at,
        epoch, recorded_at
    )
    SELECT
        k.account, k.category, k.symbol, k.exec_id, k.exec_time, k.seq, k.exec_type, k.side, k.price, k.quantity,
        k.notional, k.fee, k.fee_rate, k.fee_currency, k.is_maker, k.closed_quantity, k.leaves_quantity, k.order_id,
        k.order_link_id, k.order_type, k.create_type, k.stop_order_type, k.mark_price, k.bot, k.reason, k.attribution,
        k.position_idx, k.bot_seq, k.source, k.frame_at, k.received_at, k.epoch, locked_at
    FROM json_populate_recordset(NULL::trading.fills, told) AS k
    -- As a join or without the limit, the planner may read whole months for it while it has no statistics of them.
    LEFT JOIN LATERAL (
        SELECT true AS is_there FROM trading.fills AS f
        WHERE f.exec_id = k.exec_id AND f.symbol IS NOT DISTINCT FROM k.symbol
            AND f.account IS NOT DISTINCT FROM k.account AND f.category IS NOT DISTINCT FROM k.category
            AND (
                f.exec_time BETWEEN k.exec_time - interval '31 days' AND k.exec_time
                OR f.exec_time BETWEEN k.exec_time AND k.exec_time + interval '31 days'
            )
        LIMIT 1
    ) AS known ON true
    WHERE known.is_there IS NULL;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted <> gained THEN
        RAISE EXCEPTION '% of % executions of % are recorded already', gained - inserted, gained, of_account;
    END IF;
    INSERT INTO trading.books (
        account, bot, symbol, position_idx, quantity, entry_price, realized_pnl, fees, funding, fill_count,
        last_exec_time, last_seq, last_leaves_quantity, last_exec_id, open_first_exec_id, open_opened_at,
        open_direction, open_entry_reason, open_entered_quantity, open_entered_value, open_exited_quantity,
        open_exited_value, open_gross_pnl, open_fees, open_funding, open_fill_count
    )
    SELECT
        account, bot, symbol, position_idx, quantity, entry_price, realized_pnl, fees, funding, fill_count,
        last_exec_time, last_seq, last_leaves_quantity, last_exec_id, open_first_exec_id, open_opened_at,
        open_direction, open_entry_reason, open_entered_quantity, open_entered_value, open_exited_quantity,
        open_exited_value, open_gross_pnl, open_fees, open_funding, open_fill_count
    FROM json_populate_recordset(NULL::trading.books, new_books)
    ON CONFLICT (account, bot, symbol, position_idx) DO UPDATE SET
        quantity = excluded.quantity,
        entry_price = excluded.entry_price,
        realized_pnl = excluded.realized_pnl,
        fees = excluded.fees,
        funding = excluded.funding,
        fill_count = excluded.fill_count,
        last_exec_time = excluded.last_exec_time,
        last_seq = excluded.last_seq,
        last_leaves_quantity = excluded.last_leaves_quantity,
        last_exec_id = excluded.last_exec_id,
        open_first_exec_id = excluded.open_first_exec_id,
        open_opened_at = excluded.open_opened_at,
        open_direction = excluded.open_direction,
        open_entry_reason = excluded.open_entry_reason,
        open_entered_quantity = excluded.open_entered_quantity,
        open_entered_value = excluded.open_entered_value,
        open_exited_quantity = excluded.open_exited_quantity,
        open_exited_value = excluded.open_exited_value,
        open_gross_pnl = excluded.open_gross_pnl,
        open_fees = excluded.open_fees,
        open_funding = excluded.open_funding,
        open_fill_count = excluded.open_fill_count,
        updated_at = clock_timestamp();
    -- A fill that closes nothing, as every other does, need not set in motion what counts round trips.
    IF new_trades IS NOT NULL THEN
        INSERT INTO trading.trades (
            account, bot, symbol, position_idx, first_exec_id, last_exec_id, direction, opened_at, closed_at,
            quantity, entry_price, exit_price, gross_pnl, fees, funding, fill_count, entry_reason, exit_reason,
            last_seq, last_leaves_quantity, ends_flat, book_realized_pnl, book_fees, book_funding, book_fill_count
        )
        SELECT
            account, bot, symbol, position_idx, first_exec_id, last_exec_id, direction, opened_at, closed_at,
            quantity, entry_price, exit_price, gross_pnl, fees, funding, fill_count, entry_reason, exit_reason,
            last_seq, last_leaves_quantity, ends_flat, book_realized_pnl, book_fees, book_funding, book_fill_count
        FROM json_populate_recordset(NULL::trading.trades, new_trades);
    END IF;
    RETURN locked_at;
END
$$;
REVOKE ALL ON FUNCTION trading.record_at_once(
    text, bigint, bigint, bigint, bigint, timestamptz, text, bigint, bigint, json, json, json
) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading.record_at_once(
    text, bigint, bigint, bigint, bigint, timestamptz, text, bigint, bigint, json, json, json
) TO alpha_ledger_writer;

-- As in 0012, and one fill that adds to a day that is there already is one update: a sum of one, sorted and with a
-- conflict to look for, takes twice as long.
CREATE OR REPLACE FUNCTION trading.count_fills() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    one record;
BEGIN
    SELECT
        account, bot, symbol, position_idx, exec_time, seq, exec_type, is_maker, notional, fee,
        (SELECT zone FROM trading.reporting_zone) AS zone, EXISTS (SELECT FROM changed OFFSET 1) AS is_one_of_many
    INTO one FROM changed LIMIT 1;
    IF NOT one.is_one_of_many AND one.exec_type <> 'Funding' THEN
        UPDATE trading.bot_symbol_days AS d SET
            fills = d.fills + 1,
            volume = d.volume + one.notional,
            maker_volume = d.maker_volume + CASE WHEN one.is_maker THEN one.notional ELSE 0 END,
            fees = d.fees + one.fee,
            folded = false
        WHERE d.bot = one.bot AND d.day = (one.exec_time AT TIME ZONE 'UTC')::date AND d.symbol = one.symbol
            AND d.account = one.account AND d.zone_day = (one.exec_time AT TIME ZONE one.zone)::date
            AND NOT EXISTS (
                SELECT FROM trading.opening_positions AS o
                WHERE o.account = one.account AND o.bot = one.bot AND o.symbol = one.symbol
                    AND o.position_idx = one.position_idx
                    AND CASE WHEN o.seq >= 0 THEN one.seq <= o.seq ELSE one.exec_time < o.at END
            );
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    -- Many, the first of a day, or one that no sum takes in.
    INSERT INTO trading.bot_symbol_days AS d
        (account, bot, symbol, day, zone_day, fills, volume, maker_volume, fees, funding)
    SELECT
        f.account, f.bot, f.symbol,
        (f.exec_time AT TIME ZONE 'UTC')::date,
        (f.exec_time AT TIME ZONE z.zone)::date,
        count(*),
        coalesce(sum(f.notional) FILTER (WHERE f.exec_type <> 'Funding'), 0),
        coalesce(sum(f.notional) FILTER (WHERE f.exec_type <> 'Funding' AND f.is_maker), 0),
        coalesce(sum(f.fee) FILTER (WHERE f.exec_type <> 'Funding'), 0),
        coalesce(-sum(f.fee) FILTER (WHERE f.exec_type = 'Funding'), 0)
    FROM changed AS f CROSS JOIN trading.reporting_zone AS z
    WHERE f.bot IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM trading.opening_positions AS o
            WHERE o.account = f.account AND o.bot = f.bot AND o.symbol = f.symbol AND o.position_idx = f.position_idx
                AND CASE WHEN o.seq >= 0 THEN f.seq <= o.seq ELSE f.exec_time < o.at END
        )
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

CREATE OR REPLACE FUNCTION trading.count_trades() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    sign CONSTANT integer := tg_argv[0];
    one record;
BEGIN
    SELECT
        account, bot, symbol, closed_at, gross_pnl, net_pnl,
        (SELECT zone FROM trading.reporting_zone) AS zone, EXISTS (SELECT FROM changed OFFSET 1) AS is_one_of_many
    INTO one FROM changed LIMIT 1;
    -- Most batches of a fill or two close nothing.
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT one.is_one_of_many THEN
        UPDATE trading.bot_symbol_days AS d SET
            trades = d.trades + sign,
            wins = d.wins + CASE WHEN one.net_pnl > 0 THEN sign ELSE 0 END,
            losses = d.losses + CASE WHEN one.net_pnl < 0 THEN sign ELSE 0 END,
            gross_pnl = d.gross_pnl + sign * one.gross_pnl,
            net_pnl = d.net_pnl + sign * one.net_pnl,
            won = d.won + CASE WHEN one.net_pnl > 0 THEN sign * one.net_pnl ELSE 0 END,
            lost = d.lost + CASE WHEN one.net_pnl < 0 THEN sign * one.net_pnl ELSE 0 END,
            folded = false
        WHERE d.bot = one.bot AND d.day = (one.closed_at AT TIME ZONE 'UTC')::date AND d.symbol = one.symbol
            AND d.account = one.account AND d.zone_day = (one.closed_at AT TIME ZONE one.zone)::date;
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO trading.bot_symbol_days AS d
        (account, bot, symbol, day, zone_day, trades, wins, losses, gross_pnl, net_pnl, won, lost)
    SELECT
        t.account, t.bot, t.symbol,
        (t.closed_at AT TIME ZONE 'UTC')::date,
        (t.closed_at AT TIME ZONE z.zone)::date,
        sign * count(*),
        sign * count(*) FILTER (WHERE t.net_pnl > 0),
        sign * count(*) FILTER (WHERE t.net_pnl < 0),
        sign * sum(t.gross_pnl),
        sign * sum(t.net_pnl),
        sign * coalesce(sum(t.net_pnl) FILTER (WHERE t.net_pnl > 0), 0),
        sign * coalesce(sum(t.net_pnl) FILTER (WHERE t.net_pnl < 0), 0)
    FROM changed AS t CROSS JOIN trading.reporting_zone AS z
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 2, 4, 3, 1, 5
    ON CONFLICT (bot, day, symbol, account, zone_day) DO UPDATE SET
        trades = d.trades + excluded.trades,
        wins = d.wins + excluded.wins,
        losses = d.losses + excluded.losses,
        gross_pnl = d.gross_pnl + excluded.gross_pnl,
        net_pnl = d.net_pnl + excluded.net_pnl,
        won = d.won + excluded.won,
        lost = d.lost + excluded.lost,
        folded = false;
    RETURN NULL;
END
$$;
