"""What people take away: the ledger's rows as files, and the report of a month."""
