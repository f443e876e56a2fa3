"""What a report shows row by row: months, exit reasons, symbols."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np

from alpha.domain.clock import from_ms
from alpha.domain.trade import Trade
from backtest.outcome import EquityCurve


@dataclass(frozen=True, slots=True)
class Month:
    """Return of one calendar month (UTC), in percent; the first and the last may be parts of one."""

    year: int
    month: int
    percent: float


@dataclass(frozen=True, slots=True)
class Group:
    """Trades that have something in common. P&L is after fees and funding, in USDT."""

    name: str
    trades: int
    won: int
    net_pnl: Decimal
    fees: Decimal
    funding: Decimal
    mean_hold: timedelta

    @property
    def win_rate_percent(self) -> float:
        return 100 * self.won / self.trades


def months(curve: EquityCurve) -> list[Month]:
    # A close at midnight belongs to the day and the month that end there; row 0 is the instant before the first bar.
    days = (curve.times_ms - 1) // 86_400_000
    ends: dict[tuple[int, int], float] = {}
    for row in [*(np.flatnonzero(np.diff(days[1:])) + 1).tolist(), len(days) - 1]:
        at = from_ms(int(curve.times_ms[row]) - 1)
        ends[at.year, at.month] = float(curve.equity[row])
    found = []
    before = float(curve.equity[0])
    for (year, month), value in ends.items():
        found.append(Month(year, month, (value / before - 1) * 100 if before > 0 else 0.0))
        before = value
    return found


def by_exit_reason(trades: Iterable[Trade]) -> list[Group]:
    return _grouped(trades, lambda trade: trade.exit_reason.value)


def by_symbol(trades: Iterable[Trade]) -> list[Group]:
    return _grouped(trades, lambda trade: trade.key.symbol)


def _grouped(trades: Iterable[Trade], name_of: Callable[[Trade], str]) -> list[Group]:
    grouped: defaultdict[str, list[Trade]] = defaultdict(list)
    for trade in trades:
        grouped[name_of(trade)].append(trade)
    return [_group(name, grouped[name]) for name in sorted(grouped, key=lambda name: -len(grouped[name]))]


def _group(name: str, trades: Sequence[Trade]) -> Group:
    return Group(
        name=name,
        trades=len(trades),
        won=sum(trade.net_pnl > 0 for trade in trades),
        net_pnl=sum((trade.net_pnl for trade in trades), Decimal(0)),
        fees=sum((trade.fees for trade in trades), Decimal(0)),
        funding=sum((trade.funding for trade in trades), Decimal(0)),
        mean_hold=sum((trade.closed_at - trade.opened_at for trade in trades), timedelta()) / len(trades),
    )
