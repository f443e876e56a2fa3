"""The past before the first contact, while it is backfilled and afterwards."""

from __future__ import annotations

from alpha.ledger.coverage import (
    BACKFILL,
    CoverageKind,
    Interval,
    beginning,
    proven_end,
    share_settled,
    start_of_ledger,
    unproven_stretches,
)
from tests.unit.ledger.test_coverage import PROVEN, UNPROVEN, UNREACHABLE, at


def said(*statements: tuple[CoverageKind, int, int, str]) -> list[Interval]:
    return [
        Interval(number=number, kind=kind, start=at(start), end=at(end), detail=detail)
        for number, (kind, start, end, detail) in enumerate(statements)
    ]


CONTACT = (PROVEN, 100, 150, "")
OPENED = (UNPROVEN, 0, 100, f"{BACKFILL} of 6 months by tests")


def test_a_backfill_is_read_without_holding_up_what_happens_now() -> None:
    opened = said(CONTACT, OPENED)
    assert unproven_stretches(opened, at(160)) == [(at(0), at(100)), (at(150), at(160))]
    assert proven_end(opened) == at(150)
    assert beginning(opened) == at(0)
    # the ledger begins there only once nothing is missing in between
    assert start_of_ledger(opened) == at(100)


def test_half_of_it_is_recovered() -> None:
    half = said(CONTACT, OPENED, (PROVEN, 0, 50, ""))
    assert share_settled(half, at(0), at(100)) == 0.5
    assert start_of_ledger(half) == at(100)
    assert proven_end(half) == at(150)


def test_all_of_it_is_recovered_and_some_was_out_of_reach() -> None:
    whole = said(CONTACT, OPENED, (PROVEN, 20, 100, ""), (UNREACHABLE, 0, 20, ""))
    assert share_settled(whole, at(0), at(100)) == 1.0
    assert start_of_ledger(whole) == at(0)
    assert proven_end(whole) == at(150)
    assert unproven_stretches(whole, at(150)) == [(at(150), at(150))]


def test_a_doubt_in_the_past_is_no_reason_to_look_away() -> None:
    doubted = said(CONTACT, OPENED, (PROVEN, 0, 100, ""), (UNPROVEN, 30, 31, "2 executions"))
    assert start_of_ledger(doubted) == at(0)
    assert unproven_stretches(doubted, at(160)) == [(at(30), at(31)), (at(150), at(160))]


def test_nothing_begins_before_there_was_contact() -> None:
    assert beginning(said(OPENED)) is None
    assert start_of_ledger(said(OPENED)) is None
    assert unproven_stretches(said(OPENED), at(10)) == []
