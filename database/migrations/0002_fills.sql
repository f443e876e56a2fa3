-- Every execution, once. All money is numeric without a scale, so that what the exchange said is what is stored.
-- exec_time is the exchange's (market) clock, in milliseconds; frame_at and received_at are wall clock, recorded_at is
-- the database's.

CREATE TABLE trading.fills (
    account text NOT NULL,
    category text NOT NULL,
    symbol text NOT NULL,
    exec_id text NOT NULL CHECK (exec_id <> ''),
    exec_time timestamptz NOT NULL CHECK (exec_time = date_trunc('milliseconds', exec_time)),
    seq bigint NOT NULL,
    exec_type text NOT NULL,
    side text NOT NULL CHECK (side IN ('Buy', 'Sell')),
    price numeric NOT NULL CHECK (price > 0),
    quantity numeric NOT NULL CHECK (quantity > 0),
    notional numeric NOT NULL,
    fee numeric NOT NULL,
    fee_rate numeric NOT NULL,
    fee_currency text NOT NULL,
    is_maker boolean NOT NULL,
    closed_quantity numeric NOT NULL,
    leaves_quantity numeric NOT NULL,
    order_id text NOT NULL,
    order_link_id text NOT NULL,
    order_type text NOT NULL,
    create_type text NOT NULL,
    stop_order_type text NOT NULL,
    mark_price numeric,
    bot text,
    reason text NOT NULL,
    attribution text NOT NULL,
    position_idx smallint NOT NULL CHECK (position_idx BETWEEN 0 AND 2),
    bot_seq bigint CHECK (bot_seq > 0),
    source text NOT NULL CHECK (source IN ('stream', 'recovery', 'replay')),
    frame_at timestamptz,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (account, category, symbol, exec_id, exec_time),
    CONSTRAINT fills_owner CHECK ((bot IS NULL) = (bot_seq IS NULL) AND (bot IS NULL) = (attribution = 'unattributed'))
) PARTITION BY RANGE (exec_time);
COMMENT ON TABLE trading.fills IS
    'Every execution of every account, exactly once, never changed. Writer: listener, through one function.';
COMMENT ON COLUMN trading.fills.fee IS 'Above 0 paid, below 0 received; for funding the payment itself.';
COMMENT ON COLUMN trading.fills.bot_seq IS 'Gapless number of the fill among its bot''s, from 1, in commit order.';
COMMENT ON COLUMN trading.fills.attribution IS 'How the owner was found: tag, order, sole_owner, holder, unattributed.';

CREATE INDEX fills_bot_symbol_time ON trading.fills (bot, symbol, exec_time);
-- Uniqueness over (bot, bot_seq) alone is not possible on a partitioned table; the lock on the bot's row of bot_heads
-- sees to it.
CREATE UNIQUE INDEX fills_bot_seq ON trading.fills (bot, bot_seq, exec_time);
CREATE INDEX fills_account_time ON trading.fills (account, exec_time);

CREATE TRIGGER fills_are_facts BEFORE UPDATE OR DELETE ON trading.fills
    FOR EACH ROW EXECUTE FUNCTION trading.refuse_change();
CREATE TRIGGER fills_are_facts_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON trading.fills
    FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change();
ALTER TABLE trading.fills ENABLE ALWAYS TRIGGER fills_are_facts;
ALTER TABLE trading.fills ENABLE ALWAYS TRIGGER fills_are_facts_statement;
REVOKE UPDATE, DELETE, TRUNCATE ON trading.fills FROM CURRENT_USER;

-- Row triggers reach the partitions by themselves; TRUNCATE has statement triggers only, and those do not.
CREATE FUNCTION trading.protect_fills_partition(partition regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER fills_are_facts_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON %s'
        ' FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change()', partition);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER fills_are_facts', partition);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER fills_are_facts_statement', partition);
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM CURRENT_USER', partition);
END
$$;

-- Where a fill goes whose month could not be made. A row here is an alert: its month cannot be added any more.
CREATE TABLE trading.fills_default PARTITION OF trading.fills DEFAULT;
SELECT trading.protect_fills_partition('trading.fills_default');

-- The one thing the ledger writer may do to the schema. Made apart and attached: CREATE TABLE ... PARTITION OF would lock
-- out every reader and writer of fills. Answers made, present, or stranded when the default partition already holds
-- rows of the month.
CREATE FUNCTION trading.ensure_fills_partition(month date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    month_start date := date_trunc('month', month)::date;
    month_end date := (date_trunc('month', month) + interval '1 month')::date;
    name text := 'fills_' || to_char(month_start, 'YYYY_MM');
BEGIN
    IF month NOT BETWEEN date '2015-01-01' AND date '2199-12-31' THEN
        RAISE EXCEPTION 'no fills can be of %', month USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('trading.ensure_fills_partition', 0));
    IF to_regclass(format('trading.%I', name)) IS NOT NULL THEN
        RETURN 'present';
    END IF;
    IF EXISTS (SELECT FROM trading.fills_default WHERE exec_time >= month_start AND exec_time < month_end) THEN
        RETURN 'stranded';
    END IF;
    EXECUTE format('CREATE TABLE trading.%I (LIKE trading.fills INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE trading.fills ATTACH PARTITION trading.%I FOR VALUES FROM (%L) TO (%L)',
        name, month_start::timestamptz, month_end::timestamptz);
    PERFORM trading.protect_fills_partition(format('trading.%I', name)::regclass);
    RETURN 'made';
