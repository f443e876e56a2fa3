from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from alpha.domain.clock import to_ms
from alpha.domain.ids import AccountName, BotId, ExecId
from alpha.domain.reason import Reason
from alpha.domain.side import Direction
from alpha.domain.trade import BookKey, Trade
from backtest.outcome import EquityCurve, Outcome
from backtest.run import backtest_on
from backtest.statistics import daily_returns, deepest_drawdown, statistics
from backtest.tables import by_exit_reason, months
from tests.unit.backtest.markets import BTC, START, a_plan, a_series, recordings

DAY = timedelta(days=1)


def a_curve(*equity: float, start: datetime = START, step: timedelta = DAY) -> EquityCurve:
    times = [to_ms(start + n * step) for n in range(len(equity))]
    return EquityCurve(
        times_ms=np.array(times, dtype=np.int64), equity=np.array(equity), gross_notional=np.zeros(len(equity))
    )


def a_trade(net: str, reason: Reason = Reason.TIME_EXIT, hours: int = 1) -> Trade:
    return Trade(
        key=BookKey(bot=BotId("b"), account=AccountName("a"), symbol=BTC),
        first_exec_id=ExecId("1"),
        last_exec_id=ExecId("2"),
        direction=Direction.LONG,
        opened_at=START,
        closed_at=START + timedelta(hours=hours),
        quantity=Decimal(1),
        entry_price=Decimal(100),
        exit_price=Decimal(100),
        gross_pnl=Decimal(net) + Decimal(1),
        fees=Decimal(1),
        funding=Decimal(0),
        fill_count=2,
        entry_reason=Reason.ENTRY,
        exit_reason=reason,
    )


@pytest.fixture(scope="module")
def an_outcome() -> Outcome:
    return backtest_on(a_plan(), recordings(a_series(30)))


def figures(outcome: Outcome) -> dict[str, float | None]:
    return {each.name: each.value for each in statistics(outcome)}


def test_the_deepest_fall_lasts_until_its_peak_is_regained():
    # 120 -> 90 is 25 %, deeper than 110 -> 100; from day 2 to day 5, when 120 is there again.
    fallen = deepest_drawdown(a_curve(110, 100, 120, 90, 110, 120, 130))
    assert fallen.percent == pytest.approx(25)
    assert (fallen.days, fallen.is_over) == (3, True)


def test_a_fall_that_is_not_over_lasts_to_the_end():
    fallen = deepest_drawdown(a_curve(100, 120, 90, 110))
    assert fallen.percent == pytest.approx(25)
    assert (fallen.days, fallen.is_over) == (2, False)


def test_without_a_fall_there_is_none():
    fallen = deepest_drawdown(a_curve(100, 110, 120))
    assert (fallen.percent, fallen.days) == (0, 0)


def test_daily_returns_run_from_midnight_to_midnight():
    # Closes every six hours: 100 at the start, 110 at the first midnight, 99 at the second, 103.95 at noon after.
    curve = a_curve(100, 1, 2, 3, 110, 4, 5, 6, 99, 7, 103.95, step=timedelta(hours=6))
    assert daily_returns(curve) == pytest.approx([0.10, -0.10, 0.05])


def test_figures_of_a_curve(an_outcome: Outcome):
    curve = a_curve(1000, 1100, 990, 1089)
    outcome = replace(an_outcome, curve=curve, start=START, end=START + 3 * DAY, trades=[], fills=[])
    found = figures(outcome)
    # Daily returns +10 %, -10 %, +10 %: mean 1/30, squared deviations (1/15)^2, (2/15)^2, (1/15)^2 -> variance 6/225/2.
    mean, deviation = 1 / 30, math.sqrt(6 / 225 / 2)
    assert found["return_percent"] == pytest.approx(8.9)
    assert found["cagr_percent"] == pytest.approx((1.089 ** (365.25 / 3) - 1) * 100)
    assert found["sharpe"] == pytest.approx(mean / deviation * math.sqrt(365))
    assert found["sortino"] == pytest.approx(mean / math.sqrt(0.01 / 3) * math.sqrt(365))
    assert found["max_drawdown_percent"] == pytest.approx(10)


def test_figures_of_trades(an_outcome: Outcome):
    trades = [a_trade("30"), a_trade("-10", hours=3), a_trade("10"), a_trade("-20")]
    found = figures(replace(an_outcome, trades=trades))
    # won 30 + 10, lost 10 + 20; 10 left of four trades; (1 + 3 + 1 + 1) / 4 hours
    assert found["profit_factor"] == pytest.approx(40 / 30)
    assert found["win_rate_percent"] == 50
    assert found["expectancy_usdt"] == 2.5
    assert (found["best_trade_usdt"], found["worst_trade_usdt"]) == (30, -20)
    assert found["average_hold_hours"] == 1.5


def test_what_is_not_defined_is_none(an_outcome: Outcome):
    found = figures(replace(an_outcome, trades=[]))
    assert [found[name] for name in ("profit_factor", "win_rate_percent", "expectancy_usdt", "best_trade_usdt")] == [
        None
    ] * 4


def test_every_figure_says_what_it_is(an_outcome: Outcome):
    assert all(each.definition and each.title for each in statistics(an_outcome))


def test_months_begin_where_the_one_before_ended():
    start = datetime(2025, 1, 30, tzinfo=UTC)
    # 100 on Jan 30, 110 at the midnight that ends Jan 31, 99 on Feb 2: +10 % and then -10 %.
    found = months(a_curve(100, 105, 110, 120, 99, start=start))
    assert [(each.year, each.month) for each in found] == [(2025, 1), (2025, 2)]
    assert [each.percent for each in found] == pytest.approx([10, -10])


def test_exits_are_counted_by_reason():
    groups = by_exit_reason([a_trade("5"), a_trade("-3"), a_trade("1", Reason.STOP_LOSS)])
    assert [(each.name, each.trades, each.won, each.net_pnl) for each in groups] == [
        ("time_exit", 2, 1, Decimal(2)),
        ("stop_loss", 1, 1, Decimal(1)),
    ]
