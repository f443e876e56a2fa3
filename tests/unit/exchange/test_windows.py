from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.errors import InvalidValue
from alpha.exchange.executions import MAX_WINDOW, MILLISECOND, windows

START = datetime(2025, 3, 1, tzinfo=UTC)


def test_exactly_seven_days_are_one_window() -> None:
    assert list(windows(START, START + MAX_WINDOW)) == [(START, START + MAX_WINDOW)]


def test_a_millisecond_more_is_a_second_window() -> None:
    until = START + MAX_WINDOW + MILLISECOND
    assert list(windows(START, until)) == [(START, START + MAX_WINDOW), (until, until)]


def test_one_instant_is_a_window() -> None:
    assert list(windows(START, START)) == [(START, START)]


def test_an_end_before_the_beginning_is_refused() -> None:
    with pytest.raises(InvalidValue, match="cannot begin"):
        list(windows(START, START - MILLISECOND))


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no time zone"):
        list(windows(START.replace(tzinfo=None), START.replace(tzinfo=None)))


@given(
    since=st.timedeltas(timedelta(0), timedelta(days=3650)).map(lambda after: START + after),
    span=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=60)),
)
def test_windows_cover_every_millisecond_once(since: datetime, span: timedelta) -> None:
    found = list(windows(since, since + span))
    assert found[0][0] <= since < found[0][0] + MILLISECOND
    assert found[-1][1] <= since + span < found[-1][1] + MILLISECOND
    for start, end in found:
        assert start <= end <= start + MAX_WINDOW
    for (_, end), (start, _) in itertools.pairwise(found):
        assert start == end + MILLISECOND
