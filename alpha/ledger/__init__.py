"""PostgreSQL: the ledger and everything else that must survive. The only place with SQL in Python."""
