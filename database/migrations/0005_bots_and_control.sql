-- What bots remember, what people ordered, what everybody should know.

CREATE TABLE trading.order_intents (
    order_link_id text PRIMARY KEY CHECK (order_link_id ~ '^[A-Za-z0-9_-]{1,36}$'),
    bot text NOT NULL,
    account text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('Buy', 'Sell')),
    order_type text NOT NULL,
    quantity numeric NOT NULL CHECK (quantity > 0),
    price numeric CHECK (price > 0),
    reduce_only boolean NOT NULL,
    reason text NOT NULL,
    bar timestamptz NOT NULL,
    decision_price numeric NOT NULL,
    outcome text NOT NULL DEFAULT 'pending' CHECK (outcome IN ('pending', 'accepted', 'refused', 'unknown')),
    code integer,
    text text NOT NULL DEFAULT '',
    order_id text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.order_intents IS 'Every order before it is sent, and what became of it. Writer: bots.';
CREATE INDEX order_intents_bot_time ON trading.order_intents (bot, created_at);
CREATE INDEX order_intents_unsettled ON trading.order_intents (bot) WHERE outcome IN ('pending', 'unknown');

CREATE TABLE trading.bot_state (
    bot text PRIMARY KEY,
    run text NOT NULL,
    cursor bigint NOT NULL DEFAULT 0 CHECK (cursor >= 0),
    state jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.bot_state IS
    'The last fill a bot has handled and what its strategy keeps, always written together. Writer: bots.';

CREATE TABLE trading.leases (
    name text PRIMARY KEY,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.leases IS 'Who may act under a name, on the database''s clock. Writer: the holder.';

CREATE TABLE trading.controls (
    scope text PRIMARY KEY CHECK (scope = 'platform' OR scope LIKE 'bot:_%' OR scope LIKE 'account:_%'),
    entries_allowed boolean NOT NULL DEFAULT true,
    desired_state text NOT NULL DEFAULT 'running' CHECK (desired_state IN ('running', 'stopped')),
    by text NOT NULL,
    why text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.controls IS
    'Kill switch, pause, start and stop: what a person wants. The scope platform always has a row. Writer: commands.';
INSERT INTO trading.controls (scope, by, why) VALUES ('platform', 'migration', 'first start');

CREATE TABLE trading.alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    service text NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    account text,
    bot text,
    text text NOT NULL,
    fields jsonb NOT NULL DEFAULT '{}',
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.alerts IS 'What a person should know. Append-only. Writer: alert() of every service.';
CREATE INDEX alerts_time ON trading.alerts (at);

CREATE TABLE trading.audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    why text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}',
    login text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE trading.audit_events IS 'Who did what to what, and why. Append-only. Writer: commands.';
CREATE INDEX audit_events_time ON trading.audit_events (at);

CREATE TRIGGER alerts_are_facts BEFORE UPDATE OR DELETE OR TRUNCATE ON trading.alerts
    FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change();
CREATE TRIGGER audit_events_are_facts BEFORE UPDATE OR DELETE OR TRUNCATE ON trading.audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change();
ALTER TABLE trading.alerts ENABLE ALWAYS TRIGGER alerts_are_facts;
ALTER TABLE trading.audit_events ENABLE ALWAYS TRIGGER audit_events_are_facts;
REVOKE UPDATE, DELETE, TRUNCATE ON trading.alerts, trading.audit_events FROM CURRENT_USER;
