from __future__ import annotations

from datetime import timedelta

import pytest

from alpha.bot.freshness import bars_are_fresh

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("age_minutes", "undecided_s", "late_s", "fresh"),
    [
        (1, 60.0, 60.0, True),
        (3, 60.0, 60.0, False),
        (3, 5.0, 5.0, True),
        # Every turn decides, and always on bars that are too old: it never gets there.
        (3, 5.0, 400.0, False),
        # Late for long, and there at last.
        (1, 5.0, 400.0, True),
    ],
    ids=["up to date", "no bars come", "catching up", "catching up for ever", "caught up"],
)
def test_bars_are_fresh_while_they_come_or_are_caught_up_with(
    age_minutes: int, undecided_s: float, late_s: float, fresh: bool
):
    age = timedelta(minutes=age_minutes)
    assert bars_are_fresh(age, MINUTE, running_s=1000.0, undecided_s=undecided_s, late_s=late_s) is fresh


def test_the_first_bar_is_waited_for_as_long_as_bars_take():
    def fresh(running_s: float) -> bool:
        return bars_are_fresh(None, MINUTE, running_s=running_s, undecided_s=running_s, late_s=running_s)

    assert fresh(149.0)
    assert not fresh(151.0)
