-- A fill or a few are recorded with rows as they are, instead of JSON that has to be read three times, and are counted in
-- the sums of their day by the function that records them.

DROP FUNCTION trading.record_at_once(
    text, bigint, bigint, bigint, bigint, timestamptz, text, bigint, bigint, json, json, json
);

-- What the recorder tells of a fill, of the book it is folded into and of the round trip it closes. Account and bot are
-- told once for all.
CREATE TYPE trading.told_fill AS (
    category text, symbol text, exec_id text, exec_time timestamptz, seq bigint, exec_type text, side text,
    price numeric, quantity numeric, notional numeric, fee numeric, fee_rate numeric, fee_currency text,
    is_maker boolean, closed_quantity numeric, leaves_quantity numeric, order_id text, order_link_id text,
    order_type text, create_type text, stop_order_type text, mark_price numeric, reason text, attribution text,
    position_idx smallint, bot_seq bigint, source text, frame_at timestamptz, received_at timestamptz
);
CREATE TYPE trading.told_book AS (
    symbol text, position_idx smallint, quantity numeric, entry_price numeric, realized_pnl numeric, fees numeric,
    funding numeric, fill_count bigint, last_exec_time timestamptz, last_seq bigint, last_leaves_quantity numeric,
    last_exec_id text, open_first_exec_id text, open_opened_at timestamptz, open_direction text,
    open_entry_reason text, open_entered_quantity numeric, open_entered_value numeric, open_exited_quantity numeric,
    open_exited_value numeric, open_gross_pnl numeric, open_fees numeric, open_funding numeric,
    open_fill_count bigint
);
CREATE TYPE trading.told_trade AS (
    symbol text, position_idx smallint, first_exec_id text, last_exec_id text, direction text,
    opened_at timestamptz, closed_at timestamptz, quantity numeric, entry_price numeric, exit_price numeric,
    gross_pnl numeric, fees numeric, funding numeric, fill_count bigint, entry_reason text, exit_reason text,
    last_seq bigint, last_leaves_quantity numeric, ends_flat boolean, book_realized_pnl numeric, book_fees numeric,
    book_funding numeric, book_fill_count bigint
);