END
$$;
REVOKE ALL ON FUNCTION trading.protect_fills_partition(regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION trading.ensure_fills_partition(date) FROM PUBLIC;

CREATE TABLE trading.fill_assignments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    category text NOT NULL,
    symbol text NOT NULL,
    exec_id text NOT NULL,
    exec_time timestamptz NOT NULL,
    bot text NOT NULL,
    reason text NOT NULL,
    by text NOT NULL,
    why text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.fill_assignments IS
    'Corrections of a fill''s owner, newest wins; the fill itself stays as it is. Writer: a person''s command.';
CREATE INDEX fill_assignments_fill ON trading.fill_assignments (account, category, symbol, exec_id);
CREATE TRIGGER fill_assignments_are_facts BEFORE UPDATE OR DELETE OR TRUNCATE ON trading.fill_assignments
    FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change();
ALTER TABLE trading.fill_assignments ENABLE ALWAYS TRIGGER fill_assignments_are_facts;
REVOKE UPDATE, DELETE, TRUNCATE ON trading.fill_assignments FROM CURRENT_USER;

CREATE TABLE trading.account_head (
    account text PRIMARY KEY,
    epoch bigint NOT NULL CHECK (epoch > 0),
    holder text NOT NULL,
    backend_pid integer NOT NULL,
    lease_until timestamptz NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    fills bigint NOT NULL DEFAULT 0,
    last_exec_time timestamptz,
    last_recorded_at timestamptz
);
COMMENT ON TABLE trading.account_head IS
    'Who records an account: locked first by every batch; an older epoch writes nothing. Writer: listener.';

CREATE TABLE trading.bot_heads (
    bot text PRIMARY KEY,
    last_seq bigint NOT NULL CHECK (last_seq > 0)
);
COMMENT ON TABLE trading.bot_heads IS 'Number of each bot''s last fill. Writer: listener.';

CREATE TABLE trading.opening_positions (
    account text NOT NULL,
    bot text NOT NULL,
    symbol text NOT NULL,
    position_idx smallint NOT NULL,
    quantity numeric NOT NULL,
    entry_price numeric NOT NULL,
    seq bigint,
    at timestamptz NOT NULL,
    adopted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, bot, symbol, position_idx),
    CHECK ((quantity = 0) = (entry_price = 0) AND entry_price >= 0)
);
COMMENT ON TABLE trading.opening_positions IS
    'What a book held when the platform first saw its account: 0 for flat. Not a fill. Writer: listener.';
COMMENT ON COLUMN trading.opening_positions.seq IS
    'The exchange''s seq of that report: fills of the symbol up to it are in the position already and are not folded. '
    'Without one, fills before "at" (market clock) are.';

CREATE TABLE trading.books (
    account text NOT NULL,
    bot text NOT NULL,
    symbol text NOT NULL,
    position_idx smallint NOT NULL,
    quantity numeric NOT NULL,
    entry_price numeric NOT NULL,
    realized_pnl numeric NOT NULL,
    fees numeric NOT NULL,
    funding numeric NOT NULL,
    fill_count bigint NOT NULL,
    last_exec_time timestamptz,
    last_seq bigint,
    last_leaves_quantity numeric,
    last_exec_id text,
    open_first_exec_id text,
    open_opened_at timestamptz,
    open_direction text CHECK (open_direction IN ('long', 'short')),
    open_entry_reason text,
    open_entered_quantity numeric,
    open_entered_value numeric,
    open_exited_quantity numeric,
    open_exited_value numeric,
    open_gross_pnl numeric,
    open_fees numeric,
    open_funding numeric,
    open_fill_count bigint,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, bot, symbol, position_idx),
    CHECK ((quantity = 0) = (open_first_exec_id IS NULL))
);
COMMENT ON TABLE trading.books IS
    'Average-cost state of each bot''s position: all fills folded in execution order. Derived. Writer: listener.';

CREATE TABLE trading.trades (
    account text NOT NULL,
    bot text NOT NULL,
    symbol text NOT NULL,
    position_idx smallint NOT NULL,
    first_exec_id text NOT NULL,
    last_exec_id text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('long', 'short')),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    quantity numeric NOT NULL,
    entry_price numeric NOT NULL,
    exit_price numeric NOT NULL,
    gross_pnl numeric NOT NULL,
    fees numeric NOT NULL,
    funding numeric NOT NULL,
    net_pnl numeric GENERATED ALWAYS AS (gross_pnl - fees + funding) STORED,
    fill_count bigint NOT NULL,
    entry_reason text NOT NULL,
    exit_reason text NOT NULL,
    last_seq bigint NOT NULL,
    last_leaves_quantity numeric NOT NULL,
    ends_flat boolean NOT NULL,
    book_realized_pnl numeric NOT NULL,
    book_fees numeric NOT NULL,
    book_funding numeric NOT NULL,
    book_fill_count bigint NOT NULL,
    PRIMARY KEY (account, bot, symbol, position_idx, first_exec_id)
);
COMMENT ON TABLE trading.trades IS 'Round trips: flat, position, flat. Derived from fills. Writer: listener.';
COMMENT ON COLUMN trading.trades.ends_flat IS
    'Whether the book was flat after the last fill (a flip is not). Together with the book_ totals such a row is where a '
    'late fill''s refold begins.';
CREATE INDEX trades_bot_closed ON trading.trades (bot, closed_at);
CREATE INDEX trades_book_closed ON trading.trades (account, bot, symbol, position_idx, closed_at);
