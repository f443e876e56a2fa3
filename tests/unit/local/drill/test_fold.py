"""The drill's own average-cost fold, by hand."""

from __future__ import annotations

from fractions import Fraction

from alpha.local.drill.fold import Folded, fold_journal
from tests.unit.local.drill.entries import an_entry


def folded(*trades: tuple[str, str, str, str]) -> Folded:
    """(side, quantity, price, fee), in order."""
    entries = [an_entry(n, side, quantity, price, fee=fee) for n, (side, quantity, price, fee) in enumerate(trades, 1)]
    return fold_journal(entries)[("main", "BTCUSDT")]


def test_adding_averages_and_reducing_does_not() -> None:
    # given 1 at 100 and 3 at 104: (100 + 312) / 4 = 103; when 2 are sold at 110: (110 - 103) * 2 = 14
    state = folded(("Buy", "1", "100", "1"), ("Buy", "3", "104", "1"), ("Sell", "2", "110", "1"))
    assert (state.quantity, state.entry_price, state.realized, state.fees) == (2, 103, 14, 3)
    assert state.closed == []


def test_a_short_earns_when_the_price_falls() -> None:
    # sold 2 at 50, bought 2 at 47: (50 - 47) * 2 = 6
    state = folded(("Sell", "2", "50", "0.5"), ("Buy", "2", "47", "0.25"))
    assert (state.quantity, state.realized) == (0, 6)
    (trip,) = state.closed
    assert (trip.first, trip.last, trip.gross, trip.fees) == ("exec-1", "exec-2", 6, Fraction(3, 4))


def test_a_flip_closes_one_round_trip_and_opens_the_next_and_shares_its_fee_by_quantity() -> None:
    # long 1 at 10; sold 4 at 12: (12 - 10) * 1 = 2 realized, short 3 at 12; a quarter of the fee is the first's
    state = folded(("Buy", "1", "10", "1"), ("Sell", "4", "12", "8"))
    assert (state.quantity, state.entry_price, state.realized, state.fees) == (-3, 12, 2, 9)
    (trip,) = state.closed
    assert (trip.gross, trip.fees, trip.last) == (2, 1 + 2, "exec-2")
    assert state.trip is not None
    assert (state.trip.first, state.trip.fees) == ("exec-2", 6)


def test_funding_is_cash_beside_the_position() -> None:
    entries = [
        an_entry(1, "Buy", "1", "10", fee="1"),
        an_entry(2, "Sell", "1", "10", fee="0.3", exec_type="Funding"),
        an_entry(3, "Sell", "1", "10", fee="-0.1"),
    ]
    state = fold_journal(entries)[("main", "BTCUSDT")]
    assert (state.quantity, state.fees, state.funding, state.fills) == (0, Fraction(9, 10), Fraction(-3, 10), 3)
    assert state.closed[0].funding == Fraction(-3, 10)