-- Records fills of one account and one bot, with the books they are folded into and the round trips they close (each at
-- the place of the fill that closes it), unless something is not as the recorder remembers it. Answers the clock once the
-- account's head was locked, which is the time of recording; null when the head is not the one that was told, and nothing
-- was written then. What else is not as expected is an error, which undoes everything: the recorder goes the long way
-- then, and finds out.
--
-- For a single row, what a statement sets up takes longer than what it does. So there are as few as can be, each is
-- planned once per connection, and the sums of the day are brought up to date here, once for the fill and the round trip
-- that it closes, instead of by the triggers of either table.
CREATE FUNCTION trading.record_at_once(
    of_account text, of_epoch bigint, of_version bigint, fills_before bigint, newest timestamptz,
    of_bot text, seq_before bigint,
    told trading.told_fill[], new_trades trading.told_trade[], new_books trading.told_book[]
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_bitmapscan = off  -- a look for an id is a probe of the key, also in a month without statistics
AS $$
DECLARE
    gained CONSTANT integer := cardinality(told);
    locked_at timestamptz;
    fill trading.told_fill;
    trade trading.told_trade;
    made numeric;
    book trading.told_book;
BEGIN
    -- last_recorded_at may be of before a wait for somebody who only looked; a page of status is all that reads it.
    -- Who waits here for somebody who wrote for the account meanwhile gets the row as it is afterwards: with another
    -- epoch, number of fills or version of the books. Each statement behind it sees what was committed until then.
    UPDATE trading.account_head AS h
    SET fills = h.fills + gained, last_exec_time = greatest(h.last_exec_time, newest),
        last_recorded_at = clock_timestamp()
    WHERE h.account = of_account AND h.epoch = of_epoch AND h.books_version = of_version AND h.fills = fills_before;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- Behind the wait: what is recorded after somebody has read under the lock has a later time than that reading.
    locked_at := clock_timestamp();
    UPDATE trading.bot_heads AS h SET last_seq = seq_before + gained WHERE h.bot = of_bot AND h.last_seq = seq_before;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'fills of % were numbered by somebody else', of_bot;
    END IF;
    -- Not as a setting of the function: an owner who is no superuser may not give it one, in a restore for example. An
    -- error takes it back with everything else.
    PERFORM set_config('alpha.at_once', 'on', true);
    FOR nth IN 1 .. gained LOOP
        fill := told[nth];
        trade := new_trades[nth];
        made := trade.gross_pnl - trade.fees + trade.funding;
        -- With one range instead of two, the planner may read whole months for it while it has no statistics of them.
        PERFORM FROM trading.fills AS f
        WHERE f.exec_id = fill.exec_id AND f.symbol = fill.symbol AND f.account = of_account
            AND f.category = fill.category
            AND (
                f.exec_time BETWEEN fill.exec_time - interval '31 days' AND fill.exec_time
                OR f.exec_time BETWEEN fill.exec_time AND fill.exec_time + interval '31 days'
            );
        IF FOUND THEN
            RAISE EXCEPTION 'execution % of % is recorded already', fill.exec_id, of_account;
        END IF;
        INSERT INTO trading.fills (
            account, category, symbol, exec_id, exec_time, seq, exec_type, side, price, quantity, notional, fee,
            fee_rate, fee_currency, is_maker, closed_quantity, leaves_quantity, order_id, order_link_id, order_type,
            create_type, stop_order_type, mark_price, reason, attribution, position_idx, bot_seq, source, frame_at,
            received_at, bot, epoch, recorded_at
        )
        VALUES (
            of_account, fill.category, fill.symbol, fill.exec_id, fill.exec_time, fill.seq, fill.exec_type,
            fill.side, fill.price, fill.quantity, fill.notional, fill.fee, fill.fee_rate, fill.fee_currency,
            fill.is_maker, fill.closed_quantity, fill.leaves_quantity, fill.order_id, fill.order_link_id,
            fill.order_type, fill.create_type, fill.stop_order_type, fill.mark_price, fill.reason, fill.attribution,
            fill.position_idx, fill.bot_seq, fill.source, fill.frame_at, fill.received_at, of_bot, of_epoch,
            locked_at
        );
        IF trade.first_exec_id IS NOT NULL THEN
            INSERT INTO trading.trades (
                account, bot, symbol, position_idx, first_exec_id, last_exec_id, direction, opened_at, closed_at,
                quantity, entry_price, exit_price, gross_pnl, fees, funding, fill_count, entry_reason, exit_reason,
                last_seq, last_leaves_quantity, ends_flat, book_realized_pnl, book_fees, book_funding,
                book_fill_count
            )
            VALUES (
                of_account, of_bot, trade.symbol, trade.position_idx, trade.first_exec_id, trade.last_exec_id,
                trade.direction, trade.opened_at, trade.closed_at, trade.quantity, trade.entry_price,
                trade.exit_price, trade.gross_pnl, trade.fees, trade.funding, trade.fill_count, trade.entry_reason,
                trade.exit_reason, trade.last_seq, trade.last_leaves_quantity, trade.ends_flat,
                trade.book_realized_pnl, trade.book_fees, trade.book_funding, trade.book_fill_count
            );
        END IF;
        LOOP
            UPDATE trading.bot_symbol_days AS d SET
                fills = d.fills + 1,
                volume = d.volume + CASE WHEN fill.exec_type <> 'Funding' THEN fill.notional ELSE 0 END,
                maker_volume = d.maker_volume
                    + CASE WHEN fill.exec_type <> 'Funding' AND fill.is_maker THEN fill.notional ELSE 0 END,
                fees = d.fees + CASE WHEN fill.exec_type <> 'Funding' THEN fill.fee ELSE 0 END,
                funding = d.funding - CASE WHEN fill.exec_type = 'Funding' THEN fill.fee ELSE 0 END,
                trades = d.trades + CASE WHEN made IS NULL THEN 0 ELSE 1 END,
                wins = d.wins + CASE WHEN made > 0 THEN 1 ELSE 0 END,
                losses = d.losses + CASE WHEN made < 0 THEN 1 ELSE 0 END,
                gross_pnl = d.gross_pnl + coalesce(trade.gross_pnl, 0),
                net_pnl = d.net_pnl + coalesce(made, 0),
                won = d.won + greatest(made, 0),
                lost = d.lost + least(made, 0),
                folded = false
            WHERE d.bot = of_bot AND d.day = (fill.exec_time AT TIME ZONE 'UTC')::date AND d.symbol = fill.symbol
                AND d.account = of_account
                AND d.zone_day = (fill.exec_time AT TIME ZONE (SELECT z.zone FROM trading.reporting_zone AS z))::date;
            EXIT WHEN FOUND;
            INSERT INTO trading.bot_symbol_days (account, bot, symbol, day, zone_day)
            SELECT
                of_account, of_bot, fill.symbol, (fill.exec_time AT TIME ZONE 'UTC')::date,
                (fill.exec_time AT TIME ZONE z.zone)::date
            FROM trading.reporting_zone AS z;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'there is no reporting zone';
            END IF;
        END LOOP;
    END LOOP;
    PERFORM set_config('alpha.at_once', '', true);
    FOREACH book IN ARRAY new_books LOOP
        UPDATE trading.books AS b SET
            quantity = book.quantity,
            entry_price = book.entry_price,
            realized_pnl = book.realized_pnl,
            fees = book.fees,
            funding = book.funding,
            fill_count = book.fill_count,
            last_exec_time = book.last_exec_time,
            last_seq = book.last_seq,
            last_leaves_quantity = book.last_leaves_quantity,
            last_exec_id = book.last_exec_id,
            open_first_exec_id = book.open_first_exec_id,
            open_opened_at = book.open_opened_at,
            open_direction = book.open_direction,
            open_entry_reason = book.open_entry_reason,
            open_entered_quantity = book.open_entered_quantity,
            open_entered_value = book.open_entered_value,
            open_exited_quantity = book.open_exited_quantity,
            open_exited_value = book.open_exited_value,
            open_gross_pnl = book.open_gross_pnl,
            open_fees = book.open_fees,
            open_funding = book.open_funding,
            open_fill_count = book.open_fill_count,
            updated_at = locked_at
        WHERE b.account = of_account AND b.bot = of_bot AND b.symbol = book.symbol
            AND b.position_idx = book.position_idx;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the book of % in % is new', of_bot, book.symbol;
        END IF;
    END LOOP;
    RETURN locked_at;
END
$$;
REVOKE ALL ON FUNCTION trading.record_at_once(
    text, bigint, bigint, bigint, timestamptz, text, bigint,
    trading.told_fill[], trading.told_trade[], trading.told_book[]
) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading.record_at_once(
    text, bigint, bigint, bigint, timestamptz, text, bigint,
    trading.told_fill[], trading.told_trade[], trading.told_book[]
) TO alpha_ledger_writer;

-- What any other statement inserts is counted by the triggers as before. This keeps nobody from deceiving himself: who may
-- insert may also set the setting, and alpha rollups check finds what is missing then. Whoever records has locked a head,
-- and some lock the tables in one order and some in the other, so none may be at it.
LOCK TABLE trading.account_head IN EXCLUSIVE MODE;
CREATE OR REPLACE TRIGGER fills_are_counted AFTER INSERT ON trading.fills
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT
    WHEN (current_setting('alpha.at_once', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION trading.count_fills();
CREATE OR REPLACE TRIGGER trades_are_counted AFTER INSERT ON trading.trades
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT
    WHEN (current_setting('alpha.at_once', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION trading.count_trades('1');

COMMENT ON TABLE trading.bot_symbol_days IS
    'Sums of a bot''s fills and closed round trips in a symbol, per day; as of the last commit. Writer: triggers, and '
    'trading.record_at_once for its own rows.';
