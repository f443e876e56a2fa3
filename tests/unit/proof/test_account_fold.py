"""Hand-worked ledgers of an account: what each fill moved."""

from __future__ import annotations

from decimal import Decimal

from alpha.domain.fill import ExecType
from alpha.domain.ids import Symbol
from alpha.proof.account_fold import fold_account
from tests.unit.proof.books import BUY, SELL, a_fill, opening


def test_a_long_that_is_closed_in_two_parts_shares_the_fee_of_its_entry() -> None:
    # given 2 bought at 100 for a fee of 0.30
    # when 0.5 are sold at 110 and 1.5 at 90
    booked = fold_account(
        [
            a_fill(BUY, "2", at="100", fee="0.30", n=1),
            a_fill(SELL, "0.5", at="110", fee="0.05", n=2),
            a_fill(SELL, "1.5", at="90", fee="0.10", n=3),
        ]
    )
    # then 0.5 x 10 = 5 and 1.5 x -10 = -15, with 0.30 x 0.5 / 2 = 0.075 and the rest of the opening fee
    assert [(each.pnl, each.open_fee, each.close_fee) for each in booked] == [
        (0, 0, 0),
        (Decimal(5), Decimal("0.075"), Decimal("0.05")),
        (Decimal(-15), Decimal("0.225"), Decimal("0.10")),
    ]
    assert [each.change for each in booked] == [Decimal("-0.30"), Decimal("4.95"), Decimal("-15.10")]


def test_a_short_gains_when_the_price_falls_and_averages_its_entries() -> None:
    # given 1 sold at 100 and 3 at 104: (100 + 312) / 4 = 103
    booked = fold_account(
        [
            a_fill(SELL, "1", at="100", n=1),
            a_fill(SELL, "3", at="104", n=2),
            a_fill(BUY, "4", at="101.5", n=3),
        ]
    )
    # then 4 x (103 - 101.5) = 6
    assert booked[-1].pnl == Decimal(6)
    assert booked[-1].entry_price == Decimal(103)


def test_a_fill_that_flips_closes_what_was_held_and_its_fee_is_shared() -> None:
    # given a long of 1 at 100; when 1.5 are sold at 120 for 0.09
    booked = fold_account(
        [
            a_fill(BUY, "1", at="100", fee="0.06", n=1),
            a_fill(SELL, "1.5", at="120", fee="0.09", n=2),
            a_fill(BUY, "0.5", at="100", fee="0.02", n=3),
        ]
    )
    # then 1 x 20, and of the fee 0.09 x 1 / 1.5 = 0.06 closes; the short of 0.5 cost the other 0.03 and makes 10
    assert (booked[1].pnl, booked[1].closed, booked[1].close_fee) == (Decimal(20), Decimal(1), Decimal("0.06"))
    assert (booked[2].pnl, booked[2].open_fee) == (Decimal(10), Decimal("0.03"))


def test_funding_is_cash_and_moves_no_position() -> None:
    booked = fold_account(
        [
            a_fill(BUY, "1", at="100", n=1),
            a_fill(BUY, "1", at="100", fee="0.5", n=2, exec_type=ExecType.FUNDING),
            a_fill(SELL, "1", at="101", n=3),
        ]
    )
    assert (booked[1].funding, booked[1].fees, booked[1].closed) == (Decimal("-0.5"), Decimal(0), Decimal(0))
    assert booked[2].pnl == Decimal(1)


def test_the_two_sides_of_hedge_mode_are_two_positions() -> None:
    booked = fold_account(
        [
            a_fill(BUY, "1", at="100", n=1, position_idx=1),
            a_fill(SELL, "1", at="110", n=2, position_idx=2),
            a_fill(SELL, "1", at="105", n=3, position_idx=1),
            a_fill(BUY, "1", at="105", n=4, position_idx=2),
        ]
    )
    assert [each.pnl for each in booked] == [0, 0, Decimal(5), Decimal(5)]


def test_two_bots_on_one_account_are_one_book_of_the_exchange() -> None:
    # given two symbols of two bots, and a fill that came late
    eth = Symbol("ETHUSDT")
    booked = fold_account(
        [
            a_fill(SELL, "1", at="2100", n=4, symbol=eth, bot="bot_002"),
            a_fill(BUY, "1", at="100", n=1),
            a_fill(SELL, "1", at="90", n=3),
            a_fill(BUY, "1", at="2000", n=2, symbol=eth, bot="bot_002"),
        ]
    )
    assert [(each.fill.exec_id, each.pnl) for each in booked] == [
        ("e1", 0),
        ("e2", 0),
        ("e3", Decimal(-10)),
        ("e4", Decimal(100)),
    ]


def test_p_and_l_is_rounded_to_what_the_exchange_books() -> None:
    # given 3 at (100 + 2 x 100.01) / 3 = 100.00666...; when 1 is sold at 100.01
    booked = fold_account(
        [a_fill(BUY, "1", at="100", n=1), a_fill(BUY, "2", at="100.01", n=2), a_fill(SELL, "1", at="100.01", n=3)]
    )
    # then 0.00333... is 0.00333333
    assert booked[-1].pnl == Decimal("0.00333333")


def test_what_closes_a_position_from_before_the_ledger_says_so() -> None:
    booked = fold_account(
        [a_fill(SELL, "1", at="110", n=2), a_fill(BUY, "1", at="100", n=3), a_fill(SELL, "1", at="101", n=4)],
        [opening("1", "100", n=1)],
    )
    assert [each.from_before for each in booked] == [True, False, False]
    assert [each.pnl for each in booked] == [Decimal(10), 0, Decimal(1)]


def test_fills_from_before_the_first_contact_are_followed_back_to_a_flat_position() -> None:
    # given a position of 1 at 100 at the first contact (seq 2), and the fills that made it, read later
    booked = fold_account(
        [a_fill(BUY, "2", at="100", n=1), a_fill(SELL, "1", at="104", n=2), a_fill(SELL, "1", at="103", n=3)],
        [opening("1", "100", n=2)],
    )
    # then it began flat, and everything about it is known
    assert [each.from_before for each in booked] == [False, False, False]
    assert [each.pnl for each in booked] == [0, Decimal(4), Decimal(3)]
