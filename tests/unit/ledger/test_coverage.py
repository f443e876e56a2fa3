"""What counts as proven, after doubts and what the exchange keeps no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alpha.ledger.coverage import CoverageKind, Interval, proven_end, proven_intervals, unproven_stretches

PROVEN, UNPROVEN, UNREACHABLE, HEARD = (
    CoverageKind.PROVEN,
    CoverageKind.UNPROVEN,
    CoverageKind.UNREACHABLE,
    CoverageKind.HEARD,
)


def at(minute: int) -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minute)


def said(*statements: tuple[CoverageKind, int, int]) -> list[Interval]:
    return [
        Interval(number=number, kind=kind, start=at(start), end=at(end), detail="")
        for number, (kind, start, end) in enumerate(statements)
    ]


def test_nothing_is_proven_before_the_first_contact() -> None:
    assert proven_end([]) is None
    assert proven_end(said((HEARD, 0, 9))) is None


def test_the_first_contact_proves_its_own_instant() -> None:
    assert proven_end(said((PROVEN, 5, 5))) == at(5)


def test_what_was_only_heard_is_not_proven() -> None:
    assert proven_end(said((PROVEN, 0, 5), (HEARD, 5, 60))) == at(5)


def test_a_gap_holds_recovery_back_although_later_stretches_are_proven() -> None:
    assert proven_end(said((PROVEN, 0, 10), (PROVEN, 12, 30))) == at(10)


def test_closing_the_gap_moves_on_to_the_end_of_everything() -> None:
    assert proven_end(said((PROVEN, 0, 10), (PROVEN, 12, 30), (PROVEN, 10, 12))) == at(30)


def test_a_doubt_takes_back_what_was_proven() -> None:
    assert proven_end(said((PROVEN, 0, 30), (UNPROVEN, 10, 12))) == at(10)
    assert proven_intervals(said((PROVEN, 0, 30), (UNPROVEN, 10, 12))) == [(at(0), at(10)), (at(12), at(30))]


def test_a_doubt_that_was_cleared_is_gone() -> None:
    assert proven_end(said((PROVEN, 0, 30), (UNPROVEN, 10, 12), (PROVEN, 10, 12))) == at(30)


def test_a_doubt_of_everything_goes_back_to_the_first_contact() -> None:
    assert proven_end(said((PROVEN, 0, 30), (UNPROVEN, -5, 40))) == at(0)


def test_recovery_steps_over_what_the_exchange_keeps_no_more() -> None:
    statements = said((PROVEN, 0, 10), (UNREACHABLE, 10, 50), (PROVEN, 50, 60))
    assert proven_end(statements) == at(60)
    assert proven_intervals(statements) == [(at(0), at(10)), (at(50), at(60))]


def test_what_has_to_be_read_is_what_lies_between_and_after_the_proven_stretches() -> None:
    assert unproven_stretches([], at(60)) == []
    assert unproven_stretches(said((PROVEN, 0, 10)), at(60)) == [(at(10), at(60))]
    assert unproven_stretches(said((PROVEN, 0, 60)), at(60)) == [(at(60), at(60))]
    doubted = said((PROVEN, 0, 50), (UNPROVEN, 10, 12), (UNPROVEN, 30, 31))
    assert unproven_stretches(doubted, at(60)) == [(at(10), at(12)), (at(30), at(31)), (at(50), at(60))]
    beyond = said((PROVEN, 0, 10), (UNREACHABLE, 10, 50))
    assert unproven_stretches(beyond, at(60)) == [(at(50), at(60))]
    assert unproven_stretches(said((PROVEN, 5, 30), (UNPROVEN, 0, 40)), at(60)) == [(at(5), at(60))]


minutes = st.integers(min_value=0, max_value=30)
statements = st.lists(
    st.tuples(st.sampled_from([PROVEN, UNPROVEN]), minutes, minutes).map(
        lambda each: (each[0], min(each[1:]), max(each[1:]))
    ),
    max_size=12,
)


@given(statements)
def test_a_moment_is_proven_when_the_last_word_about_it_says_so(
    given_statements: list[tuple[CoverageKind, int, int]],
) -> None:
    # asked between the minutes, where no interval has its end
    stretches = proven_intervals(said(*given_statements))
    for minute in range(30):
        moment = at(minute) + timedelta(seconds=30)
        words = [kind for kind, start, end in given_statements if start <= minute and end > minute]
        expected = bool(words) and words[-1] is PROVEN
        assert any(start <= moment <= end for start, end in stretches) == expected


@given(statements)
def test_from_the_first_contact_on_everything_is_either_proven_or_to_be_read(
    given_statements: list[tuple[CoverageKind, int, int]],
) -> None:
    everything = said(*given_statements)
    first = min((each.start for each in everything if each.kind is PROVEN), default=None)
    to_read = unproven_stretches(everything, at(30))
    assert (first is None) == (to_read == [])
    for minute in range(30):
        moment = at(minute) + timedelta(seconds=30)
        if first is None or moment < first:
            continue
        proven = any(start <= moment <= end for start, end in proven_intervals(everything))
        assert proven != any(start <= moment <= end for start, end in to_read)
