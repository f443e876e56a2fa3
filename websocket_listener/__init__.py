"""Private streams of all accounts into the ledger and the live state; and the market feed, a process of its own."""
