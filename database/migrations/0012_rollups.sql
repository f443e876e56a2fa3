-- Sums per day, so that a question about years reads days and not fills. They change in the transaction that changes
-- what they are sums of, through triggers: no writer of fills, owners or trades can forget them, and nobody else can
-- write them.

CREATE TABLE trading.reporting_zone (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    zone text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE trading.reporting_zone IS
    'The one time zone besides UTC in which views cut days (zone_day). Writer: trading.set_reporting_zone.';
INSERT INTO trading.reporting_zone (zone) VALUES ('UTC');

-- A fill belongs to one UTC day and one day of the zone, so one row per pair of them serves both calendars: with the
-- zone UTC there is one row per UTC day, otherwise at most three, and a fill changes one row either way.
CREATE TABLE trading.bot_symbol_days (
    account text NOT NULL,
    bot text NOT NULL,
    symbol text NOT NULL,
    day date NOT NULL,
    zone_day date NOT NULL,
    fills bigint NOT NULL DEFAULT 0,
    volume numeric NOT NULL DEFAULT 0,
    maker_volume numeric NOT NULL DEFAULT 0,
    fees numeric NOT NULL DEFAULT 0,
    funding numeric NOT NULL DEFAULT 0,
    trades bigint NOT NULL DEFAULT 0,
    wins bigint NOT NULL DEFAULT 0,
    losses bigint NOT NULL DEFAULT 0,
    gross_pnl numeric NOT NULL DEFAULT 0,
    net_pnl numeric NOT NULL DEFAULT 0,
    won numeric NOT NULL DEFAULT 0,
    lost numeric NOT NULL DEFAULT 0,
    folded boolean NOT NULL DEFAULT false,
    PRIMARY KEY (bot, day, symbol, account, zone_day)
) WITH (fillfactor = 70);
COMMENT ON TABLE trading.bot_symbol_days IS
    'Sums of a bot''s fills and closed round trips in a symbol, per day; as of the last commit. Writer: triggers.';
COMMENT ON COLUMN trading.bot_symbol_days.volume IS
    'Notional of fills that are not funding; maker_volume: of makers'' fills.';
COMMENT ON COLUMN trading.bot_symbol_days.fees IS 'Above 0 paid. Like volume and funding of the fills of that day.';
COMMENT ON COLUMN trading.bot_symbol_days.net_pnl IS
    'Of the round trips that closed that day, like trades, wins, losses and gross_pnl; won and lost are its parts above '
    'and below 0.';
COMMENT ON COLUMN trading.bot_symbol_days.folded IS
    'Whether bot_days and portfolio_days hold the row as it is. Any change makes it false; views then read this table.';
-- What changed since the last folding: today''s rows, and rows that a late fill corrected.
CREATE INDEX bot_symbol_days_open ON trading.bot_symbol_days (day, bot, account) WHERE NOT folded;
CREATE INDEX bot_symbol_days_day ON trading.bot_symbol_days (day);

CREATE TABLE trading.bot_days (
    account text NOT NULL,
    bot text NOT NULL,
    day date NOT NULL,
    zone_day date NOT NULL,
    fills bigint NOT NULL,
    volume numeric NOT NULL,
    maker_volume numeric NOT NULL,
    fees numeric NOT NULL,
    funding numeric NOT NULL,
    trades bigint NOT NULL,
    wins bigint NOT NULL,
    losses bigint NOT NULL,
    gross_pnl numeric NOT NULL,
    net_pnl numeric NOT NULL,
    won numeric NOT NULL,
    lost numeric NOT NULL,
    PRIMARY KEY (bot, day, account, zone_day)
);
COMMENT ON TABLE trading.bot_days IS
    'bot_symbol_days of closed days over all symbols. Read trading.current_bot_days, which knows what it is behind of. '
    'Writer: trading.fold_closed_days.';
CREATE INDEX bot_days_day ON trading.bot_days (day);

CREATE TABLE trading.portfolio_days (
    kind text NOT NULL,
    day date NOT NULL,
    zone_day date NOT NULL,
    fills bigint NOT NULL,
    volume numeric NOT NULL,
    maker_volume numeric NOT NULL,
    fees numeric NOT NULL,
    funding numeric NOT NULL,
    trades bigint NOT NULL,
    wins bigint NOT NULL,
    losses bigint NOT NULL,
    gross_pnl numeric NOT NULL,
    net_pnl numeric NOT NULL,
    won numeric NOT NULL,
    lost numeric NOT NULL,
    PRIMARY KEY (day, kind, zone_day)
);
COMMENT ON TABLE trading.portfolio_days IS
    'bot_days over all bots on accounts of a kind. Read trading.current_portfolio_days. '
    'Writer: trading.fold_closed_days.';

-- What an account held when it was first seen has counted them already: they are in no book, so their fees are in no sum
-- either. Such fills are recorded when the past is read later.
CREATE VIEW trading.fills_before_beginning AS
SELECT f.*
FROM trading.opening_positions AS o
CROSS JOIN LATERAL (
    SELECT * FROM trading.owned_fills AS f
    WHERE f.bot = o.bot AND f.symbol = o.symbol AND f.account = o.account AND f.position_idx = o.position_idx
        AND CASE WHEN o.seq >= 0 THEN f.seq <= o.seq ELSE f.exec_time < o.at END
) AS f;
COMMENT ON VIEW trading.fills_before_beginning IS
    'Fills that their owner''s opening position includes. They are in no round trip, and in no sum of a day.';

-- Fills: one statement for the batch, whatever its size, in the order of the key. An account's rows are changed by who
-- has locked its head, so nobody else but the folding can hold one.
CREATE FUNCTION trading.count_fills() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
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
CREATE TRIGGER fills_are_counted AFTER INSERT ON trading.fills
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION trading.count_fills();

-- Round trips: a late fill deletes those it changes and inserts them again, on the same day or another.
CREATE FUNCTION trading.count_trades() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    sign CONSTANT integer := tg_argv[0];
BEGIN
    -- Most batches of a fill or two close nothing, and this is what they pay for it.
    IF NOT EXISTS (SELECT FROM changed) THEN
        RETURN NULL;
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
CREATE TRIGGER trades_are_counted AFTER INSERT ON trading.trades
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trading.count_trades('1');
CREATE TRIGGER trades_are_discounted AFTER DELETE ON trading.trades
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trading.count_trades('-1');
CREATE TRIGGER changed_trades_are_counted AFTER UPDATE ON trading.trades
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trading.count_trades('1');
CREATE TRIGGER changed_trades_are_discounted AFTER UPDATE ON trading.trades
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trading.count_trades('-1');

-- A correction takes a fill from its owner until then, who may be nobody. The round trips of both follow by themselves.
CREATE FUNCTION trading.count_new_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO trading.bot_symbol_days AS d
        (account, bot, symbol, day, zone_day, fills, volume, maker_volume, fees, funding)
    SELECT
        f.account, owner.bot, f.symbol,
        (f.exec_time AT TIME ZONE 'UTC')::date,
        (f.exec_time AT TIME ZONE z.zone)::date,
        owner.sign,
        owner.sign * CASE WHEN f.exec_type <> 'Funding' THEN f.notional ELSE 0 END,
        owner.sign * CASE WHEN f.exec_type <> 'Funding' AND f.is_maker THEN f.notional ELSE 0 END,
        owner.sign * CASE WHEN f.exec_type <> 'Funding' THEN f.fee ELSE 0 END,
        owner.sign * CASE WHEN f.exec_type = 'Funding' THEN -f.fee ELSE 0 END
    FROM trading.fills AS f
    CROSS JOIN trading.reporting_zone AS z
    CROSS JOIN LATERAL (SELECT CASE tg_op WHEN 'INSERT' THEN f.bot ELSE old.bot END) AS before (bot)
    CROSS JOIN LATERAL (VALUES (before.bot, -1), (new.bot, 1)) AS owner (bot, sign)
    WHERE (f.exec_id, f.symbol, f.account, f.category, f.exec_time)
            = (new.exec_id, new.symbol, new.account, new.category, new.exec_time)
        AND before.bot IS DISTINCT FROM new.bot AND owner.bot IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM trading.opening_positions AS o
            WHERE o.account = f.account AND o.bot = owner.bot AND o.symbol = f.symbol AND o.position_idx = f.position_idx
                AND CASE WHEN o.seq >= 0 THEN f.seq <= o.seq ELSE f.exec_time < o.at END
        )
    ORDER BY owner.bot
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
CREATE TRIGGER fill_owners_are_counted AFTER INSERT ON trading.fill_owners
    FOR EACH ROW EXECUTE FUNCTION trading.count_new_owner();
