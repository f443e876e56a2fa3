"""Reports at fixed times of the day, each once; and the holding that exits by time are measured on."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest

from alpha.bot import Holding, next_report, standing
from alpha.bot.testing import BTC, MemoryBroker
from alpha.domain.side import Side
from tests.unit.bot.parts import START, a_fill

TIMES = (time(0), time(8), time(14, 30))
DAY = datetime(2025, 10, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (time(0), DAY + timedelta(hours=8)),
        (time(7, 55), DAY + timedelta(hours=8)),
        (time(8), DAY + timedelta(hours=14, minutes=30)),
        (time(14, 25), DAY + timedelta(hours=14, minutes=30)),
        (time(14, 30), DAY + timedelta(days=1)),
    ],
)
def test_the_next_time_of_a_report(now: time, due: datetime):
    assert next_report(TIMES, datetime.combine(DAY.date(), now, tzinfo=UTC)) == due


def test_without_times_there_is_no_report():
    assert next_report((), DAY) is None


def test_the_standing_names_equity_results_and_positions():
    broker = MemoryBroker()
    assert standing(broker, (BTC,)) == "equity 10000.00 USDT, no position"
    broker.made(today="-1.5", week="2", drawdown="3")
    broker.hold(BTC, "-0.50", "100")
    assert standing(broker, (BTC,)) == (
        "equity 10000.00 USDT, today -1.50 %, week +2.00 %, drawdown 3.00 %, BTCUSDT -0.5 from 100"
    )


def test_a_holding_begins_with_its_first_fill_and_ends_with_its_last():
    holding = Holding()
    later = START + timedelta(minutes=40)
    assert holding.apply(a_fill(Side.BUY, "0.4", seq=1, at=START)) is None
    assert holding.apply(a_fill(Side.BUY, "0.6", seq=2, at=START + timedelta(minutes=10))) is None
    assert holding.opened_at == START
    assert holding.apply(a_fill(Side.SELL, "0.9", seq=3, at=later)) is None
    assert holding.apply(a_fill(Side.SELL, "0.1", seq=4, at=later)) == timedelta(minutes=40)
    assert holding == Holding()


def test_a_fill_that_turns_the_position_over_ends_one_and_begins_the_next():
    holding, later = Holding(), START + timedelta(minutes=5)
    holding.apply(a_fill(Side.SELL, "1", seq=1, at=START))
    assert holding.apply(a_fill(Side.BUY, "3", seq=2, at=later)) == timedelta(minutes=5)
    assert (holding.quantity, holding.opened_at) == (Decimal(2), later)


def test_a_holding_that_no_fill_explains_counts_from_when_it_is_asked():
    holding = Holding()
    assert holding.age(START) == timedelta(0)
    assert holding.age(START + timedelta(hours=2)) == timedelta(hours=2)
