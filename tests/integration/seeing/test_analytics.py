"""The figures are those of the fills and round trips themselves, however they are asked for."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpha.domain.ids import BotId
from alpha.ledger.analytics import (
    Curve,
    Window,
    curve,
    figures,
    figures_by_bot,
    figures_by_day,
    figures_by_reason,
    figures_by_symbol,
)
from alpha.ledger.connection import Connection, connect, transaction
from tests.integration.seeing.stage import FIRST, LEDGER, TODAY, Stage

WEEK, MONTH, YEAR = (Window(TODAY - timedelta(days=days - 1), TODAY) for days in (7, 31, 365))
NAIVE_FILLS = """
    SELECT count(*), coalesce(sum(fee) FILTER (WHERE exec_type <> 'Funding'), 0),
           coalesce(-sum(fee) FILTER (WHERE exec_type = 'Funding'), 0)
    FROM trading.fills WHERE exec_time >= %(start)s AND exec_time < %(end)s AND (%(bot)s::text IS NULL OR bot = %(bot)s)
"""
NAIVE_TRADES = """
    SELECT count(*), coalesce(sum(gross_pnl), 0), count(*) FILTER (WHERE net_pnl > 0),
           coalesce(sum(net_pnl) FILTER (WHERE net_pnl > 0), 0), coalesce(-sum(net_pnl) FILTER (WHERE net_pnl < 0), 0)
    FROM trading.trades
    WHERE closed_at >= %(start)s AND closed_at < %(end)s AND (%(bot)s::text IS NULL OR bot = %(bot)s)
"""


def asked(connection: Connection, statement: str, window: Window, bot: BotId | None) -> tuple[Any, ...]:
    with transaction(connection) as cursor:
        cursor.execute(statement, {"start": window.start, "end": window.end, "bot": bot})
        (row,) = cursor.fetchall()
    return row


@pytest.mark.parametrize("bot", [None, FIRST])
def test_figures_are_those_of_fills_and_round_trips(reader: Connection, bot: BotId | None) -> None:
    for window in (WEEK, MONTH, YEAR):
        made = figures(reader, window, bot)
        fills, fees, funding = asked(reader, NAIVE_FILLS, window, bot)
        trades, gross, wins, won, lost = asked(reader, NAIVE_TRADES, window, bot)
        assert (made.fills, made.fees, made.funding) == (fills, fees, funding)
        assert (made.trades, made.gross_pnl, made.wins) == (trades, gross, wins)
        assert made.result == gross - fees + funding
        if trades:
            assert made.win_percent == round(Decimal(100 * wins) / trades, 1)
        if lost:
            assert made.profit_factor == round(won / lost, 2)
    assert asked(reader, NAIVE_FILLS, YEAR, None)[0] == LEDGER.fills


def test_the_parts_add_up_to_the_whole(reader: Connection) -> None:
    whole = figures(reader, YEAR, None)
    for parts in (figures_by_bot(reader, YEAR), figures_by_symbol(reader, YEAR, None)):
        assert sum(part.result for part in parts.values()) == whole.result
        assert sum(part.trades for part in parts.values()) == whole.trades
    assert len(figures_by_bot(reader, YEAR)) == 50
    assert sum(day.result for _, day in figures_by_day(reader, None, TODAY, 1000)) == whole.result
    reasons = figures_by_reason(reader, YEAR, None)
    assert [reason.reason for reason in reasons] == ["take_profit"]
    assert (reasons[0].trades, reasons[0].wins) == (whole.trades, whole.wins)
    assert reasons[0].average_net_pnl * whole.trades == pytest.approx(reasons[0].net_pnl)


def test_a_curve_ends_with_the_result_and_knows_its_worst(reader: Connection) -> None:
    for window, every in ((WEEK, timedelta(minutes=5)), (MONTH, timedelta(hours=1)), (YEAR, timedelta(days=1))):
        for bot in (None, FIRST):
            made = curve(reader, window, bot)
            assert made.every == every
            times = [step.at for step in made.steps]
            assert times == sorted(set(times))
            assert made.steps[-1].result == figures(reader, window, bot).result
            highest = Decimal(0)
            for step in made.steps:
                highest = max(highest, step.result)
                assert step.drawdown == step.result - highest
            assert made.worst_drawdown == min(step.drawdown for step in made.steps)


def test_a_young_ledger_is_told_finely_also_over_a_year(reader: Connection) -> None:
    first = LEDGER.time(0).date()
    young = curve(reader, Window(first - timedelta(days=362), first + timedelta(days=2)), None)
    assert young.every == timedelta(minutes=5)
    assert young.start is not None
    assert young.start.date() == first


def test_days_are_newest_first_and_so_many(reader: Connection) -> None:
    days = [day for day, _ in figures_by_day(reader, FIRST, TODAY, 3)]
    assert days == sorted(days, reverse=True)
    assert len(days) == 3
    assert max(days) <= TODAY


def test_where_nothing_was_done_nothing_is_said(reader: Connection) -> None:
    before = Window(LEDGER.time(0).date() - timedelta(days=20), LEDGER.time(0).date() - timedelta(days=10))
    made = figures(reader, before, None)
    assert (made.fills, made.result, made.win_percent, made.profit_factor) == (0, 0, None, None)
    assert curve(reader, before, None) == Curve(steps=(), every=before.step(0), worst_drawdown=Decimal(0))
    assert figures_by_reason(reader, before, None) == []


def test_backtests_are_left_out(stage: Stage, reader: Connection) -> None:
    with closing(connect(stage.database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("UPDATE trading.accounts SET kind = 'backtest'")
    assert figures(reader, YEAR, None).fills == 0
    assert curve(reader, YEAR, None).steps == curve(reader, WEEK, None).steps == ()
