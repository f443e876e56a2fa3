-- Kills and flattenings: what was ordered, and the evidence that nothing is left. And controls that a kill holds.

CREATE TABLE trading.kills (
    kill text PRIMARY KEY CHECK (kill <> ''),
    kind text NOT NULL CHECK (kind IN ('kill', 'flatten')),
    scope text NOT NULL CHECK (scope = 'platform' OR scope LIKE 'bot:_%' OR scope LIKE 'account:_%'),
    symbols text[],
    by text NOT NULL,
    why text NOT NULL,
    asked_at timestamptz NOT NULL,
    proven_at timestamptz,
    evidence jsonb NOT NULL DEFAULT '{}',
    lifted_at timestamptz,
    lifted_by text,
    before jsonb,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.kills IS
    'Every order to close everything of a scope (symbols: only these), the evidence that it is closed (times of the wall '
    'clock), and when a kill was lifted; before: the control that a kill replaced. Writer: telegram_manager and the same '
    'commands in a terminal.';
CREATE INDEX kills_unfinished ON trading.kills (asked_at) WHERE proven_at IS NULL OR lifted_at IS NULL;
GRANT INSERT, UPDATE ON trading.kills TO alpha_commander;

ALTER TABLE trading.controls
    ADD COLUMN kill text,
    ADD COLUMN restart_asked_at timestamptz,
    ADD COLUMN desired_state_at timestamptz,
    -- Whoever writes the row, by whatever command or by hand: nothing runs or trades behind a kill.
    ADD CONSTRAINT controls_kill_holds CHECK (kill IS NULL OR (NOT entries_allowed AND desired_state = 'stopped'));
COMMENT ON COLUMN trading.controls.kill IS 'The kill that holds this scope; its lifting alone ends that.';
COMMENT ON COLUMN trading.controls.restart_asked_at IS 'When a restart was last asked for; each value is obeyed once.';
COMMENT ON COLUMN trading.controls.desired_state_at IS
    'When a command last said whether the scope shall run; NULL: none ever did. What only pauses or resumes leaves it.';
