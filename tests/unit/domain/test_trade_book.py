from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.domain.errors import InvalidValue
from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import Symbol
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Direction, Side
from alpha.domain.trade import Trade
from alpha.domain.trade_book import TradeBook, fold
from tests.unit.domain.fills import BOOK, START, a_fill

BUY, SELL = Side.BUY, Side.SELL


def booked(*fills: Fill) -> tuple[TradeBook, list[Trade]]:
    return fold(TradeBook(key=BOOK), [(fill, Reason.ENTRY) for fill in fills])


def test_an_increase_averages_the_entry_price_by_quantity() -> None:
    # given 1 bought at 100, when 3 more are bought at 120
    book, trades = booked(a_fill(BUY, "1", at="100", n=1), a_fill(BUY, "3", at="120", n=2))
    # then (1 x 100 + 3 x 120) / 4 = 115
    assert book.position == Position(Decimal(4), Decimal(115))
    assert trades == []


def test_a_reduction_realizes_profit_and_leaves_the_entry_price() -> None:
    book, trades = booked(a_fill(BUY, "4", at="115", n=1), a_fill(SELL, "1", at="125", n=2))
    # (125 - 115) x 1 = 10
    assert book.realized_pnl == Decimal(10)
    assert book.position == Position(Decimal(3), Decimal(115))
    assert trades == []


def test_a_short_round_trip_pays_both_fees() -> None:
    # given 2 sold at 200 for a fee of 0.22, when they are bought back at 190 for a fee of 0.209
    book, (trade,) = booked(a_fill(SELL, "2", at="200", n=1, fee="0.22"), a_fill(BUY, "2", at="190", n=2, fee="0.209"))
    # then gross (200 - 190) x 2 = 20, fees 0.429, net 19.571
    assert trade.direction is Direction.SHORT
    assert (trade.gross_pnl, trade.fees, trade.net_pnl) == (Decimal(20), Decimal("0.429"), Decimal("19.571"))
    assert (trade.entry_price, trade.exit_price, trade.quantity) == (Decimal(200), Decimal(190), Decimal(2))
    assert book.position.is_flat
    assert book.net_pnl == trade.net_pnl


def test_a_flip_closes_one_trade_and_opens_the_next_and_shares_the_fee() -> None:
    # given a long of 1 at 100, when 1.5 are sold at 120 for a fee of 0.3
    book, (trade,) = booked(a_fill(BUY, "1", at="100", n=1), a_fill(SELL, "1.5", at="120", n=2, fee="0.3"))
    # then the long made (120 - 100) x 1 = 20 and bore 0.3 x 1 / 1.5 = 0.2 of the fee
    assert (trade.gross_pnl, trade.fees) == (Decimal(20), Decimal("0.2"))
    # and 0.5 is short at 120, having borne 0.1
    assert book.position == Position(Decimal("-0.5"), Decimal(120))
    assert book.open_trade is not None
    assert (book.open_trade.direction, book.open_trade.fees) == (Direction.SHORT, Decimal("0.1"))


def test_funding_is_cash_of_the_open_trade_and_moves_no_position() -> None:
    # given a long of 1, when funding of 0.05 is paid while it is open
    book, (trade,) = booked(
        a_fill(BUY, "1", at="100", n=1),
        a_fill(BUY, "1", at="101", n=2, fee="0.05", exec_type=ExecType.FUNDING),
        a_fill(SELL, "1", at="110", n=3),
    )
    # then 10 gross - 0.05 = 9.95 net, and nothing else is open
    assert (trade.funding, trade.net_pnl) == (Decimal("-0.05"), Decimal("9.95"))
    assert book.position.is_flat
    assert book.funding == Decimal("-0.05")


def test_funding_received_is_added() -> None:
    book, _ = booked(
        a_fill(SELL, "1", at="100", n=1),
        a_fill(SELL, "1", at="101", n=2, fee="-0.02", exec_type=ExecType.FUNDING),
    )
    assert book.net_pnl == Decimal("0.02")


def test_funding_after_the_position_is_flat_belongs_to_the_book_and_to_no_trade() -> None:
    book, (trade,) = booked(
        a_fill(BUY, "1", at="100", n=1),
        a_fill(SELL, "1", at="100", n=2),
        a_fill(BUY, "1", at="100", n=3, fee="0.01", exec_type=ExecType.FUNDING),
    )
    assert trade.funding == 0
    assert book.net_pnl == Decimal("-0.01")


def test_a_late_fill_is_refused_and_not_folded_out_of_order() -> None:
    book, _ = booked(a_fill(BUY, "1", at="100", n=2))
    late = a_fill(SELL, "1", at="100", n=1)
    assert book.is_late(late)
    with pytest.raises(InvalidValue, match="refold"):
        book.apply(late, Reason.ENTRY)


def test_fills_of_one_match_fold_in_the_order_the_quantity_left_falls() -> None:
    # two executions of one order in one millisecond: the one that left more came first
    second = a_fill(BUY, "1", at="101", n=1, leaves="0", exec_id="a")
    first = a_fill(BUY, "1", at="100", n=1, leaves="1", exec_id="b")
    book, _ = booked(second, first)
    assert book.open_trade is not None
    assert book.open_trade.first_exec_id == "b"


def test_an_opening_position_is_the_start_of_a_trade_without_a_fill() -> None:
    opened = TradeBook(key=BOOK).with_opening(Position(Decimal(-2), Decimal(50)), at=START, name="opening-1")
    book, (trade,) = fold(opened, [(a_fill(BUY, "2", at="40", n=1), Reason.TAKE_PROFIT)])
    # (50 - 40) x 2 = 20
    assert trade.gross_pnl == Decimal(20)
    assert trade.fill_count == 1
    assert book.position.is_flat


def test_a_fill_of_another_book_is_refused() -> None:
    of_ether = TradeBook(key=replace(BOOK, symbol=Symbol("ETHUSDT")))
    with pytest.raises(InvalidValue, match="is not of"):
        of_ether.apply(a_fill(BUY, "1", at="100"), Reason.ENTRY)
