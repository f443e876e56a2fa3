"""Lines of an exchange's journal."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpha.local.journal import JournalEntry
from tests.unit.domain.fills import START


def an_entry(
    n: int, side: str, quantity: str, price: str, *, fee: str = "0.055", exec_type: str = "Trade", tag: str = ""
) -> JournalEntry:
    """The n-th execution of account main in BTCUSDT, n seconds after START."""
    return JournalEntry(
        exec_id=f"exec-{n}",
        account="main",
        symbol="BTCUSDT",
        order_id=f"order-{n}",
        order_link_id=tag,
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        fee=Decimal(fee),
        exec_type=exec_type,
        exec_time=START + timedelta(seconds=n),
    )
