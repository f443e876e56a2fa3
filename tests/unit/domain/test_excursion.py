"""How far the price went while a position was held."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpha.domain.bar import Bar
from alpha.domain.excursion import PriceRange, price_range
from tests.unit.domain.fills import BTCUSDT, START

MINUTE = timedelta(minutes=1)


def bar(n: int, high: str, low: str) -> Bar:
    """The n-th minute after START."""
    middle = (Decimal(high) + Decimal(low)) / 2
    return Bar(
        symbol=BTCUSDT,
        interval=MINUTE,
        start=START + n * MINUTE,
        open=middle,
        high=Decimal(high),
        low=Decimal(low),
        close=middle,
        volume=Decimal(1),
        turnover=middle,
    )


def measured(opened_s: int, closed_s: int, prices: list[str], *bars: Bar) -> PriceRange | None:
    return price_range(
        START + timedelta(seconds=opened_s),
        START + timedelta(seconds=closed_s),
        [Decimal(price) for price in prices],
        bars,
        MINUTE,
    )


def test_bars_that_lie_inside_count_and_those_at_the_ends_do_not() -> None:
    # given a trip from half past minute 0 to half past minute 3, and a spike in each of the bars at its ends
    found = measured(
        30, 210, ["100", "104"], bar(0, "150", "50"), bar(1, "107", "99"), bar(2, "105", "97"), bar(3, "160", "40")
    )
    # then only minutes 1 and 2 count
    assert found == PriceRange(highest=Decimal(107), lowest=Decimal(97), interval=MINUTE, bars=2)


def test_bars_that_begin_and_end_with_the_trip_lie_inside() -> None:
    found = measured(
        60, 180, ["100"], bar(0, "150", "50"), bar(1, "101", "99"), bar(2, "103", "98"), bar(3, "160", "40")
    )
    assert found is not None
    assert (found.highest, found.lowest, found.bars) == (Decimal(103), Decimal(98), 2)


def test_the_trips_own_prices_count_where_bars_say_less() -> None:
    found = measured(30, 150, ["95", "110"], bar(1, "107", "99"))
    assert found is not None
    assert (found.highest, found.lowest) == (Decimal(110), Decimal(95))


def test_a_trip_inside_of_one_bar_has_its_own_prices() -> None:
    assert measured(10, 20, ["100", "101"]) == PriceRange(
        highest=Decimal(101), lowest=Decimal(100), interval=MINUTE, bars=0
    )


def test_a_missing_bar_leaves_it_unknown() -> None:
    assert measured(30, 210, ["100"], bar(1, "107", "99")) is None


def test_an_entry_a_moment_after_the_bar_began_is_inside_of_it() -> None:
    # given a trip from a second after minute 1 began to a second after minute 2 ended
    found = measured(61, 181, ["100"], bar(1, "107", "99"), bar(2, "105", "97"), bar(3, "160", "40"))
    assert found is not None
    assert (found.highest, found.lowest, found.bars) == (Decimal(107), Decimal(97), 2)
