-- What the command centre remembers: which updates it has acted on, what it owes to whom, and what it is watching.

CREATE TABLE trading.handled_updates (
    subject text PRIMARY KEY,
    update_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.handled_updates IS
    'Messages and pressed buttons of Telegram that were acted on, so that a second delivery does nothing. Rows of the last '
    'days only. Writer: telegram_manager.';
COMMENT ON COLUMN trading.handled_updates.subject IS 'message:<chat>:<message>, or callback:<id>.';
CREATE INDEX handled_updates_time ON trading.handled_updates (at);

CREATE TABLE trading.telegram_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender text NOT NULL,
    chat text NOT NULL,
    attempted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    message_id bigint,
    edited_at timestamptz,
    perhaps_repeated boolean NOT NULL DEFAULT false,
    is_repetition boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE trading.telegram_messages IS
    'Messages on their way to Telegram, written before they are sent: one without sent_at may or may not have arrived. '
    'Writer: telegram_manager.';
COMMENT ON COLUMN trading.telegram_messages.sender IS 'Whose token sends: c2, or the bot with a token of its own.';
CREATE INDEX telegram_messages_unsent ON trading.telegram_messages (id) WHERE sent_at IS NULL;
CREATE INDEX telegram_messages_time ON trading.telegram_messages (attempted_at);

CREATE TABLE trading.notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender text NOT NULL,
    chat text NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    account text,
    bot text,
    text text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    fold text NOT NULL,
    times bigint NOT NULL DEFAULT 1 CHECK (times > 0),
    told_times bigint NOT NULL DEFAULT 0,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    message bigint REFERENCES trading.telegram_messages,
    sent_at timestamptz,
    repeat_at timestamptz,
    repeats bigint NOT NULL DEFAULT 0,
    acknowledged_at timestamptz,
    acknowledged_by text,
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
COMMENT ON TABLE trading.notifications IS
    'What somebody is to be told, one row per recipient, until it is sent; a critical one until it is acknowledged. '
    'Writer: telegram_manager.';
COMMENT ON COLUMN trading.notifications.fold IS 'Notifications of one recipient with the same fold say the same thing.';
COMMENT ON COLUMN trading.notifications.told_times IS 'How many times the recipient has been shown; behind times: edit.';
CREATE INDEX notifications_queued ON trading.notifications (sender, chat, id) WHERE message IS NULL;
CREATE INDEX notifications_message ON trading.notifications (message);
CREATE INDEX notifications_fold ON trading.notifications (sender, chat, fold, id);
CREATE INDEX notifications_open ON trading.notifications (repeat_at) WHERE repeat_at IS NOT NULL;

CREATE TABLE trading.taken_alerts (
    alert bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.taken_alerts IS
    'Alerts that are in the queue. Their numbers alone do not tell: a lower one may be committed after a higher one. '
    'Writer: telegram_manager.';

CREATE TABLE trading.notifier_cursors (
    source text PRIMARY KEY,
    position text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE trading.notifier_cursors IS
    'Up to where each source is in the queue: alerts (number below which all are), fills:<bot> (bot_seq), daily (day). '
    'Writer: telegram_manager.';

CREATE TABLE trading.concerns (
    kind text NOT NULL,
    subject text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    text text NOT NULL,
    PRIMARY KEY (kind, subject)
);
COMMENT ON TABLE trading.concerns IS
    'What the watches of the command centre see wrong now, so that a restart does not alert it again. '
    'Writer: telegram_manager.';

GRANT INSERT, UPDATE, DELETE ON
    trading.handled_updates, trading.telegram_messages, trading.notifications, trading.taken_alerts,
    trading.notifier_cursors, trading.concerns
    TO alpha_commander;
