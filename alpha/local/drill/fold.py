"""What the journal's executions come to, by the shortest average-cost rule there is.

It shares no code with the platform's TradeBook on purpose: the drill compares the two. Fractions, so that nothing is
rounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from alpha.local.journal import JournalEntry

_FUNDING = "Funding"


@dataclass(slots=True)
class RoundTrip:
    """Flat, position, flat: from the execution that opened it to the one that closed it."""

    first: str
    last: str = ""
    gross: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    funding: Fraction = Fraction(0)


@dataclass(slots=True)
class Folded:
    """One account in one symbol. `quantity` is signed, `fees` > 0 were paid, `funding` > 0 was received."""

    quantity: Fraction = Fraction(0)
    entry_price: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    funding: Fraction = Fraction(0)
    fills: int = 0
    trip: RoundTrip | None = None
    closed: list[RoundTrip] = field(default_factory=list)


def fold_journal(entries: Iterable[JournalEntry]) -> dict[tuple[str, str], Folded]:
    """(account, symbol) -> what its executions come to, in the order in which the engine made them."""
    folded: defaultdict[tuple[str, str], Folded] = defaultdict(Folded)
    for entry in entries:
        _fold(folded[(entry.account, entry.symbol)], entry)
    return dict(folded)


def _fold(state: Folded, entry: JournalEntry) -> None:
    state.fills += 1
    fee = Fraction(entry.fee)
    if entry.exec_type == _FUNDING:
        state.funding -= fee
        if state.trip is not None:
            state.trip.funding -= fee
        return
    state.fees += fee
    price, quantity = Fraction(entry.price), Fraction(entry.quantity)
    sign = 1 if entry.side == "Buy" else -1
    closing = min(quantity, abs(state.quantity)) if state.quantity * sign < 0 else Fraction(0)
    opening = quantity - closing
    if closing and state.trip is not None:
        gain = (state.entry_price - price) * closing * sign
        state.realized += gain
        state.quantity += sign * closing
        state.trip.gross += gain
        state.trip.fees += fee * closing / quantity
        if state.quantity == 0:
            state.trip.last = entry.exec_id
            state.closed.append(state.trip)
            state.trip = None
            state.entry_price = Fraction(0)
    if opening:
        held = abs(state.quantity)
        state.entry_price = (state.entry_price * held + price * opening) / (held + opening)
        state.quantity += sign * opening
        state.trip = state.trip or RoundTrip(first=entry.exec_id)
        state.trip.fees += fee * opening / quantity
