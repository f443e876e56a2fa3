"""The figures of a backtest. Each is defined once, here, and the definition is printed beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum, unique

import numpy as np
from numpy.typing import NDArray

from alpha.domain.fill import ExecType
from alpha.domain.trade import Trade
from backtest.outcome import EquityCurve, Outcome

_DAY_MS = 86_400_000
_DAYS_PER_YEAR = 365.25
_TRADING_DAYS = 365


@unique
class Unit(StrEnum):
    PERCENT = "%"
    USDT = "USDT"
    RATIO = ""
    HOURS = "h"
    DAYS = "d"
    COUNT = "n"


@dataclass(frozen=True, slots=True)
class Statistic:
    """One figure. `value` is None where it is not defined, as a ratio to nothing is."""

    name: str
    title: str
    value: float | None
    unit: Unit
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall of the equity. Times are those of `EquityCurve.times_ms`; `until_ms` is when the peak was
    regained, or the end."""

    percent: float
    from_ms: int
    bottom_ms: int
    until_ms: int
    is_over: bool

    @property
    def days(self) -> float:
        return (self.until_ms - self.from_ms) / _DAY_MS


def deepest_drawdown(curve: EquityCurve) -> Drawdown:
    equity, times = curve.equity, curve.times_ms
    below = drawdowns(equity)
    bottom = int(below.argmax())
    peak = int(equity[: bottom + 1].argmax())
    regained = np.flatnonzero(equity[bottom:] >= equity[peak])
    is_over = bool(len(regained)) and below[bottom] > 0
    until = bottom + int(regained[0]) if is_over else (len(equity) - 1 if below[bottom] > 0 else peak)
    return Drawdown(
        percent=float(below[bottom]) * 100,
        from_ms=int(times[peak]),
        bottom_ms=int(times[bottom]),
        until_ms=int(times[until]),
        is_over=is_over,
    )


def drawdowns(equity: NDArray[np.float64]) -> NDArray[np.float64]:
    """At every point how far below its highest so far, as a fraction of that."""
    highest = np.maximum.accumulate(equity)
    return np.where(highest > 0, (highest - equity) / np.where(highest > 0, highest, 1), 0.0)


def daily_returns(curve: EquityCurve) -> NDArray[np.float64]:
    """The change of the equity from one UTC midnight to the next; the first and the last day may be parts of one."""
    # A close at midnight is the last of the day before.
    days = (curve.times_ms - 1) // _DAY_MS
    lasts = np.flatnonzero(np.diff(days)).tolist()
    points = curve.equity[sorted({0, *lasts, len(days) - 1})]
    before = points[:-1]
    return np.where(before > 0, points[1:] / np.where(before > 0, before, 1) - 1, 0.0)


def statistics(outcome: Outcome) -> list[Statistic]:
    """Every figure, in the order of a report."""
    curve, trades = outcome.curve, outcome.trades
    first, last = float(curve.equity[0]), float(curve.equity[-1])
    years = (outcome.end - outcome.start) / timedelta(days=_DAYS_PER_YEAR)
    growth = last / first
    annual = _annual(growth, years)
    fallen = deepest_drawdown(curve)
    returns = daily_returns(curve)
    traded = [each.fill for each in outcome.fills if each.fill.exec_type is not ExecType.FUNDING]
    notional = float(sum((fill.notional for fill in traded), Decimal(0)))
    fees = float(sum((fill.fee for fill in traded), Decimal(0)))
    funding = -float(
        sum((each.fill.fee for each in outcome.fills if each.fill.exec_type is ExecType.FUNDING), Decimal(0))
    )
    mean_equity = float(curve.equity.mean())
    return [
        Statistic("return_percent", "Return", (growth - 1) * 100, Unit.PERCENT,
                  "equity at the end over equity at the start, less 1; open positions at the mark price"),
        Statistic("cagr_percent", "CAGR", annual, Unit.PERCENT,
                  "the yearly growth that compounds to the return over the period (a year is 365.25 days)"),
        Statistic("max_drawdown_percent", "Max drawdown", fallen.percent, Unit.PERCENT,
                  "the deepest fall of the equity at bar closes below its highest so far, in percent of that"),
        Statistic("max_drawdown_days", "Length of it", fallen.days, Unit.DAYS,
                  "from that highest equity until it was regained" + ("" if fallen.is_over else ", or to the end")),
        Statistic("sharpe", "Sharpe", _sharpe(returns), Unit.RATIO,
                  "mean of the daily returns (UTC days) over their standard deviation, times the root of 365"),
        Statistic("sortino", "Sortino", _sortino(returns), Unit.RATIO,
                  "as Sharpe, over the root mean square of the negative daily returns, the others counting as 0"),
        Statistic("calmar", "Calmar", _ratio(annual, fallen.percent), Unit.RATIO, "CAGR over max drawdown"),
        Statistic("trades", "Trades", float(len(trades)), Unit.COUNT,
                  "round trips from flat to flat that closed in the period"),
        *_of_trades(trades),
        Statistic("exposure_percent", "Exposure", float((curve.gross_notional[1:] > 0).mean()) * 100, Unit.PERCENT,
                  "share of the bars at whose close a position was held"),
        Statistic("leverage_mean", "Mean leverage", _mean_leverage(curve), Unit.RATIO,
                  "notional of all positions over equity at bar closes, mean over the bars that hold one"),
        Statistic("turnover", "Turnover", _ratio(notional, mean_equity), Unit.RATIO,
                  "notional of all fills, both ways, over the mean equity"),
        Statistic("fees_usdt", "Fees", fees, Unit.USDT, "fees paid, rebates deducted"),
        Statistic("funding_usdt", "Funding", funding, Unit.USDT, "funding received (+) or paid (-)"),
        Statistic("fills", "Fills", float(len(traded)), Unit.COUNT, "executions, funding not counted"),
    ]  # fmt: skip


