"""Fills, log entries and closed P&L for tests of the proof, told by what matters in the case at hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alpha.domain.fill import Attribution, AttributionMethod, ExecType, Fill
from alpha.domain.ids import AccountName, BotId, ExecId, OrderId, Symbol
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade import BookKey
from alpha.exchange.account_books import ClosedPnl, LogEntry
from alpha.ledger.fill_rows import FillSource, RecordedFill
from alpha.ledger.folding import OpeningPosition
from alpha.proof.account_fold import Booking

START = datetime(2025, 1, 31, 12, tzinfo=UTC)
MAIN = AccountName("main")
BTC = Symbol("BTCUSDT")
BUY, SELL = Side.BUY, Side.SELL


def a_fill(
    side: Side,
    quantity: str,
    *,
    at: str,
    fee: str = "0",
    n: int,
    symbol: Symbol = BTC,
    order: str | None = None,
    exec_type: ExecType = ExecType.TRADE,
    position_idx: int = 0,
    bot: str = "bot_001",
    hours: float | None = None,
) -> RecordedFill:
    """A fill of `quantity` at price `at`, `n` minutes (or `hours`) after START, named e<n> and of the order o<n>."""
    price, size = Decimal(at), Decimal(quantity)
    when = START + (timedelta(minutes=n) if hours is None else timedelta(hours=hours))
    return RecordedFill(
        fill=Fill(
            account=MAIN,
            category="linear",
            symbol=symbol,
            exec_id=ExecId(f"e{n}"),
            exec_time=when,
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
            leaves_quantity=Decimal(0),
            order_id=OrderId(order or f"o{n}"),
            order_link_id="",
            order_type="Market",
            create_type="CreateByUser",
            stop_order_type="",
        ),
        attribution=Attribution(bot=BotId(bot), reason=Reason.ENTRY, method=AttributionMethod.TAG),
        position_idx=position_idx,
        bot_seq=n,
        source=FillSource.STREAM,
        frame_at=None,
        received_at=when,
        recorded_at=when,
    )


def opening(quantity: str, price: str, *, symbol: Symbol = BTC, n: int = 0, bot: str = "bot_001") -> OpeningPosition:
    """What a book held `n` minutes after START; fills up to the seq `n` are in it."""
    return OpeningPosition(
        key=BookKey(bot=BotId(bot), account=MAIN, symbol=symbol),
        position=Position(Decimal(quantity), Decimal(price)),
        seq=n,
        at=START + timedelta(minutes=n),
    )


def entry_of(booking: Booking, balance: str | Decimal) -> LogEntry:
    """The log's entry of a fill that both sides booked alike, which left this balance."""
    fill = booking.fill
    return LogEntry(
        account=MAIN,
        log_id=f"log-{fill.exec_id}",
        at=fill.exec_time,
        type="SETTLEMENT" if booking.is_funding else "TRADE",
        sub_type="",
        category="linear",
        symbol=fill.symbol,
        side=fill.side,
        currency="USDT",
        quantity=fill.quantity,
        size=Decimal(0),
        price=fill.price,
        funding=booking.funding,
        fee=-booking.fees,
        fee_rate=fill.fee_rate,
        cash_flow=booking.pnl,
        change=booking.change,
        balance=Decimal(balance),
        bonus_change=Decimal(0),
        trade_id=fill.exec_id,
        order_id=fill.order_id,
        order_link_id="",
    )


def transfer(amount: str, balance: str, *, hours: float, kind: str = "TRANSFER_IN", coin: str = "USDT") -> LogEntry:
    """An entry without an execution."""
    change = Decimal(amount)
    return LogEntry(
        account=MAIN,
        log_id=f"log-{kind}-{hours}",
        at=START + timedelta(hours=hours),
        type=kind,
        sub_type="",
        category="",
        symbol="",
        side=None,
        currency=coin,
        quantity=Decimal(0),
        size=Decimal(0),
        price=Decimal(0),
        funding=Decimal(0),
        fee=Decimal(0),
        fee_rate=Decimal(0),
        cash_flow=change,
        change=change,
        balance=Decimal(balance),
        bonus_change=Decimal(0),
        trade_id="",
        order_id="",
        order_link_id="",
    )


def log_of(bookings: list[Booking], *, opening_balance: str) -> list[LogEntry]:
    """The log of an exchange that booked what we did."""
    balance = Decimal(opening_balance)
    entries = []
    for booking in bookings:
        balance += booking.change
        entries.append(entry_of(booking, balance))
    return entries


def closed(
    order: str, side: Side, quantity: str, pnl: str, *, n: int, open_fee: str = "0", close_fee: str = "0"
) -> ClosedPnl:
    """What the exchange says that an order has closed, the last time `n` minutes after START."""
    at = START + timedelta(minutes=n)
    size = Decimal(quantity)
    return ClosedPnl(
        account=MAIN,
        category="linear",
        symbol=BTC,
        order_id=OrderId(order),
        side=side,
        order_type="Market",
        exec_type="Trade",
        quantity=size,
        closed_quantity=size,
        entry_value=Decimal(0),
        entry_price=Decimal(0),
        exit_value=Decimal(0),
        exit_price=Decimal(0),
        closed_pnl=Decimal(pnl),
        open_fee=Decimal(open_fee),
        close_fee=Decimal(close_fee),
        fill_count=1,
        leverage=None,
        created_at=at,
        updated_at=at,
    )


__all__ = [
    "BTC",
    "BUY",
    "MAIN",
    "SELL",
    "START",
    "a_fill",
    "closed",
    "entry_of",
    "log_of",
    "opening",
    "replace",
    "transfer",
]
