-- One writer per table. The group roles are made by database/roles.py before the migrations run: they belong to the
-- server and not to one database.

GRANT USAGE ON SCHEMA trading TO
    alpha_ledger_writer, alpha_sync_writer, alpha_bot, alpha_reader, alpha_commander, alpha_backup;

-- Everybody of the platform reads everything, also what later migrations add; writing is granted table by table.
GRANT SELECT ON ALL TABLES IN SCHEMA trading TO
    alpha_ledger_writer, alpha_sync_writer, alpha_bot, alpha_reader, alpha_commander, alpha_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA trading GRANT SELECT ON TABLES TO
    alpha_ledger_writer, alpha_sync_writer, alpha_bot, alpha_reader, alpha_commander, alpha_backup;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA trading TO alpha_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA trading GRANT SELECT ON SEQUENCES TO alpha_backup;

-- The listener.
GRANT INSERT ON trading.fills, trading.opening_positions, trading.equity_snapshots TO alpha_ledger_writer;
GRANT INSERT, UPDATE ON
    trading.accounts, trading.bots, trading.account_head, trading.bot_heads, trading.orders, trading.positions,
    trading.coverage, trading.raw_events
    TO alpha_ledger_writer;
GRANT INSERT, UPDATE, DELETE ON trading.books, trading.trades TO alpha_ledger_writer;
GRANT EXECUTE ON FUNCTION trading.ensure_fills_partition(date) TO alpha_ledger_writer;

-- The sync service never writes fills: it doubts an interval, and the listener reads it again.
GRANT INSERT, UPDATE ON trading.completed_trades, trading.sync_status TO alpha_sync_writer;
GRANT EXECUTE ON FUNCTION trading.mark_unproven(text, timestamptz, timestamptz, text)
    TO alpha_ledger_writer, alpha_sync_writer, alpha_commander;

-- Bots.
GRANT INSERT, UPDATE ON trading.order_intents, trading.bot_state TO alpha_bot;
GRANT INSERT, UPDATE ON trading.leases TO alpha_ledger_writer, alpha_sync_writer, alpha_bot, alpha_commander;

-- People's commands.
GRANT INSERT, UPDATE ON trading.controls TO alpha_commander;
GRANT INSERT ON trading.audit_events, trading.fill_assignments TO alpha_commander;
GRANT UPDATE (resolved_at, resolved_by, resolution) ON trading.drift TO alpha_commander;

-- Findings: whoever compares writes drift, whoever sees something alerts.
GRANT INSERT, UPDATE (last_seen_at, times, resolved_at, resolved_by, resolution) ON trading.drift
    TO alpha_ledger_writer, alpha_sync_writer;
GRANT INSERT ON trading.alerts TO alpha_ledger_writer, alpha_sync_writer, alpha_bot, alpha_commander;
