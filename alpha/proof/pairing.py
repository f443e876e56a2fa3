"""Rows of the exchange's transaction log beside our fills, one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.domain.position import ZERO
from alpha.exchange.account_books import LogEntry
from alpha.proof.account_fold import Booking
from alpha.proof.finding import CENT, CheckName, Finding, plain

LINEAR = "linear"
# https://bybit-exchange.github.io/docs/v5/enum#typeuta-translog: what stands for an execution. SETTLEMENT is funding.
_TRADES = frozenset({"TRADE", "LIQUIDATION", "ADL", "DELIVERY"})
_FUNDING = "SETTLEMENT"
# That a log row carries the execution's id and its very time is how Bybit's examples read, not what its pages promise.
SAME_EVENT = timedelta(minutes=1)
"""By so much the times of one event may differ between the exchange's lists."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One event as both sides booked it; one of them is None where the other knows of it alone."""

    row: LogEntry | None
    booking: Booking | None

    @property
    def at(self) -> datetime:
        """Market time; the exchange's word says to which day it belongs."""
        if self.row is not None:
            return self.row.at
        assert self.booking is not None, "a pair has at least one side"
        return self.booking.fill.exec_time

    @property
    def coin(self) -> str:
        if self.row is not None:
            return self.row.currency
        assert self.booking is not None, "a pair has at least one side"
        return self.booking.coin


def is_execution(row: LogEntry) -> bool:
    """Whether a row of the log stands for an execution of a linear contract, which our ledger must hold."""
    return row.category == LINEAR and (row.type in _TRADES or row.type == _FUNDING)


def pair_up(rows: Iterable[LogEntry], bookings: Iterable[Booking]) -> list[Pair]:
    """Every row that is an execution with its fill: by the execution's id, else by what they say within a minute."""
    by_id: dict[tuple[str, str], Booking] = {}
    for booking in bookings:
        by_id.setdefault((booking.fill.symbol, booking.fill.exec_id), booking)
    pairs: list[Pair] = []
    alone: list[LogEntry] = []
    for row in rows:
        found = by_id.pop((row.symbol, row.trade_id), None)
        if found is None:
            alone.append(row)
        else:
            pairs.append(Pair(row, found))
    alike: defaultdict[tuple[object, ...], list[Booking]] = defaultdict(list)
    for booking in by_id.values():
        alike[_likeness_of_booking(booking)].append(booking)
    for row in alone:
        candidates = alike[_likeness_of_row(row)]
        near = min(candidates, key=lambda each: abs(each.fill.exec_time - row.at), default=None)
        if near is None or abs(near.fill.exec_time - row.at) > SAME_EVENT:
            pairs.append(Pair(row, None))
        else:
            candidates.remove(near)
            pairs.append(Pair(row, near))
    pairs += [Pair(None, booking) for left in alike.values() for booking in left]
    return sorted(pairs, key=lambda pair: pair.at)


def differences(pairs: Sequence[Pair]) -> Iterator[Finding]:
    """What the log and the ledger say differently, each finding named by its execution."""
    for pair in pairs:
        row, booking = pair.row, pair.booking
        if booking is None:
            assert row is not None, "a pair has at least one side"
            yield _finding(
                row.trade_id or row.log_id, f"in the exchange's log and not in the ledger: {_told(row)}", pair
            )
        elif row is None:
            # Funding of nothing is no event for a log that lists changes of the balance.
            if booking.change:
                yield _finding(
                    booking.fill.exec_id,
                    f"in the ledger and not in the exchange's log: {_of_booking(booking)}",
                    pair,
                )
        else:
            for name, said, stored in _fields(row, booking):
                yield _finding(
                    booking.fill.exec_id,
                    f"{name}: exchange {said}, ledger {stored} ({_of_booking(booking)}; log row {row.log_id})",
                    pair,
                )


def _fields(row: LogEntry, booking: Booking) -> Iterator[tuple[str, str, str]]:
    fill = booking.fill
    if booking.is_funding:
        if row.funding != booking.funding:
            yield "funding", plain(row.funding), plain(booking.funding)
        return
    said: list[tuple[str, object, object]] = [("side", row.side and row.side.value, fill.side.value)]
    said += [("quantity", abs(row.quantity), fill.quantity), ("price", row.price, fill.price)]
    said.append(("fee", row.fee, fill.fee))
    for name, theirs, ours in said:
        if theirs != ours:
            yield name, _text(theirs), _text(ours)
    if not booking.from_before and abs(row.cash_flow - booking.pnl) >= CENT:
        yield "realized P&L", plain(row.cash_flow), plain(booking.pnl)


def _text(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)


def _finding(subject: str, text: str, pair: Pair) -> Finding:
    return Finding(check=CheckName.LOG, subject=subject, text=text, at=pair.at)


def _told(row: LogEntry) -> str:
    side = "" if row.side is None else f"{row.side.value} "
    return (
        f"{row.type} {row.symbol} {side}{plain(abs(row.quantity))} at {plain(row.price)}, change "
        f"{plain(row.change)} {row.currency}, {row.at.isoformat(timespec='milliseconds')}, log row {row.log_id}"
    )


def _of_booking(booking: Booking) -> str:
    fill = booking.fill
    return (
        f"{fill.exec_type.value} {fill.symbol} {fill.side.value} {plain(fill.quantity)} at {plain(fill.price)}, "
        f"{fill.exec_time.isoformat(timespec='milliseconds')}"
    )


def _likeness_of_row(row: LogEntry) -> tuple[object, ...]:
    is_funding = row.type == _FUNDING
    return (row.symbol, is_funding, "" if is_funding else row.order_id, ZERO if is_funding else abs(row.quantity))


def _likeness_of_booking(booking: Booking) -> tuple[object, ...]:
    fill, is_funding = booking.fill, booking.is_funding
    return (fill.symbol, is_funding, "" if is_funding else fill.order_id, ZERO if is_funding else fill.quantity)
