"""The exchange's closed P&L beside what our fills closed, order by order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import OrderId, Symbol
from alpha.domain.position import ZERO
from alpha.domain.side import Side
from alpha.exchange.account_books import ClosedPnl
from alpha.proof.account_fold import Booking
from alpha.proof.finding import CENT, CheckName, Finding, plain

OrderKey = tuple[Symbol, OrderId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What one order has closed up to its fill at `at`, from our fills. Amounts in the quote currency.

    `closed_pnl = pnl - open_fee - close_fee`, as the exchange counts it: funding is not in it.
    """

    symbol: Symbol
    order_id: OrderId
    side: Side
    closed_quantity: Decimal = ZERO
    pnl: Decimal = ZERO
    open_fee: Decimal = ZERO
    close_fee: Decimal = ZERO
    fill_count: int = 0
    at: datetime
    last_exec_id: str = ""
    from_before: bool = False

    @property
    def closed_pnl(self) -> Decimal:
        return self.pnl - self.open_fee - self.close_fee


class Closings:
    """What orders had closed after each of their closing fills, of `orders` only: an account has had many."""

    def __init__(self, orders: Collection[OrderId]) -> None:
        self.orders = orders
        self.steps: dict[OrderKey, list[Closing]] = {}

    def take(self, booking: Booking) -> None:
        """The next fill of the account, in execution order."""
        fill = booking.fill
        if not booking.closed or fill.order_id not in self.orders:
            return
        steps = self.steps.setdefault((fill.symbol, fill.order_id), [])
        before = (
            steps[-1]
            if steps
            else Closing(symbol=fill.symbol, order_id=fill.order_id, side=fill.side, at=fill.exec_time)
        )
        steps.append(
            replace(
                before,
                side=fill.side,
                closed_quantity=before.closed_quantity + booking.closed,
                pnl=before.pnl + booking.pnl,
                open_fee=before.open_fee + booking.open_fee,
                close_fee=before.close_fee + booking.close_fee,
                fill_count=before.fill_count + 1,
                at=fill.exec_time,
                last_exec_id=fill.exec_id,
                from_before=before.from_before or booking.from_before,
            )
        )


def closings(bookings: Sequence[Booking]) -> dict[OrderKey, list[Closing]]:
    """Of each order that closed something, what it had closed after each of its closing fills."""
    found = Closings({booking.fill.order_id for booking in bookings})
    for booking in bookings:
        found.take(booking)
    return found.steps


def compare_closings(
    theirs: Sequence[ClosedPnl], ours: Mapping[OrderKey, Sequence[Closing]], *, since: datetime, until: datetime
) -> Iterator[Finding]:
    """What differs between the exchange's closed P&L of the interval and ours.

    `theirs` are its rows of the interval and those that were updated since, which are for a later day to judge; `ours`
    are all orders, as an order may close over days. An order that was still closing at `until` is compared by what both
    have seen of it.
    """
    listed = {(row.symbol, row.order_id) for row in theirs}
    for row in theirs:
        if not since <= row.updated_at <= until:
            continue
        steps = ours.get((row.symbol, row.order_id))
        if not steps:
            yield _finding(row.order_id, f"closed at the exchange and not by our fills: {_told(row)}", row.updated_at)
            continue
        seen = next((step for step in steps if step.closed_quantity == row.closed_quantity), steps[-1])
        for name, said, stored in _fields(row, seen):
            yield _finding(
                row.order_id,
                f"{name}: exchange {said}, ledger {stored} ({_told(row)}; last closing fill {seen.last_exec_id})",
                row.updated_at,
            )
        # Later fills of the order are not only later than the row: the row is of before them, and what they made is in
        # no row at all.
        missed = [step for step in steps if step.closed_quantity > row.closed_quantity and step.at <= until]
        if missed:
            yield _finding(
                row.order_id,
                f"our fills close {plain(missed[-1].closed_quantity)}, the exchange {plain(row.closed_quantity)} "
                f"({_told(row)}; fill {missed[-1].last_exec_id})",
                row.updated_at,
            )
    for key, steps in ours.items():
        last = steps[-1]
        if key not in listed and since <= last.at <= until:
            yield _finding(
                last.order_id,
                f"closed by our fills and not at the exchange: {last.symbol} {last.side.value} "
                f"{plain(last.closed_quantity)}, fill {last.last_exec_id}",
                last.at,
            )


def _fields(row: ClosedPnl, seen: Closing) -> Iterator[tuple[str, str, str]]:
    if row.side is not seen.side:
        yield "side", row.side.value, seen.side.value
    if row.closed_quantity != seen.closed_quantity:
        yield "closed quantity", plain(row.closed_quantity), plain(seen.closed_quantity)
        return
    if seen.from_before:
        # What the position had cost before the platform saw it nobody here knows.
        return
    if abs(row.closed_pnl - seen.closed_pnl) >= CENT:
        yield "closed P&L", plain(row.closed_pnl), plain(seen.closed_pnl)
    fees = (("opening fee", row.open_fee, seen.open_fee), ("closing fee", row.close_fee, seen.close_fee))
    for name, said, stored in fees:
        if said is not None and abs(said - stored) >= CENT:
            yield name, plain(said), plain(stored)


def _finding(subject: str, text: str, at: datetime) -> Finding:
    return Finding(check=CheckName.CLOSED_PNL, subject=subject, text=text, at=at)


def _told(row: ClosedPnl) -> str:
    return (
        f"order {row.order_id} {row.symbol} {row.side.value} {plain(row.closed_quantity)}, closed P&L "
        f"{plain(row.closed_pnl)}, {row.updated_at.isoformat(timespec='milliseconds')}"
    )
