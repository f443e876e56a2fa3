"""What a backtest of a bot that trades all symbols is about: whatever was recorded of the period."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alpha.candles.store import CandleStore, interval_text
from alpha.domain.clock import to_ms
from alpha.domain.ids import Symbol
from backtest.errors import BacktestRefused
from backtest.plan import Plan
from backtest.run import wanted


@dataclass(frozen=True, slots=True)
class WholeMarket:
    """`left_out` says in sentences what is recorded and cannot be traded."""

    symbols: tuple[Symbol, ...]
    left_out: tuple[str, ...]


def whole_market(plan: Plan, store: CandleStore) -> WholeMarket:
    """Of the plan's symbols those with candles in its period.

    Raises BacktestRefused when there are none, StrategyRefused by a strategy that does not trade all symbols,
    CandlesUnavailable and CandleConflict for a recording that cannot be read.
    """
    interval = interval_text(wanted(plan)[0])
    recorded = store.symbols(interval)
    known = [symbol for symbol in recorded if symbol in plan.symbols]
    traded = tuple(symbol for symbol in known if _is_in_period(plan, store, symbol, interval))
    if not traded:
        raise BacktestRefused(
            f"{store.folder} holds no {interval} candles of the period for any symbol in the table of instruments"
        )
    unknown = [symbol for symbol in recorded if symbol not in known]
    elsewhere = [symbol for symbol in known if symbol not in traded]
    sentences = []
    if unknown:
        sentences.append(f"not traded, as the table of instruments does not know them: {_named(unknown)}")
    if elsewhere:
        sentences.append(f"not traded, as nothing of the period is recorded of them: {_named(elsewhere)}")
    return WholeMarket(traded, tuple(sentences))


def _is_in_period(plan: Plan, store: CandleStore, symbol: Symbol, interval: str) -> bool:
    starts = store.series(symbol, interval).starts_ms
    first = plan.start is None or starts[-1] >= to_ms(plan.start)
    return bool(len(starts) and first and (plan.end is None or starts[0] < to_ms(plan.end)))


def _named(symbols: Iterable[Symbol]) -> str:
    return ", ".join(sorted(symbols))
