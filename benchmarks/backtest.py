"""How many bars a second a backtest gets through, with the same strategy class and the same order, fill and fee code
as live."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import structlog

from alpha.bot.limits import Limits
from alpha.bot.loading import load_params, load_strategy
from alpha.candles.store import CandleSeries
from alpha.candles.tape import Tape
from alpha.domain.ids import BotId, Symbol
from backtest.plan import Market, Plan
from backtest.recordings import Recordings
from backtest.run import backtest_on
from benchmarks import peers
from benchmarks.figures import Figure, Section, Unit, at_least, at_most
from paper_exchange.engine import FeeRates
from paper_exchange.market.instruments import load_listings

BTC = Symbol("BTCUSDT")
_BARS, _QUICK_BARS = 500_000, 100_000
_YEAR_BARS = 365 * 288
_START_MS = 1_704_067_200_000
_PRICES = {BTC: 60_000.0, Symbol("ETHUSDT"): 3_000.0, Symbol("SOLUSDT"): 150.0}
_HOW = (
    "EMA cross 12/26 with market orders and fees on one-minute bars of a random walk (an order every 28 bars), and "
    "ShortSeller on a year of 5-minute bars of three symbols. CPU seconds, each run in a process of its own, reading "
    "not counted; backtesting.py on the same bars."
)


@dataclass(frozen=True, slots=True)
class _Run:
    seconds: float
    fills: int
    megabytes: float


def measure(*, quick: bool) -> Section:
    bars = _QUICK_BARS if quick else _BARS
    sixteenth, quarter, whole = (_in_process(_cross, bars // part, 1) for part in (16, 4, 1))
    three = _in_process(_cross, bars // 4, 3)
    part_of_year = 8 if quick else 1
    shorts = _in_process(_short_seller, _YEAR_BARS // part_of_year, 3)
    peer_seconds, peer_trades = peers.backtesting_py(a_series(bars, timedelta(minutes=1)), 0.00055)
    rate = bars / whole.seconds
    linear = (whole.seconds / bars) / (sixteenth.seconds / (bars // 16))
    figures = (
        Figure("bars a second, one symbol", rate, Unit.BARS_PER_S, at_least(300_000)),
        Figure("the same, to backtesting.py", rate * peer_seconds / bars, Unit.TIMES, at_least(2.2)),
        Figure("backtesting.py", bars / peer_seconds, Unit.BARS_PER_S),
        Figure("its trades", peer_trades, Unit.COUNT),
        Figure("our fills", whole.fills, Unit.COUNT),
        Figure("at a quarter of the bars", bars // 4 / quarter.seconds, Unit.BARS_PER_S),
        Figure("at a sixteenth of the bars", bars // 16 / sixteenth.seconds, Unit.BARS_PER_S),
        Figure("cost of a bar, at all bars to a sixteenth", linear, Unit.TIMES, at_most(1.25)),
        Figure("bars of all symbols a second, three symbols", 3 * (bars // 4) / three.seconds, Unit.BARS_PER_S),
        Figure("most memory, one symbol", whole.megabytes, Unit.MB, at_most(250)),
        Figure(
            f"ShortSeller, three symbols, {'an eighth of ' if quick else ''}a year of 5 minutes",
            shorts.seconds,
            Unit.S,
            at_most(3 / part_of_year),
        ),
        Figure("its fills", shorts.fills, Unit.COUNT),
    )
    return Section("backtest", "The backtester", _HOW, figures)


def a_series(bars: int, interval: timedelta, symbol: Symbol = BTC) -> CandleSeries:
    """A random walk that is the same in every run."""
    random = np.random.default_rng(7 + list(_PRICES).index(symbol))
    step = 0.0006 * (interval / timedelta(minutes=1)) ** 0.5
    close = _PRICES[symbol] * np.exp(np.cumsum(random.normal(0, step, bars)))
    open_ = np.concatenate([[_PRICES[symbol]], close[:-1]])
    away = 1 + np.abs(random.normal(0, step / 2, (2, bars)))
    return CandleSeries(
        symbol=symbol,
        interval=interval,
        starts_ms=_START_MS + interval // timedelta(milliseconds=1) * np.arange(bars, dtype=np.int64),
        open=open_,
        high=np.maximum(open_, close) * away[0],
        low=np.minimum(open_, close) / away[1],
        close=close,
        volume=np.full(bars, 5e7 / _PRICES[symbol]),
    )


def _cross(bars: int, symbols: int) -> _Run:
    changes = {"bar_minutes": 1, "fast_bars": peers.FAST, "slow_bars": peers.SLOW, "stop_percent": None}
    plan = _plan("strategies.ema_cross:EmaCross", tuple(_PRICES)[:symbols], changes)
    return _timed(plan, bars, timedelta(minutes=1))


def _short_seller(bars: int, symbols: int) -> _Run:
    return _timed(_plan("strategies.shortseller:ShortSeller", tuple(_PRICES)[:symbols], {}), bars, timedelta(minutes=5))


def _plan(strategy: str, symbols: Sequence[Symbol], changes: Mapping[str, object]) -> Plan:
    kind = load_strategy(strategy)
    listings = load_listings(symbols)
    return Plan(
        strategy=kind,
        params=load_params(kind, changes),
        limits=Limits(max_entries_per_hour=1_000_000, max_order_notional_usdt=Decimal(10**9)),
        symbols=tuple(symbols),
        markets={
            symbol: Market(instrument=each.instrument, fees=FeeRates(taker=each.taker_fee, maker=each.maker_fee))
            for symbol, each in listings.items()
        },
        bot=BotId("benchmark"),
        code="bm",
    )


def _timed(plan: Plan, bars: int, interval: timedelta) -> _Run:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), cache_logger_on_first_use=True
    )
    tapes = {symbol: Tape(a_series(bars, interval, symbol), plan.markets[symbol].instrument) for symbol in plan.symbols}
    recordings = Recordings(
        interval=interval, tapes=tapes, funding={}, gaps=(), without_marks=(), without_funding=plan.symbols
    )
    begun = time.process_time()
    outcome = backtest_on(plan, recordings)
    seconds = time.process_time() - begun
    return _Run(seconds, len(outcome.fills), _most_megabytes())


def _most_megabytes() -> float:
    """Of this process's own memory. What getrusage tells is never below what its parent held when it was started."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


def _in_process(work: object, bars: int, symbols: int) -> _Run:
    """In a process that has done nothing else, so that its memory is the backtest's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (bars, symbols))  # type: ignore[arg-type]
