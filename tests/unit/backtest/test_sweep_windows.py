from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.errors import BacktestRefused
from backtest.sweep.windows import walk_forward

START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_three_windows_over_ten_days_of_which_two_thirds_choose():
    # chosen : judged is 2 : 1, and chosen + 3 x judged is the period: 4 days and 2 days each.
    found = [
        (each.start, each.split, each.end) for each in walk_forward(START, START + 10 * DAY, count=3, in_sample=2 / 3)
    ]
    assert found == [
        (START, START + 4 * DAY, START + 6 * DAY),
        (START + 2 * DAY, START + 6 * DAY, START + 8 * DAY),
        (START + 4 * DAY, START + 8 * DAY, START + 10 * DAY),
    ]


@given(count=st.integers(1, 12), share=st.floats(0.2, 0.9), days=st.integers(20, 900))
def test_judged_parts_follow_each_other_and_nothing_is_judged_that_was_chosen_on(count: int, share: float, days: int):
    windows = walk_forward(START, START + days * DAY, count=count, in_sample=share)
    assert len(windows) == count
    assert windows[0].start == START
    assert windows[-1].end == START + days * DAY
    for window in windows:
        assert window.start < window.split < window.end
        chosen = (window.split - window.start) / (window.end - window.start)
        assert chosen == pytest.approx(share, abs=0.01)
    for before, after in pairwise(windows):
        assert before.end == after.split


@pytest.mark.parametrize(
    ("count", "share", "minutes", "message"),
    [
        (0, 0.5, 9000, "at least 1"),
        (1, 1.0, 9000, "between 0 and 1"),
        (1, 0.0, 9000, "between"),
        (9, 0.5, 5, "too short"),
    ],
)
def test_what_cannot_be_walked_is_refused(count: int, share: float, minutes: int, message: str):
    with pytest.raises(BacktestRefused, match=message):
        walk_forward(START, START + timedelta(minutes=minutes), count=count, in_sample=share)
