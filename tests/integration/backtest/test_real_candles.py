"""The strategies over recorded candles of Bybit, with mark prices and funding, where the recordings are at hand."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
import structlog

from alpha.candles.store import CandleStore
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.local.backtesting import plan_of, subject_of
from backtest.outcome import Outcome
from backtest.plan import Plan
from backtest.recordings import Recordings
from backtest.run import backtest_on, recordings_for

CANDLES = Path(os.environ.get("ALPHA_CANDLES", Path(__file__).parents[3] / "../shared/data/candles"))
START, END = datetime(2025, 11, 1, tzinfo=UTC), datetime(2025, 11, 15, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not CANDLES.is_dir(), reason="the recorded candles are not here")


@pytest.fixture(scope="module", autouse=True)
def _quiet_log():  # type: ignore[no-untyped-def]
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(
        subject_of("strategies.shortseller:ShortSeller", None),
        symbols=[Symbol("BTCUSDT"), Symbol("ETHUSDT")],
        overrides={"warm_up_bars": "1000", "limits.drawdown_halt_percent": "null", "limits.daily_loss_percent": "null"},
        start=START,
        end=END,
    )


@pytest.fixture(scope="module")
def recordings(plan: Plan) -> Recordings:
    return recordings_for(plan, CandleStore(CANDLES))


@pytest.fixture(scope="module")
def outcome(plan: Plan, recordings: Recordings) -> Outcome:
    return backtest_on(plan, recordings)


def test_two_weeks_trade_pay_funding_and_add_up(outcome: Outcome):
    assert (outcome.start, outcome.end, outcome.bars) == (START, END, 14 * 288)
    assert len(outcome.trades) > 50
    reasons = {trade.exit_reason for trade in outcome.trades}
    assert {Reason.REGIME_EXIT, Reason.TRAILING_STOP} <= reasons
    assert any(each.reason is Reason.FUNDING for each in outcome.fills)
    if not outcome.open:
        net = sum((trade.net_pnl for trade in outcome.trades), Decimal(0))
        assert abs(outcome.balance - (10_000 + net)) < Decimal("0.00001")


def test_walking_every_bar_gives_the_same(plan: Plan, recordings: Recordings, outcome: Outcome):
    whole = backtest_on(plan, recordings, every_bar=True)
    assert whole.fills == outcome.fills
    assert whole.trades == outcome.trades
    assert (whole.balance, whole.equity) == (outcome.balance, outcome.equity)


LOOSE: dict[str, dict[str, str]] = {
    "strategies.shortseller:ShortSeller": {"warm_up_bars": "1000"},
    "strategies.momentum:Momentum": {
        "decision_hours": "1",
        "bollinger_bars": "4",
        "bollinger_deviations": "0.5",
        "width_share_bars": "5",
        "width_share_below": "1",
        "volume_bars": "3",
        "volume_ratio_above": "0.5",
        "warm_up_bars": "20",
    },
    "strategies.lxalgo:LXAlgo": {
        "eight_rules.rules_needed": "4",
        "eight_rules.bar_hours": "[1, 2]",
        "eight_rules.warm_up_bars": "60",
        "eight_rules.minimum_bars": "30",
        "eight_rules.trend_ema_bars": "20",
        "trade_interval_hours": "1",
    },
}
"""Of each strategy what lets it decide often enough in two weeks."""


@pytest.mark.parametrize("strategy", LOOSE)
def test_without_the_future_every_decision_is_the_same(strategy: str):
    """The recordings end at random bars: what was asked for until then is what was asked for over the whole."""
    nowhere = dict.fromkeys(("drawdown_halt_percent", "daily_loss_percent", "monthly_loss_percent"), "null")
    plan = plan_of(
        subject_of(strategy, None),
        symbols=[Symbol("BTCUSDT"), Symbol("ETHUSDT")],
        overrides={**LOOSE[strategy], **{f"limits.{name}": value for name, value in nowhere.items()}},
        start=START,
        end=END,
    )
    whole = decisions(plan)
    random = Random(strategy)
    for bars in random.sample(range(3 * 288, 14 * 288), 6):
        end = START + bars * timedelta(minutes=5)
        cut = decisions(replace(plan, end=end))
        assert len(cut) > 5
        assert cut == [each for each in whole if each[0] <= end]


def decisions(plan: Plan) -> list[tuple[datetime, str, str]]:
    """What was asked for, on recordings that end with the plan."""
    asked = backtest_on(plan, recordings_for(plan, CandleStore(CANDLES))).asked
    return [(each.intent.decided_at, each.order_link_id, str(each.intent)) for each in asked]
