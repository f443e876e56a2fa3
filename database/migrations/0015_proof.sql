-- Whether a day of an account is proven, and by which sums.

CREATE TABLE trading.proofs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    day date NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    proven boolean NOT NULL,
    checks jsonb NOT NULL,
    findings jsonb NOT NULL,
    notes jsonb NOT NULL DEFAULT '[]',
    judged_by text NOT NULL,
    ledger_read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    log_read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    judged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (since <= until)
);
COMMENT ON TABLE trading.proofs IS
    'Verdicts on a day of an account (UTC, market clock), append-only; the newest of a day counts. Writer: '
    'trade_sync_service every night, and alpha proof in its role.';
COMMENT ON COLUMN trading.proofs.since IS
    'What was judged of the day: from here to "until", both included. The account''s first day begins at its first contact.';
COMMENT ON COLUMN trading.proofs.checks IS 'In their order: {name, ok, text}.';
COMMENT ON COLUMN trading.proofs.findings IS 'What spoke against it: {check, subject, text}; the subject names the row.';
COMMENT ON COLUMN trading.proofs.notes IS 'What is not against it and should be known, one sentence each.';
COMMENT ON COLUMN trading.proofs.ledger_read_at IS
    'The database''s clock when fills, owners and coverage were read; log_read_at: the exchange''s log. What is recorded of '
    'the day later is not in the verdict.';
CREATE INDEX proofs_account_day ON trading.proofs (account, day, id);

CREATE TABLE trading.double_entries (
    proof bigint NOT NULL REFERENCES trading.proofs,
    coin text NOT NULL,
    exchange_opening numeric NOT NULL,
    exchange_trades numeric NOT NULL,
    exchange_fees numeric NOT NULL,
    exchange_funding numeric NOT NULL,
    exchange_transfers numeric NOT NULL,
    exchange_other numeric NOT NULL,
    exchange_closing numeric NOT NULL,
    ledger_opening numeric NOT NULL,
    ledger_trades numeric NOT NULL,
    ledger_fees numeric NOT NULL,
    ledger_funding numeric NOT NULL,
    ledger_transfers numeric NOT NULL,
    ledger_other numeric NOT NULL,
    ledger_closing numeric NOT NULL,
    residual numeric GENERATED ALWAYS AS (exchange_closing - ledger_closing) STORED,
    explanation text NOT NULL,
    PRIMARY KEY (proof, coin),
    CHECK (ledger_closing = ledger_opening + ledger_trades + ledger_fees + ledger_funding + ledger_transfers + ledger_other)
);
COMMENT ON TABLE trading.double_entries IS
    'Per proof and coin the exchange''s transaction log beside our ledger: opening + trades + fees + funding + transfers + '
    'other = closing, each as it moved the balance (fees paid are below 0). Writer: as of trading.proofs.';
COMMENT ON COLUMN trading.double_entries.ledger_opening IS
    'The exchange''s: a day is judged by itself. Transfers and what else is no execution are the exchange''s word as well.';
COMMENT ON COLUMN trading.double_entries.explanation IS 'What the residual and the column "other" are made of.';

CREATE TRIGGER proofs_are_facts BEFORE UPDATE OR DELETE OR TRUNCATE ON trading.proofs
    FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change();
CREATE TRIGGER double_entries_are_facts BEFORE UPDATE OR DELETE OR TRUNCATE ON trading.double_entries
    FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change();
ALTER TABLE trading.proofs ENABLE ALWAYS TRIGGER proofs_are_facts;
ALTER TABLE trading.double_entries ENABLE ALWAYS TRIGGER double_entries_are_facts;
REVOKE UPDATE, DELETE, TRUNCATE ON trading.proofs, trading.double_entries FROM CURRENT_USER;

-- A proven day stays so only as long as nobody learns anything new of it. One that failed is failed until it is judged again.
CREATE VIEW trading.proven_days AS
SELECT p.*
FROM (
    SELECT DISTINCT ON (account, day)
        id AS proof, account, day, since, until, proven, checks, findings, judged_by, judged_at, notes, ledger_read_at,
        log_read_at
    FROM trading.proofs
    ORDER BY account, day, id DESC
) AS p
WHERE NOT p.proven OR NOT (
    EXISTS (
        SELECT FROM trading.coverage AS c
        WHERE c.account = p.account AND c.kind = 'unproven' AND c.started_at <= p.until AND c.ended_at >= p.since
            AND c.recorded_at > p.ledger_read_at
    ) OR EXISTS (
        SELECT FROM trading.fills AS f
        WHERE f.account = p.account AND f.exec_time BETWEEN p.since AND p.until AND f.recorded_at > p.ledger_read_at
    ) OR EXISTS (
        SELECT FROM trading.fill_owners AS o
        WHERE o.account = p.account AND o.exec_time BETWEEN p.since AND p.until AND o.at > p.ledger_read_at
    ) OR EXISTS (
        SELECT FROM trading.account_log AS l
        WHERE l.account = p.account AND l.at BETWEEN p.since AND p.until AND l.synced_at > p.log_read_at
    )
);
COMMENT ON VIEW trading.proven_days IS
    'The verdict that counts on each judged day of each account. A proven day of which a fill, an owner, an entry of the '
    'exchange''s log or a doubt was recorded since is not in it: it has to be judged again.';

CREATE VIEW trading.daily_double_entry AS
SELECT d.account, d.day, d.proven, e.*
FROM trading.proven_days AS d
JOIN trading.double_entries AS e USING (proof);
COMMENT ON VIEW trading.daily_double_entry IS 'The double entry of each judged day, account and coin.';

GRANT INSERT ON trading.proofs, trading.double_entries TO alpha_sync_writer;
