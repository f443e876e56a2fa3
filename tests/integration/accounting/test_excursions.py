"""Round trips are measured from the bars that the feed has put into Redis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import redis

from alpha.domain.bar import Bar
from alpha.domain.side import Side
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.fills import FillRecorder, HeardFill
from alpha.live import market
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from tests.integration.ledger.heard import MAIN, heard
from tests.support import Database
from tests.unit.domain.fills import BTCUSDT, START, a_fill
from websocket_listener.excursions import Excursions

INTERVAL = timedelta(minutes=5)


@pytest.fixture
def state(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    with open_redis(redis_address, STATE_DB) as client:
        yield client


@pytest.fixture
def excursions(database: Database, state: redis.Redis) -> Excursions:
    return Excursions(database.dsn("ledger_writer"), state, lambda: [MAIN], INTERVAL)


def tell(state: redis.Redis, *numbers: int) -> None:
    """The n-th bars after START close; each goes one lower and two higher than the one before."""
    for n in numbers:
        low, high = Decimal(100 - n), Decimal(100 + 2 * n)
        market.write_bar(
            state,
            Bar(
                symbol=BTCUSDT,
                interval=INTERVAL,
                start=START + n * INTERVAL,
                open=Decimal(100),
                high=high,
                low=low,
                close=Decimal(100),
                volume=Decimal(1),
                turnover=Decimal(100),
            ),
        )


def measured(connection: Connection) -> list[tuple[str, Decimal, Decimal, int]]:
    with transaction(connection) as cursor:
        cursor.execute("SELECT first_exec_id, lowest, highest, bars FROM trading.trade_excursions ORDER BY opened_at")
        return cursor.fetchall()


def a_trip(opened_s: int, closed_s: int, *, at: str = "100") -> list[HeardFill]:
    return [heard(a_fill(Side.BUY, "1", at=at, n=opened_s)), heard(a_fill(Side.SELL, "1", at=at, n=closed_s))]


def test_a_trip_is_measured_once_its_bars_are_there(
    recorder: FillRecorder, writer: Connection, state: redis.Redis, excursions: Excursions
) -> None:
    # given a trip from a second after bar 1 began to a second after bar 3 began
    recorder.record(a_trip(301, 901))
    # when only the bars before its end are there, nothing is known yet
    tell(state, 0, 1, 2)
    assert excursions.measure(writer, [BTCUSDT]) == 0
    # when the bar in which it ended has closed
    tell(state, 3)
    assert excursions.measure(writer, [BTCUSDT]) == 1
    # then bars 1 and 2 count: 100 - 2, 100 + 4
    assert measured(writer) == [("exec-301", Decimal(98), Decimal(104), 2)]
    assert excursions.measure(writer, [BTCUSDT]) == 0


def test_where_a_bar_is_missing_nothing_is_said(
    recorder: FillRecorder, writer: Connection, state: redis.Redis, excursions: Excursions
) -> None:
    # given one trip over a hole, and one after it
    recorder.record([*a_trip(301, 901), *a_trip(1201, 1501)])
    tell(state, 0, 1, 3, 4, 5)
    assert excursions.measure(writer, [BTCUSDT]) == 1
    assert [row[0] for row in measured(writer)] == ["exec-1201"]


def test_of_bars_that_are_nowhere_nothing_is_asked(
    recorder: FillRecorder, writer: Connection, excursions: Excursions
) -> None:
    recorder.record(a_trip(301, 901))
    assert excursions.measure(writer, [BTCUSDT]) == 0
    assert measured(writer) == []


def test_a_trip_that_changed_is_measured_again(
    recorder: FillRecorder, writer: Connection, state: redis.Redis, excursions: Excursions
) -> None:
    recorder.record(a_trip(301, 901))
    tell(state, 0, 1, 2, 3, 4, 5, 6)
    excursions.measure(writer, [BTCUSDT])
    # when a late fill ends it a bar earlier, and another look is taken at everything
    recorder.record([heard(a_fill(Side.SELL, "1", at="100", n=600))])
    excursions.look_at_everything()
    assert excursions.measure(writer, [BTCUSDT]) == 1
    assert measured(writer) == [("exec-301", Decimal(99), Decimal(102), 1)]
