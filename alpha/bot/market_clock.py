from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from alpha.domain.bar import Bar
from alpha.domain.clock import EPOCH


def wall_now() -> datetime:
    return datetime.now(UTC)


class MarketClock:
    """What time it is on the market.

    A real market's clock is the wall clock. The paper exchange's moves with its bars, so there the newest bar (or the
    exchange's own word at start) is the time.
    """

    def __init__(self, *, is_paper: bool, wall: Callable[[], datetime] = wall_now) -> None:
        self._is_paper = is_paper
        self._wall = wall
        self._newest_bar = EPOCH
        self._newest_time = EPOCH

    def saw_bar(self, end: datetime) -> None:
        """A bar that ended then is known, whether or not it has been decided on."""
        self._newest_bar = max(self._newest_bar, end)
        self.saw_time(end)

    def saw_time(self, time: datetime) -> None:
        """The exchange's own word."""
        self._newest_time = max(self._newest_time, time)

    def now(self) -> datetime:
        return self._newest_time if self._is_paper else max(self._newest_time, self._wall())

    def between_events(self) -> datetime | None:
        """The time for what is looked at although nothing was told. None on the paper exchange, where no time passes
        between two bars: what happens at a bar is decided when it is decided on, as in a backtest."""
        return None if self._is_paper else self.now()

    def start_of(self, now: datetime, to_decide: Sequence[Bar] | None, *, is_restart: bool) -> datetime:
        """The time of a bot's start, `to_decide` being the newest bars where they are still to be decided on. On the
        paper exchange, where no time passes between two bars, theirs is that of the decision to come."""
        return to_decide[0].start if to_decide and self._is_paper and is_restart else now

    def may_trade_on(self, bar_end: datetime, max_age: timedelta) -> bool:
        """Whether a bar is the newest and young enough to act on: decisions on older ones would be about a past."""
        return bar_end >= self._newest_bar and self.now() - bar_end <= max_age