CREATE TRIGGER other_fill_owners_are_counted AFTER UPDATE ON trading.fill_owners
    FOR EACH ROW WHEN (old.bot <> new.bot) EXECUTE FUNCTION trading.count_new_owner();

-- The portfolio is summed by kind of account: one that is known only now, or is another kind now, is summed again.
CREATE FUNCTION trading.unfold_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- First the folding, which may be summing by the kind of before, then the head, as everybody who changes its rows.
    PERFORM pg_advisory_xact_lock(hashtextextended('trading.fold_closed_days', 0));
    PERFORM FROM trading.account_head WHERE account = new.account FOR UPDATE;
    UPDATE trading.bot_symbol_days SET folded = false WHERE account = new.account AND folded;
    RETURN NULL;
END
$$;
CREATE TRIGGER new_account_is_unfolded AFTER INSERT ON trading.accounts
    FOR EACH ROW EXECUTE FUNCTION trading.unfold_account();
CREATE TRIGGER other_kind_is_unfolded AFTER UPDATE OF kind ON trading.accounts
    FOR EACH ROW WHEN (old.kind IS DISTINCT FROM new.kind) EXECUTE FUNCTION trading.unfold_account();

-- Folds what is closed and changed, oldest days first, and answers how many days that were. A fill that comes late for
-- a day while it is folded waits for this transaction, so one call takes few days. It never waits for a fill itself: who
-- records holds rows of several days in an order of its own, and two who wait for each other are one that fails. A day of
-- which somebody else holds a row is left for the next time. Whoever changes a folded row meanwhile, or adds one, makes
-- it one that is not folded, and views then read the rows.
CREATE FUNCTION trading.fold_closed_days(at_most integer DEFAULT 31) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    today CONSTANT date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    due date[];
    locked tid[];
    closed date[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('trading.fold_closed_days', 0));
    -- A day is closed when the world has reached the next, or the account's market has.
    due := ARRAY(
        SELECT DISTINCT d.day
        FROM trading.bot_symbol_days AS d LEFT JOIN trading.account_head AS h USING (account)
        WHERE NOT d.folded AND d.day < greatest(today, (h.last_exec_time AT TIME ZONE 'UTC')::date)
        ORDER BY d.day LIMIT at_most
    );
    locked := ARRAY(
        SELECT d.ctid
        FROM trading.bot_symbol_days AS d LEFT JOIN trading.account_head AS h USING (account)
        WHERE NOT d.folded AND d.day = ANY (due)
            AND d.day < greatest(today, (h.last_exec_time AT TIME ZONE 'UTC')::date)
        FOR UPDATE OF d SKIP LOCKED
    );
    closed := ARRAY(
        SELECT unnest(due)
        EXCEPT
        SELECT d.day
        FROM trading.bot_symbol_days AS d LEFT JOIN trading.account_head AS h USING (account)
        WHERE NOT d.folded AND d.day = ANY (due)
            AND d.day < greatest(today, (h.last_exec_time AT TIME ZONE 'UTC')::date)
            AND NOT EXISTS (SELECT FROM unnest(locked) AS l (row_id) WHERE l.row_id = d.ctid)
    );
    UPDATE trading.bot_symbol_days SET folded = true
    WHERE ctid = ANY (locked) AND day = ANY (closed);
    DELETE FROM trading.bot_days WHERE day = ANY (closed);
    INSERT INTO trading.bot_days
    SELECT
        account, bot, day, zone_day, sum(fills), sum(volume), sum(maker_volume), sum(fees), sum(funding),
        sum(trades), sum(wins), sum(losses), sum(gross_pnl), sum(net_pnl), sum(won), sum(lost)
    FROM trading.bot_symbol_days WHERE day = ANY (closed)
    GROUP BY account, bot, day, zone_day;
    DELETE FROM trading.portfolio_days WHERE day = ANY (closed);
    INSERT INTO trading.portfolio_days
    SELECT
        coalesce(a.kind, 'unregistered'), d.day, d.zone_day, sum(d.fills), sum(d.volume), sum(d.maker_volume),
        sum(d.fees), sum(d.funding), sum(d.trades), sum(d.wins), sum(d.losses), sum(d.gross_pnl), sum(d.net_pnl),
        sum(d.won), sum(d.lost)
    FROM trading.bot_days AS d LEFT JOIN trading.accounts AS a USING (account)
    WHERE d.day = ANY (closed)
    GROUP BY 1, 2, 3;
    RETURN cardinality(closed);
