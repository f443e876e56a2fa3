-- Every backup that was verified, and every one that failed while the database could still say so.

CREATE TABLE trading.backups (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at timestamptz NOT NULL,
    file text NOT NULL,
    ok boolean NOT NULL,
    detail text NOT NULL DEFAULT '',
    verified_at timestamptz,
    size bigint,
    sha256 text,
    encrypted boolean NOT NULL DEFAULT false,
    copied_to text NOT NULL DEFAULT '',
    seconds numeric NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (ok = (verified_at IS NOT NULL))
);
COMMENT ON TABLE trading.backups IS
    'Each try to back this database up; ok only after it was restored and its figures were equal. Writer: backup.';
COMMENT ON COLUMN trading.backups.taken_at IS 'Wall clock of the snapshot; of the start when there was none.';
CREATE INDEX backups_verified ON trading.backups (taken_at) WHERE ok;

GRANT INSERT ON trading.backups TO alpha_backup;
-- The backup is a service like the others: it says when it fails.
GRANT INSERT ON trading.alerts TO alpha_backup;

CREATE TABLE trading.backup_requests (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz,
    ok boolean,
    detail text NOT NULL DEFAULT '',
    CHECK ((done_at IS NULL) = (ok IS NULL))
);
COMMENT ON TABLE trading.backup_requests IS
    'Backups that somebody asked for between two days. Writer: commands; the backup answers.';
CREATE INDEX backup_requests_waiting ON trading.backup_requests (number) WHERE done_at IS NULL;
GRANT INSERT (asked_by) ON trading.backup_requests TO alpha_commander;
GRANT UPDATE (done_at, ok, detail) ON trading.backup_requests TO alpha_backup;

-- Which ledger this is, wherever it is restored to: backups of two ledgers may lie in one folder.
CREATE TABLE trading.ledger_identity (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
COMMENT ON TABLE trading.ledger_identity IS 'One row, made once and never changed. Writer: this migration.';
INSERT INTO trading.ledger_identity DEFAULT VALUES;
