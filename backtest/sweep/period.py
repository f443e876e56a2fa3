from __future__ import annotations

from datetime import datetime

from alpha.candles.store import CandleStore, interval_text
from backtest.errors import BacktestRefused
from backtest.plan import Plan
from backtest.run import wanted


def period_of(plan: Plan, store: CandleStore) -> tuple[datetime, datetime]:
    """Between which instants the plan can be traded: its own, where it has any, else from the end of the warm-up to the
    end of the recordings. Raises BacktestRefused when nothing is left, CandlesUnavailable as the store does."""
    interval, history = wanted(plan)
    recordings = [store.series(symbol, interval_text(interval)) for symbol in plan.symbols]
    start = plan.start or min(series.first for series in recordings) + history
    end = plan.end or max(series.end for series in recordings)
    if start >= end:
        raise BacktestRefused(f"nothing is left to try between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC")
    return start, end
