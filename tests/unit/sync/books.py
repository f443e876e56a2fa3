"""Entries of a transaction log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alpha.domain.ids import AccountName
from alpha.domain.side import Side
from alpha.exchange.account_books import LogEntry

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def entry(minute: float, change: str, balance: str, *, log_id: str = "", currency: str = "USDT") -> LogEntry:
    """A trade at a minute after MONDAY, of which only the money matters."""
    return LogEntry(
        account=AccountName("canary"),
        log_id=log_id or f"log-{minute}-{change}",
        at=MONDAY + timedelta(minutes=minute),
        type="TRADE",
        sub_type="",
        category="linear",
        symbol="BTCUSDT",
        side=Side.BUY,
        currency=currency,
        quantity=Decimal("0.001"),
        size=Decimal("0.001"),
        price=Decimal(100_000),
        funding=Decimal(0),
        fee=-Decimal(change),
        fee_rate=Decimal("0.00055"),
        cash_flow=Decimal(0),
        change=Decimal(change),
        balance=Decimal(balance),
        bonus_change=Decimal(0),
        trade_id=f"exec-{minute}",
        order_id="order",
        order_link_id="",
    )
