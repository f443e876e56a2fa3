"""The double entry of days, by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from alpha.domain.fill import ExecType
from alpha.exchange.account_books import LogEntry
from alpha.proof.account_fold import Booking, fold_account
from alpha.proof.double_entry import DoubleEntry, enter
from alpha.proof.finding import Finding
from alpha.proof.pairing import is_execution, pair_up
from tests.unit.proof.books import BUY, SELL, a_fill, log_of, opening, replace, transfer

FRIDAY, SATURDAY = date(2025, 1, 31), date(2025, 2, 1)

# START is 12:00 on Friday. 1 is bought at 100 for 0.06, pays 0.5 funding, and is sold at 110 for 0.07 on Saturday.
FILLS = [
    a_fill(BUY, "1", at="100", fee="0.06", n=1),
    a_fill(BUY, "1", at="100", fee="0.5", n=2, exec_type=ExecType.FUNDING),
    a_fill(SELL, "1", at="110", fee="0.07", n=3, hours=13),
]


def entered(
    log: list[LogEntry], bookings: list[Booking], before: dict[str, Decimal] | None = None
) -> tuple[list[DoubleEntry], list[Finding]]:
    pairs = pair_up([row for row in log if is_execution(row)], bookings)
    return enter([FRIDAY, SATURDAY], log, pairs, before or {})


def test_both_sides_of_two_days_add_up() -> None:
    bookings = fold_account(FILLS)
    entries, findings = entered(log_of(bookings, opening_balance="1000"), bookings)
    assert findings == []
    friday, saturday = entries
    # 1000 - 0.06 - 0.5 = 999.44, + 10 - 0.07 = 1009.37
    assert (friday.exchange.opening, friday.exchange.fees, friday.exchange.funding) == (
        Decimal(1000),
        Decimal("-0.06"),
        Decimal("-0.5"),
    )
    assert friday.closing == friday.ledger_closing == saturday.exchange.opening == Decimal("999.44")
    assert (saturday.ledger.trades, saturday.ledger.fees) == (Decimal(10), Decimal("-0.07"))
    assert saturday.closing == saturday.ledger_closing == Decimal("1009.37")
    assert [entry.residual for entry in entries] == [0, 0]


def test_transfers_and_other_entries_are_the_exchanges_word_and_explained() -> None:
    bookings = fold_account(FILLS[:1])
    log = [
        transfer("200", "1200", hours=-1),
        *log_of(bookings, opening_balance="1200"),
        transfer("-0.04", "1199.9", hours=2, kind="INTEREST"),
    ]
    (friday, saturday), findings = entered(log, bookings, {"USDT": Decimal(1000)})
    assert findings == []
    assert (friday.exchange.transfers, friday.exchange.other) == (Decimal(200), Decimal("-0.04"))
    assert friday.ledger.transfers == Decimal(200)
    assert friday.explanation == "1 INTEREST: -0.04"
    assert friday.closing == friday.ledger_closing == Decimal("1199.9")
    # and a day on which nothing happened closes as it opened
    assert (saturday.exchange.opening, saturday.closing, saturday.ledger_closing) == (Decimal("1199.9"),) * 3


def test_a_fee_that_we_have_wrong_is_a_residual_of_its_day() -> None:
    log = log_of(fold_account(FILLS), opening_balance="1000")
    wrong = [FILLS[0], FILLS[1], a_fill(SELL, "1", at="110", fee="0.05", n=3, hours=13)]
    (friday, saturday), (finding,) = entered(log, fold_account(wrong))
    assert friday.residual == 0
    assert saturday.residual == Decimal("-0.02")
    assert saturday.differing() == {"fees": Decimal("-0.02"), "closing": Decimal("-0.02")}
    assert finding.subject == "2025-02-01 USDT"
    assert (
        finding.text == "the exchange and the ledger differ in fees by -0.02, closing by -0.02 (exchange less ledger)"
    )


def test_errors_that_cancel_are_found_by_their_columns() -> None:
    # given a fee that is 1 too low and a price that makes 1 less
    log = log_of(fold_account(FILLS), opening_balance="1000")
    wrong = [FILLS[0], FILLS[1], a_fill(SELL, "1", at="109", fee="-0.93", n=3, hours=13)]
    (_, saturday), (finding,) = entered(log, fold_account(wrong))
    assert saturday.residual == 0
    assert "trades by 1, fees by -1" in finding.text


def test_less_than_a_cent_is_rounding_and_said() -> None:
    bookings = fold_account(FILLS)
    log = log_of(bookings, opening_balance="1000")
    last = log[-1]
    log[-1] = replace(
        last,
        cash_flow=last.cash_flow + Decimal("0.001"),
        change=last.change + Decimal("0.001"),
        balance=last.balance + Decimal("0.001"),
    )
    (_, saturday), findings = entered(log, bookings)
    assert findings == []
    assert saturday.residual == Decimal("0.001")
    assert saturday.explanation == "residual 0.001: rounding of 1 closing fills"


def test_the_exchange_says_to_which_day_a_fill_belongs() -> None:
    # given a fill a moment before midnight that the log books a moment after
    fill = a_fill(SELL, "1", at="110", fee="0.07", n=3, hours=11.9999)
    bookings = fold_account([*FILLS[:2], fill])
    log = log_of(bookings, opening_balance="1000")
    log[-1] = replace(log[-1], at=log[-1].at + timedelta(seconds=1))
    (friday, saturday), findings = entered(log, bookings)
    assert findings == []
    assert (friday.ledger.trades, saturday.ledger.trades) == (Decimal(0), Decimal(10))


def test_entries_of_one_instant_continue_the_balance_in_whatever_order_they_come() -> None:
    # given three entries of one instant: 1000 -> 990 -> 1010 -> 1003
    log = [
        replace(transfer("-7", "1003", hours=1, kind="TRANSFER_OUT"), log_id="c"),
        replace(transfer("-10", "990", hours=1), log_id="a"),
        replace(transfer("20", "1010", hours=1), log_id="b"),
    ]
    (friday, _), findings = entered(log, [])
    assert findings == []
    assert (friday.exchange.opening, friday.closing) == (Decimal(1000), Decimal(1003))


def test_a_balance_that_jumps_names_the_entry_after_the_jump() -> None:
    log = [transfer("10", "1010", hours=1), transfer("10", "1050", hours=2)]
    _, findings = entered(log, [])
    balance = [found for found in findings if found.check == "balance"]
    assert [found.subject for found in balance] == ["log-TRANSFER_IN-2"]
    assert "1010 USDT before" in balance[0].text
    assert "begins at 1040" in balance[0].text
    # and what came without an entry is no column, so the day does not add up
    assert any(found.check == "double entry" and "closing by 30" in found.text for found in findings)


def test_a_wallet_that_was_emptied_and_filled_again_is_a_jump() -> None:
    # given an account of demo trading that was reset to 50,000 between two entries
    log = [transfer("-1", "99", hours=1, kind="INTEREST"), transfer("-1", "49999", hours=3, kind="INTEREST")]
    _, findings = entered(log, [])
    assert [found.subject for found in findings if found.check == "balance"] == ["log-INTEREST-3"]


def test_every_coin_has_its_own_account() -> None:
    log = [transfer("5", "5", hours=1, coin="USDC"), transfer("10", "1010", hours=2)]
    entries, findings = entered(log, [], {"USDT": Decimal(1000)})
    assert findings == []
    assert {(entry.day, entry.coin): entry.closing for entry in entries if entry.day == FRIDAY} == {
        (FRIDAY, "USDC"): Decimal(5),
        (FRIDAY, "USDT"): Decimal(1010),
    }


def test_the_cost_of_what_is_older_than_the_ledger_is_taken_from_the_log() -> None:
    # given a position that cost 95 for the exchange and 100 for us, as far as anybody knows
    bookings = fold_account([a_fill(SELL, "1", at="110", n=3)], [opening("1", "100", n=1)])
    log = log_of(bookings, opening_balance="1000")
    log[0] = replace(log[0], cash_flow=Decimal(15), change=Decimal(15), balance=Decimal(1015))
    (friday, _), findings = entered(log, bookings)
    assert findings == []
    assert friday.ledger.trades == Decimal(15)
    assert friday.explanation == "1 fills close what is older than the ledger: 15, as the log says"


def test_what_an_execution_moved_beside_its_amounts_has_to_be_bonus() -> None:
    # given a purchase that took 100 more than its fee
    bookings = fold_account(FILLS[:1])
    (row,) = log_of(bookings, opening_balance="1000")
    row = replace(row, change=row.change - 100, balance=row.balance - 100)
    _, (found,) = entered([row], bookings)
    assert (found.check, found.subject) == ("double entry", row.log_id)
    assert "moves -100 USDT beside its P&L, fee and funding" in found.text
    # what the exchange calls bonus itself is explained by it, and by nothing else
    (friday, _), findings = entered([replace(row, bonus_change=Decimal(-100))], bookings)
    assert findings == []
    assert friday.explanation == "1 beside executions (bonus): -100"
    assert len(entered([replace(row, bonus_change=Decimal(-99))], bookings)[1]) == 1
