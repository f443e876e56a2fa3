"""The proof that the ledger is the exchange's: day by day, account by account, coin by coin.

Pure but for `gathering` and `nightly`: rows of both sides in, a verdict with the rows that speak against it out.
"""
