-- Bots say themselves that a limit was reached; a person lifts a halt.

ALTER TABLE trading.controls ADD COLUMN resumed_at timestamptz;
COMMENT ON COLUMN trading.controls.resumed_at IS
    'When a person last allowed entries: a bot halted by its drawdown before that goes on.';
GRANT INSERT ON trading.audit_events TO alpha_bot;
