"""Closed P&L of the exchange beside ours."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpha.exchange.account_books import ClosedPnl
from alpha.proof.account_fold import fold_account
from alpha.proof.closings import closings, compare_closings
from tests.unit.proof.books import BTC, BUY, SELL, START, a_fill, closed, replace

FILLS = [
    a_fill(BUY, "2", at="100", fee="0.30", n=1),
    a_fill(SELL, "0.5", at="110", fee="0.05", n=2, order="out"),
    a_fill(SELL, "1.5", at="90", fee="0.10", n=3, order="out"),
]
# 5 - 15 = -10, less 0.30 and 0.15
WHOLE = closed("out", SELL, "2", "-10.45", n=3, open_fee="0.30", close_fee="0.15")
PART = closed("out", SELL, "0.5", "4.875", n=2, open_fee="0.075", close_fee="0.05")


def found(*theirs: ClosedPnl, minutes: int = 60) -> list[str]:
    ours = closings(fold_account(FILLS))
    until = START + timedelta(minutes=minutes)
    return [each.text.split(" (")[0] for each in compare_closings(theirs, ours, since=START, until=until)]


def test_an_order_that_closed_in_two_fills_is_one_row() -> None:
    (steps,) = closings(fold_account(FILLS)).values()
    assert [(step.closed_quantity, step.closed_pnl, step.fill_count) for step in steps] == [
        (Decimal("0.5"), Decimal("4.875"), 1),
        (Decimal(2), Decimal("-10.45"), 2),
    ]
    assert found(WHOLE) == []


def test_an_order_that_was_still_closing_is_compared_by_what_both_have_seen() -> None:
    assert found(PART, minutes=2) == []
    wrong = replace(PART, closed_pnl=Decimal("4.86"))
    assert found(wrong, minutes=2) == ["closed P&L: exchange 4.86, ledger 4.875"]


def test_a_row_that_was_not_told_again_after_a_later_fill_is_a_finding() -> None:
    # the fill of minute 3 is in no row of the exchange
    assert found(PART, minutes=3) == ["our fills close 2, the exchange 0.5"]
    assert found(PART) == ["our fills close 2, the exchange 0.5"]


def test_a_wrong_side_quantity_or_result_is_told() -> None:
    assert found(replace(WHOLE, side=BUY)) == ["side: exchange Buy, ledger Sell"]
    assert found(replace(WHOLE, closed_pnl=Decimal("-10.46"))) == ["closed P&L: exchange -10.46, ledger -10.45"]
    assert found(replace(WHOLE, closed_pnl=Decimal("-10.4599"))) == []
    assert found(replace(WHOLE, open_fee=Decimal("0.31"))) == ["opening fee: exchange 0.31, ledger 0.3"]
    assert found(replace(WHOLE, closed_quantity=Decimal("1.9")))[0] == "closed quantity: exchange 1.9, ledger 2"


def test_a_row_without_our_fills_and_fills_without_a_row_are_told() -> None:
    other = closed("another", SELL, "1", "0", n=5)
    assert [text.split(":")[0] for text in found(WHOLE, other)] == ["closed at the exchange and not by our fills"]
    assert [text.split(":")[0] for text in found()] == ["closed by our fills and not at the exchange"]
    # outside of the interval nobody asks
    assert found(minutes=2) == []


def test_closings_are_named_by_symbol_and_order() -> None:
    assert set(closings(fold_account(FILLS))) == {(BTC, "out")}