END
$$;
REVOKE ALL ON FUNCTION trading.fold_closed_days(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading.fold_closed_days(integer) TO
    alpha_ledger_writer, alpha_sync_writer, alpha_commander;

-- All sums anew from fills, assignments and round trips. Recording waits meanwhile.
CREATE FUNCTION trading.rebuild_rollups() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made bigint;
BEGIN
    -- Before the tables: who holds it may wait for somebody who records.
    PERFORM pg_advisory_xact_lock(hashtextextended('trading.fold_closed_days', 0));
    LOCK TABLE trading.fills, trading.fill_owners, trading.trades IN SHARE ROW EXCLUSIVE MODE;
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
REVOKE ALL ON FUNCTION trading.rebuild_rollups() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading.rebuild_rollups() TO alpha_commander;

CREATE FUNCTION trading.set_reporting_zone(new_zone text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Anything else that PostgreSQL takes for a zone (an abbreviation, an offset) knows no summer time.
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = new_zone) THEN
        RAISE EXCEPTION '% is no time zone; one is named like Europe/Berlin', new_zone
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('trading.fold_closed_days', 0));
    -- Before the zone changes: whoever counts a fill reads it, and has committed when the lock is given.
    LOCK TABLE trading.fills, trading.fill_owners, trading.trades IN SHARE ROW EXCLUSIVE MODE;
    UPDATE trading.reporting_zone SET zone = new_zone, changed_at = clock_timestamp(), changed_by = session_user;
    RETURN trading.rebuild_rollups();