def _of_trades(trades: Sequence[Trade]) -> list[Statistic]:
    nets = [float(trade.net_pnl) for trade in trades]
    won, lost = [net for net in nets if net > 0], [net for net in nets if net <= 0]
    holds = [(trade.closed_at - trade.opened_at) / timedelta(hours=1) for trade in trades]
    return [
        Statistic("profit_factor", "Profit factor", _ratio(sum(won), -sum(lost)), Unit.RATIO,
                  "net profit of the winning trades over net loss of the losing ones"),
        Statistic("win_rate_percent", "Win rate", _ratio(100.0 * len(won), len(nets)), Unit.PERCENT,
                  "share of the trades whose P&L after fees and funding is above 0"),
        Statistic("expectancy_usdt", "Expectancy", _ratio(sum(nets), len(nets)), Unit.USDT,
                  "mean P&L of a trade after fees and funding"),
        Statistic("average_win_usdt", "Average win", _ratio(sum(won), len(won)), Unit.USDT,
                  "mean P&L of the winning trades"),
        Statistic("average_loss_usdt", "Average loss", _ratio(sum(lost), len(lost)), Unit.USDT,
                  "mean P&L of the losing trades"),
        Statistic("best_trade_usdt", "Best trade", max(nets, default=None), Unit.USDT,
                  "the highest P&L of a trade after fees and funding"),
        Statistic("worst_trade_usdt", "Worst trade", min(nets, default=None), Unit.USDT,
                  "the lowest P&L of a trade after fees and funding"),
        Statistic("average_hold_hours", "Average hold", _ratio(sum(holds), len(holds)), Unit.HOURS,
                  "mean time from the first to the last fill of a trade"),
    ]  # fmt: skip


def _annual(growth: float, years: float) -> float | None:
    if growth <= 0 or years <= 0:
        return -100.0 if growth <= 0 else None
    exponent = math.log(growth) / years
    # A good hour is no yearly rate; what a float cannot hold is not shown.
    return (math.exp(exponent) - 1) * 100 if exponent < 50 else None


def _sharpe(returns: NDArray[np.float64]) -> float | None:
    if len(returns) < 2:
        return None
    return _ratio(float(returns.mean()) * math.sqrt(_TRADING_DAYS), float(returns.std(ddof=1)))


def _sortino(returns: NDArray[np.float64]) -> float | None:
    if len(returns) < 2:
        return None
    downside = math.sqrt(float((np.minimum(returns, 0) ** 2).mean()))
    return _ratio(float(returns.mean()) * math.sqrt(_TRADING_DAYS), downside)


def _mean_leverage(curve: EquityCurve) -> float | None:
    held = (curve.gross_notional > 0) & (curve.equity > 0)
    return float((curve.gross_notional[held] / curve.equity[held]).mean()) if held.any() else None


def _ratio(above: float | None, below: float) -> float | None:
    return None if above is None or below == 0 else above / below
