"""Entries of the log beside fills."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpha.domain.fill import ExecType
from alpha.domain.side import Side
from alpha.proof.account_fold import fold_account
from alpha.proof.pairing import differences, is_execution, pair_up
from tests.unit.proof.books import BUY, SELL, a_fill, log_of, replace, transfer

FILLS = [
    a_fill(BUY, "1", at="100", fee="0.06", n=1),
    a_fill(BUY, "1", at="100", fee="0.5", n=2, exec_type=ExecType.FUNDING),
    a_fill(SELL, "1", at="110", fee="0.07", n=3),
]
BOOKED = fold_account(FILLS)
LOG = log_of(BOOKED, opening_balance="1000")


def test_equal_sides_have_no_difference() -> None:
    pairs = pair_up(LOG, BOOKED)
    assert [(pair.row and pair.row.trade_id, pair.booking and pair.booking.fill.exec_id) for pair in pairs] == [
        ("e1", "e1"),
        ("e2", "e2"),
        ("e3", "e3"),
    ]
    assert list(differences(pairs)) == []


def test_an_entry_without_a_fill_and_a_fill_without_an_entry_are_named() -> None:
    found = list(differences(pair_up(LOG[1:], BOOKED[:2])))
    assert [(each.subject, each.text.split(":")[0]) for each in found] == [
        ("e1", "in the ledger and not in the exchange's log"),
        ("e3", "in the exchange's log and not in the ledger"),
    ]


def test_each_field_that_differs_is_told_with_both_values() -> None:
    wrong = replace(
        LOG[2], side=Side.BUY, quantity=Decimal(2), price=Decimal(111), fee=Decimal("0.08"), cash_flow=Decimal("10.01")
    )
    found = list(differences(pair_up([*LOG[:2], wrong], BOOKED)))
    assert {each.subject for each in found} == {"e3"}
    assert [each.text.split(" (")[0] for each in found] == [
        "side: exchange Buy, ledger Sell",
        "quantity: exchange 2, ledger 1",
        "price: exchange 111, ledger 110",
        "fee: exchange 0.08, ledger 0.07",
        "realized P&L: exchange 10.01, ledger 10",
    ]


def test_p_and_l_within_a_cent_and_a_fee_that_is_off_by_nothing_else() -> None:
    near = replace(LOG[2], cash_flow=Decimal("10.009"))
    assert list(differences(pair_up([*LOG[:2], near], BOOKED))) == []
    (found,) = differences(pair_up([*LOG[:2], replace(LOG[2], fee=Decimal("0.07000001"))], BOOKED))
    assert found.text.startswith("fee: ")


def test_funding_is_compared_by_its_sign() -> None:
    (found,) = differences(pair_up([LOG[0], replace(LOG[1], funding=Decimal("0.5")), LOG[2]], BOOKED))
    assert found.text.startswith("funding: exchange 0.5, ledger -0.5")


def test_without_the_executions_id_an_entry_is_known_by_what_it_says() -> None:
    # given a log that names its trades otherwise, and is a second late
    log = [replace(row, trade_id=f"t{number}", at=row.at + timedelta(seconds=1)) for number, row in enumerate(LOG)]
    pairs = pair_up(log, BOOKED)
    assert all(pair.row and pair.booking for pair in pairs)
    assert list(differences(pairs)) == []


def test_funding_of_nothing_needs_no_entry() -> None:
    booked = fold_account([a_fill(BUY, "1", at="100", fee="0", n=9, exec_type=ExecType.FUNDING)])
    assert list(differences(pair_up([], booked))) == []


def test_what_is_no_execution_of_ours_is_not_looked_for() -> None:
    assert not is_execution(transfer("1", "1", hours=1))
    assert not is_execution(replace(LOG[0], category="spot"))
    assert is_execution(replace(LOG[0], type="LIQUIDATION"))
