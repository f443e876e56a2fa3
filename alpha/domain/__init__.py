"""The vocabulary of trading as pure values: no I/O, no clock, no driver, nothing of ours imported."""
