"""Whether a bot sees the market's bars as they come, for its check of health."""

from __future__ import annotations

from datetime import timedelta

_BARS_WITHIN = 2.5
"""Bars of so many intervals may be missing: one that forms, one that is late, and some patience."""
_KEEPS_UP_S = 30.0
"""Who decided on bars so lately is catching up: a fast paper market closes several in a moment of a busy machine."""
_CATCHES_UP_WITHIN_S = 300.0
"""Who was never in time for so long does not catch up: it decides on bars that are too old to be traded on."""


def bars_are_fresh(
    age: timedelta | None, interval: timedelta, *, running_s: float, undecided_s: float, late_s: float
) -> bool:
    """`age` is that of the newest bar seen, on the market's clock; None before the first one, which is waited for.

    `running_s` counts since the start, `undecided_s` since bars were last decided on, `late_s` since that was last in
    time for trading.
    """
    if age is None:
        return running_s < _BARS_WITHIN * interval.total_seconds()
    catches_up = undecided_s < _KEEPS_UP_S and late_s < _CATCHES_UP_WITHIN_S
    return age < _BARS_WITHIN * interval or catches_up
