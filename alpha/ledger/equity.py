from __future__ import annotations

from datetime import datetime

from alpha.exchange.account_state import WalletBalance
from alpha.ledger.connection import Connection, transaction


def add_equity_snapshot(connection: Connection, wallet: WalletBalance, *, at: datetime, source: str) -> bool:
    """Stores the wallet of an account at a market time. False when there is one of that instant already."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.equity_snapshots (account, at, equity, balance, available, unrealized_pnl, source)
            VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (account, at) DO NOTHING
            """,
            (wallet.account, at, wallet.equity, wallet.balance, wallet.available, wallet.unrealized_pnl, source),
        )
        return cursor.rowcount == 1
