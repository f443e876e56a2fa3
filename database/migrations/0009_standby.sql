-- The lease of an account has a row of its own. A batch keeps the account's head locked until it has committed, however
-- long that takes; a lease in the same row could not be renewed meanwhile, and a healthy listener would lose its accounts
-- to the standby in the middle of a long batch.

CREATE TABLE trading.account_leases (
    account text PRIMARY KEY,
    epoch bigint NOT NULL,
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE trading.account_leases IS
    'Until when the holder of an account''s head may count on keeping it. Writer: listener.';
COMMENT ON COLUMN trading.account_leases.epoch IS 'The epoch of account_head that the lease is for; 0: never taken.';
COMMENT ON COLUMN trading.account_leases.lease_until IS
    'This database''s clock. Afterwards, and not before, another listener may take the account.';

INSERT INTO trading.account_leases (account, epoch, lease_until)
SELECT account, epoch, lease_until FROM trading.account_head;

ALTER TABLE trading.account_head DROP COLUMN lease_until;

GRANT INSERT, UPDATE ON trading.account_leases TO alpha_ledger_writer;
