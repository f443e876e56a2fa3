"""EmaCross by itself: what it asks of its broker on a few bars."""

from __future__ import annotations

from decimal import Decimal

from alpha.bot.testing import BTC, MemoryBroker, Sent, a_strategy, bars_of, feed
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.ema_cross import EmaCross


def test_it_buys_when_the_fast_average_comes_above_the_slow_one() -> None:
    broker = MemoryBroker()
    feed(a_strategy(EmaCross, broker), bars_of([100, 99, 120]))
    # 10 % of 10,000 at 120 is 1,000 / 120; the stop is 5 % below 120
    assert broker.sent == [
        Sent(BTC, Side.BUY, Decimal(1000) / Decimal(120), Reason.ENTRY, stop_loss=Decimal(114)),
    ]


def test_it_does_not_buy_while_the_fast_average_stays_below() -> None:
    broker = MemoryBroker()
    feed(a_strategy(EmaCross, broker), bars_of([100, 99, 98]))
    assert broker.sent == []


def test_it_closes_when_the_fast_average_comes_below_again() -> None:
    broker = MemoryBroker()
    strategy = a_strategy(EmaCross, broker)
    feed(strategy, bars_of([100, 99, 120]))
    broker.hold(BTC, "8", "120")
    feed(strategy, bars_of([70]))
    assert [order.reason for order in broker.sent] == [Reason.ENTRY, Reason.REGIME_EXIT]


def test_a_restart_in_between_changes_nothing() -> None:
    whole, parts = MemoryBroker(), MemoryBroker()
    bars = bars_of([100 + n * 37 % 23 for n in range(60)])
    feed(a_strategy(EmaCross, whole), bars)
    state = EmaCross.State()
    for bar in bars:
        strategy = a_strategy(EmaCross, parts, state=EmaCross.State.model_validate_json(state.model_dump_json()))
        feed(strategy, [bar])
        state = strategy.state
    assert parts.sent == whole.sent
    assert whole.sent


def test_with_other_lengths_it_still_leaves_what_it_holds_when_the_fast_average_is_below() -> None:
    broker = MemoryBroker()
    strategy = a_strategy(EmaCross, broker)
    feed(strategy, bars_of([100, 99, 120]))
    broker.hold(BTC, "8", "120")
    slower = a_strategy(EmaCross, broker, state=strategy.state, fast_bars=3)
    assert not slower.knows(BTC)
    for bar in bars_of([120, 110, 100]):
        slower.observe(bar)
    feed(slower, bars_of([70]))
    assert [order.reason for order in broker.sent] == [Reason.ENTRY, Reason.REGIME_EXIT]


def test_the_first_look_at_the_averages_is_no_cross() -> None:
    broker = MemoryBroker()
    strategy = a_strategy(EmaCross, broker)
    for bar in bars_of([100, 110]):
        strategy.observe(bar)
    feed(strategy, bars_of([120]))
    assert broker.sent == []
