from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path

from alpha.bot.loading import load_params
from alpha.candles.store import CandleSeries, CandleStore, FundingSeries
from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from backtest.errors import BacktestRefused
from backtest.run import run_backtest
from backtest.statistics import statistics
from backtest.sweep.space import Value, nested
from backtest.sweep.task import Task

Figures = dict[str, float]


class TrialRefused(BacktestRefused):
    """These parameters cannot be run, or their result has no objective."""


def evaluate(task: Task, values: dict[str, Value], start: datetime, end: datetime) -> Figures:
    """The figures of one backtest over [start, end), those that are defined.

    Raises TrialRefused when the strategy does not take the parameters, or does not run with them.
    """
    plan = task.plan
    try:
        params = load_params(plan.strategy, _merged(plan.params.model_dump(mode="json"), nested(values)))
        outcome = run_backtest(replace(plan, params=params, start=start, end=end), _store(task.candles))
    except AlphaError as error:
        raise TrialRefused(str(error)) from error
    except Exception as error:
        # Numbers nobody would choose by hand are what a search is for: what a strategy cannot reckon with, whatever it
        # raises then, is worth as much as what it refuses, and must not end the worker, which would meet it again.
        raise TrialRefused(f"{type(error).__name__}: {error}") from error
    return {
        each.name: each.value for each in statistics(outcome) if each.value is not None and math.isfinite(each.value)
    }


def objective_of(task: Task, figures: Figures) -> float:
    """Raises TrialRefused when the figure is not defined, as without a trade most ratios are not."""
    try:
        return figures[task.objective]
    except KeyError:
        raise TrialRefused(f"{task.objective} is not defined: {figures.get('trades', 0):.0f} trades") from None


class _KeptStore(CandleStore):
    """Reads every recording once, because a worker uses the same ones in each trial."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._kept: dict[tuple[str, Symbol, str], CandleSeries | FundingSeries | None] = {}

    def series(self, symbol: Symbol, interval: str) -> CandleSeries:
        key = ("series", symbol, interval)
        if key not in self._kept:
            self._kept[key] = super().series(symbol, interval)
        found = self._kept[key]
        assert isinstance(found, CandleSeries)
        return found

    def marks(self, symbol: Symbol, interval: str) -> CandleSeries | None:
        key = ("marks", symbol, interval)
        if key not in self._kept:
            self._kept[key] = super().marks(symbol, interval)
        found = self._kept[key]
        return found if isinstance(found, CandleSeries) else None

    def funding(self, symbol: Symbol, interval: str = "8h") -> FundingSeries | None:
        key = ("funding", symbol, interval)
        if key not in self._kept:
            self._kept[key] = super().funding(symbol, interval)
        found = self._kept[key]
        return found if isinstance(found, FundingSeries) else None


@cache
def _store(folder: Path) -> CandleStore:
    return _KeptStore(folder)


def _merged(base: dict[str, object], changes: dict[str, object]) -> dict[str, object]:
    for name, value in changes.items():
        known = base.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            base[name] = _merged(dict(known), value)
        else:
            base[name] = value
    return base
