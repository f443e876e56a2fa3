"""Fills for tests of the domain, told by what matters in the case at hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import AccountName, BotId, ExecId, OrderId, Symbol
from alpha.domain.side import Side
from alpha.domain.trade import BookKey

START = datetime(2025, 10, 14, 20, tzinfo=UTC)
BTCUSDT = Symbol("BTCUSDT")
MAIN = AccountName("main")
BOOK = BookKey(bot=BotId("bot_001"), account=MAIN, symbol=BTCUSDT)


def a_fill(
    side: Side,
    quantity: str | Decimal,
    *,
    at: str | Decimal,
    n: int = 0,
    fee: str | Decimal = "0",
    exec_type: ExecType = ExecType.TRADE,
    leaves: str | Decimal = "0",
    exec_id: str | None = None,
) -> Fill:
    """A fill of `quantity` at price `at`, `n` seconds after START."""
    price, size = Decimal(at), Decimal(quantity)
    return Fill(
        account=MAIN,
        category="linear",
        symbol=BTCUSDT,
        exec_id=ExecId(exec_id or f"exec-{n}"),
        exec_time=START + timedelta(seconds=n),
        seq=n,
        exec_type=exec_type,
        side=side,
        price=price,
        quantity=size,
        notional=price * size,
        fee=Decimal(fee),
        fee_rate=Decimal("0.00055"),
        fee_currency="USDT",
        is_maker=False,
        closed_quantity=Decimal(0),
        leaves_quantity=Decimal(leaves),
        order_id=OrderId(f"order-{n}"),
        order_link_id="",
        order_type="Market",
        create_type="CreateByUser",
        stop_order_type="",
    )
