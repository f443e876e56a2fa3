-- Whose a fill is once a person has corrected it, which fills are behind each round trip, and how good the trip was.

-- The recorder's owner stays in fills. What counts is here, changed in the transaction that folds both books again: before
-- it the old owner has the fill everywhere, after it the new one.
CREATE TABLE trading.fill_owners (
    exec_id text NOT NULL,
    symbol text NOT NULL,
    account text NOT NULL,
    category text NOT NULL,
    exec_time timestamptz NOT NULL,
    bot text NOT NULL,
    reason text NOT NULL,
    assignment bigint NOT NULL REFERENCES trading.fill_assignments,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (exec_id, symbol, account, category, exec_time)
);
COMMENT ON TABLE trading.fill_owners IS
    'Owner of each fill that was assigned by hand or whose order told its owner later, as its books have it. Derived from '
    'fill_assignments. Writer: listener.';
CREATE INDEX fill_owners_bot ON trading.fill_owners (bot, symbol);

CREATE TABLE trading.assignment_outcomes (
    assignment bigint PRIMARY KEY REFERENCES trading.fill_assignments,
    done boolean NOT NULL,
    bot_before text,
    detail text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.assignment_outcomes IS
    'What became of each assignment: books folded again, or why not. Without a row it waits for the listener that holds '
    'the account. Writer: listener.';
CREATE TRIGGER assignment_outcomes_are_facts BEFORE UPDATE OR DELETE OR TRUNCATE ON trading.assignment_outcomes
    FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change();
ALTER TABLE trading.assignment_outcomes ENABLE ALWAYS TRIGGER assignment_outcomes_are_facts;
REVOKE UPDATE, DELETE, TRUNCATE ON trading.assignment_outcomes FROM CURRENT_USER;

-- An order that names its bot after its fill was recorded is a correction too, and the listener is who learns of it.
GRANT INSERT ON trading.fill_assignments TO alpha_ledger_writer;
GRANT INSERT, UPDATE ON trading.fill_owners TO alpha_ledger_writer;
GRANT INSERT ON trading.assignment_outcomes TO alpha_ledger_writer;
COMMENT ON TABLE trading.fill_assignments IS
    'Corrections of a fill''s owner, newest wins; the fill itself stays as it is. Writers: a person''s command, and the '
    'listener for an order that told its bot after its fill.';

-- Fills that nobody owns are few, and are looked for.
CREATE INDEX fills_unattributed ON trading.fills (account, exec_time) WHERE bot IS NULL;

-- Two halves, so that what is asked of the bot, the symbol and the time reaches the indexes of fills.
CREATE VIEW trading.owned_fills AS
SELECT
    f.account, f.category, f.symbol, f.exec_id, f.exec_time, f.seq, f.exec_type, f.side, f.price, f.quantity, f.notional,
    f.fee, f.fee_rate, f.fee_currency, f.is_maker, f.closed_quantity, f.leaves_quantity, f.order_id, f.order_link_id,
    f.order_type, f.create_type, f.stop_order_type, f.mark_price, f.bot, f.reason, f.attribution, f.position_idx, f.bot_seq,
    f.source, f.frame_at, f.received_at, f.recorded_at, f.epoch
FROM trading.fills AS f
WHERE NOT EXISTS (
    SELECT FROM trading.fill_owners AS o
    WHERE o.exec_id = f.exec_id AND o.symbol = f.symbol AND o.account = f.account AND o.category = f.category
        AND o.exec_time = f.exec_time
)
UNION ALL
SELECT
    f.account, f.category, f.symbol, f.exec_id, f.exec_time, f.seq, f.exec_type, f.side, f.price, f.quantity, f.notional,
    f.fee, f.fee_rate, f.fee_currency, f.is_maker, f.closed_quantity, f.leaves_quantity, f.order_id, f.order_link_id,
    f.order_type, f.create_type, f.stop_order_type, f.mark_price, o.bot, o.reason, 'assigned'::text, f.position_idx,
    NULL::bigint, f.source, f.frame_at, f.received_at, f.recorded_at, f.epoch
FROM trading.fill_owners AS o
JOIN trading.fills AS f
    ON f.exec_id = o.exec_id AND f.symbol = o.symbol AND f.account = o.account AND f.category = o.category
    AND f.exec_time = o.exec_time;
COMMENT ON VIEW trading.owned_fills IS
    'Every fill with the owner and the reason that count: those it was recorded with, or those of its assignment (then '
    'attribution is "assigned", and it has no bot_seq: it is not in the bot''s stream).';

CREATE TABLE trading.trade_excursions (
    first_exec_id text NOT NULL,
    symbol text NOT NULL,
    account text NOT NULL,
    bot text NOT NULL,
    position_idx smallint NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    highest numeric NOT NULL,
    lowest numeric NOT NULL CHECK (lowest <= highest),
    bar_interval interval NOT NULL,
    bars integer NOT NULL CHECK (bars >= 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (first_exec_id, symbol, account, bot, position_idx)
);
COMMENT ON TABLE trading.trade_excursions IS
    'How far the price went while a round trip was open: the extremes of its own fills and of the bars that lie inside '
    'of it. No row where bars are missing; with none inside (bars 0) it says nothing. Writer: listener.';
GRANT INSERT, UPDATE ON trading.trade_excursions TO alpha_ledger_writer;

-- A flip is in two round trips: it exits one and enters the next. What of it is a trip's own is what the trip's quantity
-- leaves for it beside the trip's other fills of that role.
CREATE VIEW trading.trade_fills AS
WITH behind AS (
    SELECT
        t.account, t.bot, t.symbol, t.position_idx, t.first_exec_id, t.closed_at, t.quantity AS trade_quantity,
        f.exec_id, f.exec_time, f.seq, f.leaves_quantity, f.order_id, f.order_link_id, f.side, f.price, f.exec_type,
        f.is_maker, f.quantity, f.fee, f.reason, f.attribution,
        CASE
            WHEN f.exec_type = 'Funding' THEN 'funding'
            WHEN (f.side = 'Buy') <> (t.direction = 'long') THEN 'exit'
            WHEN f.exec_id = t.last_exec_id AND f.exec_id <> t.first_exec_id THEN 'exit'
            ELSE 'entry'
        END AS role,
        f.exec_id = t.first_exec_id OR f.exec_id = t.last_exec_id AS is_end
    FROM trading.trades AS t
    LEFT JOIN LATERAL (
        SELECT b.exec_time, b.seq, b.leaves_quantity, b.exec_id
        FROM trading.fills AS b
        WHERE b.exec_id = t.first_exec_id AND b.symbol = t.symbol AND b.account = t.account
            AND b.exec_time = t.opened_at
        LIMIT 1
    ) AS b ON true
    LEFT JOIN trading.opening_positions AS o
        ON t.first_exec_id = 'opening' AND o.account = t.account AND o.bot = t.bot AND o.symbol = t.symbol
        AND o.position_idx = t.position_idx
    -- Behind OFFSET the times are conditions of each half of owned_fills, which its indexes take; as conditions of a join
    -- they would come after all fills of the book were read. What began before us may have fills from shortly before it
    -- was seen.
    CROSS JOIN LATERAL (
        SELECT f.*
        FROM trading.owned_fills AS f
        WHERE f.bot = t.bot AND f.symbol = t.symbol AND f.account = t.account AND f.position_idx = t.position_idx
            AND f.exec_time <= t.closed_at
            AND f.exec_time >= CASE
                WHEN b.exec_id IS NULL THEN t.opened_at - interval '1 day' ELSE t.opened_at END
            AND (b.exec_id IS NULL OR (f.exec_time, f.seq, -f.leaves_quantity, f.exec_id COLLATE "C")
                >= (b.exec_time, b.seq, -b.leaves_quantity, b.exec_id COLLATE "C"))
            AND (f.exec_time, f.seq, -f.leaves_quantity, f.exec_id COLLATE "C")
                <= (t.closed_at, t.last_seq, -t.last_leaves_quantity, t.last_exec_id COLLATE "C")
            AND (o.account IS NULL OR CASE WHEN o.seq >= 0 THEN f.seq > o.seq ELSE f.exec_time >= o.at END)
        OFFSET 0
    ) AS f
), shared AS (
    SELECT
        *,
        CASE
            WHEN role <> 'funding' AND is_end
            THEN greatest(0, sum(quantity) OVER (
                PARTITION BY account, bot, symbol, position_idx, first_exec_id, closed_at, role) - trade_quantity)
            ELSE 0
        END AS of_other
    FROM behind
)
SELECT
    s.account, s.bot, s.symbol, s.position_idx, s.first_exec_id, s.closed_at, s.role,
    s.exec_id, s.exec_time, s.order_id, s.order_link_id, s.side, s.price, s.exec_type, s.is_maker,
    s.quantity - s.of_other AS quantity,
    CASE WHEN s.of_other = 0 THEN s.fee ELSE s.fee * (s.quantity - s.of_other) / s.quantity END AS fee,
    s.reason, s.attribution, i.decision_price
FROM shared AS s
LEFT JOIN trading.order_intents AS i ON i.order_link_id = nullif(s.order_link_id, '');
COMMENT ON VIEW trading.trade_fills IS
    'The fills behind each round trip, with the part of them that is the trip''s (a flip is in two). Of funding, quantity is '
    'the position it was paid on.';

CREATE VIEW trading.round_trips AS
SELECT
    t.account, t.bot, t.symbol, t.position_idx, t.first_exec_id, t.last_exec_id, t.direction, t.opened_at, t.closed_at,
    t.closed_at - t.opened_at AS duration,
    t.quantity, t.entry_price, t.exit_price, t.entry_price * t.quantity AS notional,
    t.gross_pnl, t.fees, t.funding, t.net_pnl,
    t.net_pnl / (t.entry_price * t.quantity) AS return_on_notional,
    t.entry_reason, t.exit_reason, t.fill_count, q.orders,
    q.entry_decision_price, q.exit_decision_price, q.entry_slippage_bps, q.exit_slippage_bps,
    x.adverse / t.entry_price * 10000 AS mae_bps,
    x.favourable / t.entry_price * 10000 AS mfe_bps,
    x.adverse * t.quantity AS mae,
    x.favourable * t.quantity AS mfe,
    x.bar_interval, x.bars,
    1 AS pnl_version
FROM trading.trades AS t
LEFT JOIN LATERAL (
    SELECT
        greatest(0, CASE t.direction WHEN 'long' THEN t.entry_price - e.lowest ELSE e.highest - t.entry_price END)
            AS adverse,
        greatest(0, CASE t.direction WHEN 'long' THEN e.highest - t.entry_price ELSE t.entry_price - e.lowest END)
            AS favourable,
        e.bar_interval, e.bars
    FROM trading.trade_excursions AS e
    WHERE e.first_exec_id = t.first_exec_id AND e.symbol = t.symbol AND e.account = t.account AND e.bot = t.bot
        AND e.position_idx = t.position_idx
        -- Measured over another time: the trip has changed since, and is measured again.
        AND e.opened_at = t.opened_at AND e.closed_at = t.closed_at AND e.bars > 0
) AS x ON true
LEFT JOIN LATERAL (
    SELECT
        count(DISTINCT f.order_id) FILTER (WHERE f.role <> 'funding') AS orders,
        sum(f.decision_price * f.quantity) FILTER (WHERE f.role = 'entry')
            / sum(f.quantity) FILTER (WHERE f.role = 'entry' AND f.decision_price IS NOT NULL) AS entry_decision_price,
        sum(f.decision_price * f.quantity) FILTER (WHERE f.role = 'exit')
            / sum(f.quantity) FILTER (WHERE f.role = 'exit' AND f.decision_price IS NOT NULL) AS exit_decision_price,
        sum((f.price - f.decision_price) * f.quantity * CASE f.side WHEN 'Buy' THEN 10000 ELSE -10000 END)
                FILTER (WHERE f.role = 'entry')
            / sum(f.decision_price * f.quantity) FILTER (WHERE f.role = 'entry') AS entry_slippage_bps,
        sum((f.price - f.decision_price) * f.quantity * CASE f.side WHEN 'Buy' THEN 10000 ELSE -10000 END)
                FILTER (WHERE f.role = 'exit')
            / sum(f.decision_price * f.quantity) FILTER (WHERE f.role = 'exit') AS exit_slippage_bps
    FROM trading.trade_fills AS f
    WHERE f.first_exec_id = t.first_exec_id AND f.symbol = t.symbol AND f.account = t.account AND f.bot = t.bot
        AND f.position_idx = t.position_idx AND f.closed_at = t.closed_at
) AS q ON true
WHERE t.account NOT IN (SELECT account FROM trading.uncounted_accounts);
COMMENT ON VIEW trading.round_trips IS
    'Complete round trips, as docs/accounting.md defines them. Slippage above 0 is worse than decided, null where no fill of '
    'that side was of an order of ours; mae and mfe are null where no bars are.';
COMMENT ON COLUMN trading.round_trips.return_on_notional IS 'net_pnl / notional: a fraction, 0.01 is one percent.';
COMMENT ON COLUMN trading.round_trips.pnl_version IS 'Which definition of P&L of docs/accounting.md the amounts follow.';
