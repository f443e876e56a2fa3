"""The laws of accounting, over random histories."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import ExecId
from alpha.domain.position import ZERO
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade_book import TradeBook, fold
from tests.unit.domain.fills import BOOK, a_fill

EXACT_ENOUGH = Decimal("1e-15")
"""Averages are divisions and end after 28 digits; amounts here have at most ten before the point."""

quantities = st.decimals(min_value="0.001", max_value="50", places=3)
prices = st.decimals(min_value="0.01", max_value="100000", places=2)
fees = st.decimals(min_value="-1", max_value="5", places=4)
exec_types = st.sampled_from([ExecType.TRADE, ExecType.TRADE, ExecType.TRADE, ExecType.BUST, ExecType.FUNDING])


@st.composite
def histories(draw: st.DrawFn) -> list[Fill]:
    rows = draw(st.lists(st.tuples(st.sampled_from(Side), quantities, prices, fees, exec_types), max_size=25))
    return [
        a_fill(side, quantity, at=price, fee=fee, exec_type=kind, n=n)
        for n, (side, quantity, price, fee, kind) in enumerate(rows)
    ]


def booked(fills: list[Fill]) -> TradeBook:
    return fold(TradeBook(key=BOOK), [(fill, Reason.ENTRY) for fill in fills])[0]


@given(histories())
def test_the_position_is_the_signed_sum_of_the_fills(fills: list[Fill]) -> None:
    moved = sum((f.side.sign * f.quantity for f in fills if f.exec_type is not ExecType.FUNDING), ZERO)
    assert booked(fills).position.quantity == moved


@given(histories(), prices)
def test_cash_and_inventory_change_only_by_profit_fees_and_funding(fills: list[Fill], mark: Decimal) -> None:
    # what the account paid and received, with the rest of the position valued at the mark
    cash = sum((-f.position_change * f.price - f.fee for f in fills), ZERO)
    book = booked(fills)
    worth = cash + book.position.quantity * mark
    assert abs(worth - (book.net_pnl + book.position.unrealized_pnl(mark))) < EXACT_ENOUGH * 1000


@given(histories(), st.randoms(use_true_random=False))
def test_any_arrival_order_folds_to_the_same_books_and_trades(fills: list[Fill], random: object) -> None:
    shuffled = list(fills)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    in_order = fold(TradeBook(key=BOOK), [(f, Reason.ENTRY) for f in fills])
    assert fold(TradeBook(key=BOOK), [(f, Reason.ENTRY) for f in shuffled]) == in_order


@given(histories(), st.data())
def test_profit_is_conserved_under_any_split_of_a_fill(fills: list[Fill], data: st.DataObject) -> None:
    splittable = [n for n, f in enumerate(fills) if f.quantity > Decimal("0.001") and f.exec_type.moves_position]
    if not splittable:
        return
    n = data.draw(st.sampled_from(splittable))
    whole = fills[n]
    steps = data.draw(st.integers(1, int(whole.quantity * 1000) - 1))
    first = Decimal(steps) / 1000
    share = (whole.fee * first / whole.quantity).quantize(Decimal("1e-8"))
    parts = [
        replace(whole, exec_id=ExecId("part-1"), quantity=first, leaves_quantity=whole.quantity - first, fee=share),
        replace(whole, exec_id=ExecId("part-2"), quantity=whole.quantity - first, fee=whole.fee - share),
    ]
    one, two = booked(fills), booked([*fills[:n], *parts, *fills[n + 1 :]])
    assert one.position.quantity == two.position.quantity
    assert abs(one.position.entry_price - two.position.entry_price) < EXACT_ENOUGH
    assert abs(one.realized_pnl - two.realized_pnl) < EXACT_ENOUGH * 1000
    assert abs(one.fees - two.fees) < EXACT_ENOUGH
    assert one.funding == two.funding


@given(histories())
def test_closed_trades_and_the_open_one_add_up_to_the_book(fills: list[Fill]) -> None:
    book, trades = fold(TradeBook(key=BOOK), [(f, Reason.ENTRY) for f in fills])
    open_gross = book.open_trade.gross_pnl if book.open_trade else ZERO
    assert abs(sum((t.gross_pnl for t in trades), open_gross) - book.realized_pnl) < EXACT_ENOUGH * 1000
    open_fees = book.open_trade.fees if book.open_trade else ZERO
    assert abs(sum((t.fees for t in trades), open_fees) - book.fees) < EXACT_ENOUGH


@given(histories(), st.integers(0, 25))
def test_a_book_continued_from_the_middle_equals_one_folded_at_once(fills: list[Fill], cut: int) -> None:
    pairs = [(f, Reason.ENTRY) for f in fills]
    half, before = fold(TradeBook(key=BOOK), pairs[:cut])
    whole, after = fold(half, pairs[cut:])
    assert (whole, before + after) == fold(TradeBook(key=BOOK), pairs)
