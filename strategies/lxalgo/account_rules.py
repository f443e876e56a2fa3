"""What the account's own result forbids: the daily breaker, the weekly half size and the weekly breaker."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from pydantic import BaseModel

from alpha.bot import Performance
from strategies.lxalgo.parameters import LXAlgoParams

ZERO = Decimal(0)


def next_day(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=UTC)


def monday_of(now: datetime) -> date:
    return now.date() - timedelta(days=now.weekday())


def next_monday(now: datetime) -> datetime:
    return datetime.combine(monday_of(now) + timedelta(days=7), time(), tzinfo=UTC)


class AccountRules(BaseModel):
    """Until when nothing is entered and everything is closed, and whether entries are of half size.

    Half size outlives its week: `carried` is the result (percent) of the weeks before since the loss began, `week` the
    Monday and `week_percent` the result of the week seen last, `deepest` the deepest loss since.
    """

    paused_until: datetime | None = None
    half_size: bool = False
    carried: Decimal = ZERO
    deepest: Decimal = ZERO
    week: date | None = None
    week_percent: Decimal = ZERO

    def is_paused(self, now: datetime) -> bool:
        return self.paused_until is not None and now < self.paused_until

    def update(self, made: Performance, now: datetime, params: LXAlgoParams) -> list[tuple[str, str]]:
        """Take in what was made; answers what to tell, as (kind, text)."""
        told = [*self._breaker(made, now, params), *self._half_size(made, now, params)]
        self.week, self.week_percent = monday_of(now), made.week_percent
        return told

    def _breaker(self, made: Performance, now: datetime, params: LXAlgoParams) -> list[tuple[str, str]]:
        until, text = None, ""
        if made.week_percent <= -params.weekly_loss_percent:
            until, text = next_monday(now), f"the week is at {made.week_percent:.2f} %"
        elif made.today_percent <= -params.daily_loss_percent:
            until, text = next_day(now), f"the day is at {made.today_percent:.2f} %"
        if until is None or (self.paused_until is not None and until <= self.paused_until):
            return []
        self.paused_until = until
        return [("breaker", f"{text}: everything is closed, no entries until {until:%Y-%m-%d %H:%M} UTC")]

    def _half_size(self, made: Performance, now: datetime, params: LXAlgoParams) -> list[tuple[str, str]]:
        if not self.half_size:
            if made.week_percent > -params.weekly_half_size_loss_percent:
                return []
            self.half_size, self.carried, self.deepest = True, ZERO, made.week_percent
            return [("half_size", f"the week is at {made.week_percent:.2f} %: entries of half size")]
        if self.week is not None and self.week != monday_of(now):
            self.carried += self.week_percent
        since = self.carried + made.week_percent
        self.deepest = min(self.deepest, since)
        if since < self.deepest * (1 - params.weekly_recovered_share):
            return []
        self.half_size = False
        return [("full_size", f"recovered from {self.deepest:.2f} % to {since:.2f} %: entries of full size again")]