END
$$;
REVOKE ALL ON FUNCTION trading.set_reporting_zone(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading.set_reporting_zone(text) TO alpha_commander;

-- Fills of many bots come in turn, which leaves the pages of an index by bot half empty for ever. A month that is over
-- is packed once: its indexes made anew take two thirds of the room. One index a call, which is out of use for less than
-- a second; late fills may still come.
CREATE TABLE trading.packed_indexes (
    name text PRIMARY KEY,
    bytes_before bigint NOT NULL,
    bytes bigint NOT NULL,
    packed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.packed_indexes IS
    'Indexes of months of fills that were made anew after their month. Writer: trading.pack_closed_month.';

CREATE FUNCTION trading.pack_closed_month() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    next_index record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('trading.pack_closed_month', 0));
    SELECT i.oid, i.relname::text AS name, pg_relation_size(i.oid) AS bytes INTO next_index
    FROM pg_inherits AS part
    JOIN pg_class AS month ON month.oid = part.inhrelid
    JOIN pg_index AS x ON x.indrelid = month.oid
    JOIN pg_class AS i ON i.oid = x.indexrelid
    WHERE part.inhparent = 'trading.fills'::regclass
        AND month.relname ~ '^fills_[0-9]{4}_[0-9]{2}$'
        AND to_date(substr(month.relname, 7), 'YYYY_MM') + interval '1 month 7 days' < clock_timestamp()
        AND NOT EXISTS (SELECT FROM trading.packed_indexes AS p WHERE p.name = i.relname)
    ORDER BY month.relname, i.relname LIMIT 1;
    IF next_index.oid IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('REINDEX INDEX trading.%I', next_index.name);
    INSERT INTO trading.packed_indexes (name, bytes_before, bytes)
    VALUES (next_index.name, next_index.bytes, pg_relation_size(next_index.oid));
    RETURN next_index.name;
END
$$;
REVOKE ALL ON FUNCTION trading.pack_closed_month() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading.pack_closed_month() TO alpha_sync_writer, alpha_commander;

SELECT trading.rebuild_rollups();
