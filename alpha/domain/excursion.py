"""How far the price went for and against a position while it was held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.domain.bar import Bar

_OUTSIDE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRange:
    """The extremes of the price over a time: of the fills at its ends, and of `bars` bars of `interval` between."""

    highest: Decimal
    lowest: Decimal
    interval: timedelta
    bars: int


def price_range(
    opened_at: datetime, closed_at: datetime, prices: Iterable[Decimal], bars: Iterable[Bar], interval: timedelta
) -> PriceRange | None:
    """The range of a round trip from its own fills' `prices` (at least one) and the bars that lie inside of it.

    A bar that reaches beyond either end by more than a fiftieth says nothing of when in it the extreme was, so it is
    left out. A bot that decides at the end of a bar enters within that much of the next. None when a bar inside is
    missing.
    """
    slack = interval / _OUTSIDE
    first = _next_start(opened_at - slack, interval)
    last_end = closed_at + slack
    inside = {bar.start: bar for bar in bars if bar.start >= first and bar.end <= last_end}
    expected = max(0, (last_end - first) // interval)
    if len(inside) != expected:
        return None
    own = list(prices)
    return PriceRange(
        highest=max([*own, *(bar.high for bar in inside.values())]),
        lowest=min([*own, *(bar.low for bar in inside.values())]),
        interval=interval,
        bars=expected,
    )


def _next_start(time: datetime, interval: timedelta) -> datetime:
    """The first start of a bar at or after the time. Bars begin at whole intervals of UTC."""
    past = (time - time.replace(hour=0, minute=0, second=0, microsecond=0)) % interval
    return time if not past else time - past + interval
