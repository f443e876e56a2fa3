from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from alpha.domain.ids import Symbol
from paper_exchange.market.instruments import load_listings
from paper_exchange.market.source import WARM_UP_BARS
from paper_exchange.market.synthetic import SyntheticMarket
from tests.unit.market.markets import log_returns, short_triggers

SYMBOLS = (Symbol("BTCUSDT"), Symbol("ETHUSDT"), Symbol("SOLUSDT"))
LISTINGS = load_listings(SYMBOLS)


def closes_of(market: SyntheticMarket, symbol: Symbol, steps: int) -> list[float]:
    market.step(steps - 1)
    return [float(ticks) for ticks in market.columns(symbol).close]


def test_the_same_seed_makes_the_same_market() -> None:
    first, second = (SyntheticMarket(LISTINGS, seed=5, warm_up_bars=600) for _ in range(2))
    assert [first.step(index) for index in range(50)] == [second.step(index) for index in range(50)]
    assert SyntheticMarket(LISTINGS, seed=6, warm_up_bars=600).step(0) != first.step(0)


def test_a_symbol_does_not_change_with_the_symbols_listed_beside_it() -> None:
    alone = SyntheticMarket(load_listings(SYMBOLS[:1]), seed=5, warm_up_bars=600)
    together = SyntheticMarket(LISTINGS, seed=5, warm_up_bars=600)
    for index in range(20):
        assert alone.step(index).bars[SYMBOLS[0]] == together.step(index).bars[SYMBOLS[0]]


def test_a_step_looked_at_again_is_the_same() -> None:
    market = SyntheticMarket(LISTINGS, seed=5, warm_up_bars=600)
    early = market.step(3)
    market.step(40)
    assert market.step(3) == early


def test_bars_follow_each_other_on_tick_and_step() -> None:
    market = SyntheticMarket(LISTINGS, seed=2, warm_up_bars=600)
    steps = [market.step(index) for index in range(100)]
    for before, after in pairwise(steps):
        assert after.start == before.end
        for symbol in SYMBOLS:
            assert after.bars[symbol].open == before.bars[symbol].close
    for step in steps:
        for symbol, bar in step.bars.items():
            instrument = LISTINGS[symbol].instrument
            assert all(instrument.is_on_tick(price) for price in (bar.open, bar.high, bar.low, bar.close))
            assert instrument.is_on_step(bar.volume)
            assert bar.volume > 0
            assert abs(step.marks[symbol] / bar.close - 1) < 0.0005


def test_funding_is_due_every_eight_hours() -> None:
    market = SyntheticMarket(LISTINGS, seed=2, warm_up_bars=600)
    due = [step.start for step in map(market.step, range(300)) if step.funding]
    assert [time.hour for time in due] == [0, 8, 16, 0]
    assert due[0] == market.start
    first = market.step(0).funding
    assert set(first) == set(SYMBOLS)
    told = market.funding_rates(SYMBOLS[0], market.start - timedelta(hours=8), market.start)
    assert told[-1].rate == first[SYMBOLS[0]]


@pytest.mark.slow
def test_every_seed_gives_a_short_within_120_bars_and_more_after_it() -> None:
    for seed in range(30):
        market = SyntheticMarket(LISTINGS, seed=seed)
        steps = 900
        triggers = {symbol: short_triggers(closes_of(market, symbol, steps), first=WARM_UP_BARS) for symbol in SYMBOLS}
        for symbol, rows in triggers.items():
            assert rows, f"seed {seed}: {symbol} never triggers"
            assert rows[0] < 120, f"seed {seed}: {symbol} first triggers at bar {rows[0]}"
            assert max(late - early for early, late in pairwise([0, *rows, steps])) < 600, f"seed {seed}: {symbol}"


@pytest.mark.slow
def test_it_looks_like_a_market() -> None:
    market = SyntheticMarket(LISTINGS, seed=11)
    returns = {symbol: log_returns(closes_of(market, symbol, 3_000)) for symbol in SYMBOLS}
    for symbol, changes in returns.items():
        deviation = float(np.std(changes))
        assert 0.0015 < deviation < 0.004, f"{symbol}: {deviation}"
        # a normal distribution has kurtosis 3
        assert float(np.mean((changes / deviation) ** 4)) > 5, symbol
    assert np.corrcoef(returns[SYMBOLS[0]], returns[SYMBOLS[1]])[0, 1] > 0.5
    # quiet and loud stretches: the loudest tenth of the days is far louder than the quietest
    days = np.abs(returns[SYMBOLS[0]][: 30 * 288].reshape(30, 288)).mean(axis=1)
    assert np.quantile(days, 0.9) / np.quantile(days, 0.1) > 1.3
