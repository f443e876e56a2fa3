"""Reports at fixed times of the day, each once; and the holding that exits by time are measured on."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest

from alpha.bot import HeldPosition, Holding, next_report, standing
from alpha.bot.testing import BTC, MemoryBroker
from alpha.domain.fill import ExecType
from alpha.domain.reason import Reason
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


def held(quantity: str) -> HeldPosition:
    return MemoryBroker().hold(BTC, quantity, "100")


def test_a_position_that_no_fill_opened_leaves_nothing_behind():
    holding = Holding()
    holding.see(held("-1"), START)
    closed = START + timedelta(minutes=10)
    assert holding.apply(a_fill(Side.BUY, "1", seq=1, at=closed, reason=Reason.MANUAL)) == timedelta(minutes=10)
    assert holding == Holding()
    opened = START + timedelta(minutes=30)
    assert holding.apply(a_fill(Side.SELL, "1", seq=2, at=opened)) is None
    assert holding.age(opened + timedelta(minutes=5)) == timedelta(minutes=5)
    ended = opened + timedelta(minutes=20)
    assert holding.apply(a_fill(Side.BUY, "1", seq=3, at=ended, reason=Reason.STOP_LOSS)) == timedelta(minutes=20)


def test_a_position_that_was_never_seen_leaves_nothing_behind_either():
    holding = Holding()
    assert holding.apply(a_fill(Side.SELL, "10", seq=1, reason=Reason.STOP_LOSS)) is None
    assert holding == Holding()


def test_a_position_that_no_fill_closed_is_over_when_the_platform_is_flat():
    holding, later = Holding(), START + timedelta(hours=100)
    holding.apply(a_fill(Side.BUY, "10", seq=1, at=START))
    holding.see(held("0"), START + timedelta(hours=1))
    assert holding.apply(a_fill(Side.BUY, "8", seq=2, at=later)) is None
    assert holding == Holding(quantity=Decimal(8), opened_at=later)


def test_a_position_is_flat_before_the_fill_that_closed_it_arrives():
    holding = Holding()
    holding.apply(a_fill(Side.SELL, "1", seq=1, at=START))
    holding.see(held("0"), START + timedelta(minutes=5))
    ended = START + timedelta(minutes=4)
    assert holding.apply(a_fill(Side.BUY, "1", seq=2, at=ended, reason=Reason.STOP_LOSS)) == timedelta(minutes=4)
    assert holding == Holding()


def test_seeing_what_the_fills_made_changes_nothing():
    holding = Holding()
    holding.apply(a_fill(Side.SELL, "1", seq=1, at=START))
    holding.see(held("-1"), START + timedelta(hours=5))
    assert holding == Holding(quantity=Decimal(-1), opened_at=START)


def test_funding_neither_opens_nor_closes():
    holding, funding = Holding(), {"reason": Reason.FUNDING, "exec_type": ExecType.FUNDING}
    assert holding.apply(a_fill(Side.SELL, "1", seq=1, **funding)) is None
    holding.apply(a_fill(Side.SELL, "1", seq=2))
    assert holding.apply(a_fill(Side.BUY, "1", seq=3, **funding)) is None
    assert holding.quantity == -1


def test_a_holding_that_no_fill_explains_counts_from_when_it_is_asked():
    holding = Holding()
    assert holding.age(START) == timedelta(0)
    assert holding.age(START + timedelta(hours=2)) == timedelta(hours=2)
