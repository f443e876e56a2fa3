"""Ledgers worked by hand: what each book holds and has made after each fill, with the sums beside it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest

from alpha.domain.fill import ExecType, Fill
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade import Trade
from alpha.domain.trade_book import TradeBook
from tests.unit.domain.fills import BOOK, a_fill

FUNDING, BUST, ADL = ExecType.FUNDING, ExecType.BUST, ExecType.ADL


@dataclass(frozen=True)
class After:
    """The book after one fill: signed quantity, average entry, realized P&L, fees, funding."""

    quantity: str
    entry: str
    realized: str
    fees: str
    funding: str = "0"


def buy(
    quantity: str, at: str, fee: str = "0", kind: ExecType = ExecType.TRADE
) -> tuple[Side, str, str, str, ExecType]:
    return Side.BUY, quantity, at, fee, kind


def sell(
    quantity: str, at: str, fee: str = "0", kind: ExecType = ExecType.TRADE
) -> tuple[Side, str, str, str, ExecType]:
    return Side.SELL, quantity, at, fee, kind


LEDGERS = {
    "a long in two parts, out in two": [
        (buy("1", "100", "0.1"), After("1", "100", "0", "0.1")),
        # (100 + 3 * 108) / 4 = 106
        (buy("3", "108", "0.3"), After("4", "106", "0", "0.4")),
        # (110 - 106) * 1 = 4
        (sell("1", "110", "0.1"), After("3", "106", "4", "0.5")),
        # 4 + (104 - 106) * 3 = -2
        (sell("3", "104", "0.3"), After("0", "0", "-2", "0.8")),
    ],
    "a short with a rebate": [
        (sell("2", "50", "-0.01"), After("-2", "50", "0", "-0.01")),
        # (50 - 45) * 2 = 10
        (buy("2", "45", "0.05"), After("0", "0", "10", "0.04")),
    ],
    "a flip from long to short and back": [
        (buy("1", "100"), After("1", "100", "0", "0")),
        # (120 - 100) * 1 = 20, and 2 short at 120
        (sell("3", "120", "0.3"), After("-2", "120", "20", "0.3")),
        # 20 + (120 - 125) * 2 = 10, and 1 long at 125
        (buy("3", "125", "0.3"), After("1", "125", "10", "0.6")),
        # 10 + (124 - 125) * 1 = 9
        (sell("1", "124"), After("0", "0", "9", "0.6")),
    ],
    "funding moves no position, in either direction": [
        (buy("2", "100"), After("2", "100", "0", "0")),
        # paid 0.2 on all of it, then 0.05 received
        (buy("2", "101", "0.2", FUNDING), After("2", "100", "0", "0", "-0.2")),
        (buy("2", "99", "-0.05", FUNDING), After("2", "100", "0", "0", "-0.15")),
        (sell("2", "100"), After("0", "0", "0", "0", "-0.15")),
        # settled after the position was closed: in the totals, and in no trip
        (buy("2", "100", "0.1", FUNDING), After("0", "0", "0", "0", "-0.25")),
    ],
    "a liquidation and ADL are trades": [
        (sell("3", "100", "0.1"), After("-3", "100", "0", "0.1")),
        # (100 - 130) * 2 = -60
        (buy("2", "130", "0.2", BUST), After("-1", "100", "-60", "0.3")),
        # -60 + (100 - 90) * 1 = -50
        (buy("1", "90", "0", ADL), After("0", "0", "-50", "0.3")),
    ],
}


@pytest.mark.parametrize("name", LEDGERS)
def test_after_each_fill_the_book_is_what_was_worked_out(name: str) -> None:
    book = TradeBook(key=BOOK)
    for n, ((side, quantity, price, fee, kind), after) in enumerate(LEDGERS[name]):
        book, _ = book.apply(a_fill(side, quantity, at=price, fee=fee, exec_type=kind, n=n), Reason.ENTRY)
        found = (book.position.quantity, book.position.entry_price, book.realized_pnl, book.fees, book.funding)
        expected = (after.quantity, after.entry, after.realized, after.fees, after.funding)
        assert found == tuple(Decimal(text) for text in expected), f"fill {n}"


def trips(*fills: Fill) -> list[Trade]:
    book, closed = TradeBook(key=BOOK), list[Trade]()
    for fill in fills:
        book, ended = book.apply(fill, Reason.ENTRY)
        closed.extend(ended)
    return closed


def test_a_closed_trip_is_exact_where_its_average_is_not() -> None:
    # given an average of (100 + 2 * 101) / 3 = 100.666..., out in three parts at 102, 103 and 104
    (trip,) = trips(
        a_fill(Side.BUY, "1", at="100", n=0),
        a_fill(Side.BUY, "2", at="101", n=1),
        *(a_fill(Side.SELL, "1", at=str(price), n=n) for n, price in enumerate((102, 103, 104), start=2)),
    )
    # then 102 + 103 + 104 - (100 + 202) = 7, not 6.999...
    assert str(trip.gross_pnl) == "7"


def test_trips_and_the_book_add_up_to_the_digit() -> None:
    # given two trips whose averages end nowhere
    book = TradeBook(key=BOOK)
    made = Decimal(0)
    for n, (side, quantity, price) in enumerate(
        [
            (Side.BUY, "1", "0.1"),
            (Side.BUY, "2", "0.7"),
            (Side.SELL, "1", "0.3"),
            (Side.SELL, "2", "0.9"),
            (Side.SELL, "7", "1.1"),
            (Side.SELL, "4", "1.7"),
            (Side.BUY, "11", "1.3"),
        ]
    ):
        book, ended = book.apply(a_fill(side, quantity, at=price, n=n), Reason.ENTRY)
        made += sum((trip.gross_pnl for trip in ended), Decimal(0))
    # then (0.3 + 1.8) - (0.1 + 1.4) = 0.6, and (7.7 + 6.8) - 14.3 = 0.2
    assert made == Decimal("0.8")
    assert book.realized_pnl.quantize(Decimal("1e-20")) == Decimal("0.8")
