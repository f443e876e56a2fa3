"""A book folded again from a flat point is the book folded from its beginning."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.fill import ExecType, Fill
from alpha.domain.position import FLAT, Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade_book import TradeBook
from alpha.ledger.folding import OpeningPosition, fold_on
from tests.unit.domain.fills import BOOK, START, a_fill

quantities = st.decimals(min_value="0.001", max_value="0.005", places=3)
prices = st.decimals(min_value="1", max_value="90000", places=2)
fees = st.decimals(min_value="-1", max_value="5", places=4)
kinds = st.sampled_from([ExecType.TRADE, ExecType.TRADE, ExecType.TRADE, ExecType.FUNDING])


@st.composite
def histories(draw: st.DrawFn) -> list[Fill]:
    # small quantities in few steps, so that books are flat often
    rows = draw(st.lists(st.tuples(st.sampled_from(Side), quantities, prices, fees, kinds), max_size=40))
    return [
        a_fill(side, quantity, at=price, fee=fee, exec_type=kind, n=n)
        for n, (side, quantity, price, fee, kind) in enumerate(rows)
    ]


@given(histories())
def test_folding_on_from_any_flat_point_gives_the_same_book_and_trades(fills: list[Fill]) -> None:
    reasoned = [(fill, Reason.ENTRY) for fill in fills]
    whole, closed = fold_on(TradeBook(key=BOOK), reasoned)
    for each in closed:
        if not each.ends_flat:
            continue
        last = each.book.last
        assert last is not None
        # only the sums and the place are kept, as the row of a round trip does
        start = TradeBook(
            key=BOOK,
            realized_pnl=each.book.realized_pnl,
            fees=each.book.fees,
            funding=each.book.funding,
            fill_count=each.book.fill_count,
            last=last,
        )
        assert start == each.book
        rest = [(fill, reason) for fill, reason in reasoned if fill.execution_order > last]
        again, closed_again = fold_on(start, rest)
        assert again == whole
        assert closed_again == closed[closed.index(each) + 1 :]


def test_fills_up_to_the_seq_of_the_opening_position_are_in_it() -> None:
    opening = OpeningPosition(key=BOOK, position=Position(Decimal(2), Decimal(100)), seq=7, at=START)
    assert opening.includes(a_fill(Side.BUY, "1", at="100", n=7))
    assert not opening.includes(a_fill(Side.BUY, "1", at="100", n=8))


def test_without_a_seq_the_market_time_decides() -> None:
    first, second = a_fill(Side.BUY, "1", at="100", n=0), a_fill(Side.BUY, "1", at="100", n=1)
    opening = OpeningPosition(key=BOOK, position=FLAT, seq=-1, at=second.exec_time)
    assert opening.includes(first)
    assert not opening.includes(second)
