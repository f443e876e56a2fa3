"""A book is the same to the last digit, whatever a library has made of the thread's decimal context."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_UP, Context, Decimal, getcontext, localcontext

import pytest
from ccxt.base.decimal_to_precision import decimal_to_precision

from alpha.domain.fill import Fill
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade_book import TradeBook, fold
from alpha.ledger.folding import fold_on
from tests.unit.domain.fills import BOOK, a_fill

FILLS: list[tuple[Fill, Reason]] = [
    (a_fill(Side.BUY, "3", at="100.1", n=1, fee="0.01"), Reason.ENTRY),
    (a_fill(Side.BUY, "4", at="100.3", n=2, fee="0.01"), Reason.ENTRY),
    (a_fill(Side.SELL, "2", at="101.7", n=3, fee="0.01"), Reason.ENTRY),
    (a_fill(Side.SELL, "8", at="99.9", n=4, fee="0.07"), Reason.ENTRY),
]


def test_ccxt_changes_the_context_of_its_caller() -> None:
    """Why there is an arithmetic of our own. When this fails, ccxt has mended it."""
    with localcontext(Context(rounding=ROUND_HALF_EVEN)):
        decimal_to_precision("1.25", 1, 1)
        assert getcontext().rounding != ROUND_HALF_EVEN


@pytest.mark.parametrize("context", [Context(prec=28, rounding=ROUND_UP), Context(prec=9), Context(prec=60)])
def test_a_fold_takes_no_notice_of_the_context_it_is_called_in(context: Context) -> None:
    def folded() -> list[object]:
        one_by_one = TradeBook(key=BOOK)
        for fill, reason in FILLS:
            one_by_one, _ = one_by_one.apply(fill, reason)
        return [fold(TradeBook(key=BOOK), FILLS), fold_on(TradeBook(key=BOOK), FILLS), one_by_one]

    expected = folded()
    with localcontext(context):
        third = Decimal(1) / 3
        assert folded() == expected
        assert Decimal(1) / 3 == third, "the caller's context is as it was"
