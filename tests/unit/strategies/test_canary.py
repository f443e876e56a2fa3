"""Canary: in and out on schedule, both sides, smallest size, never by accident with real money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alpha.bot import Environment, StrategyRefused
from alpha.bot.loading import load_params
from alpha.bot.testing import NO, MemoryBroker
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.canary import Canary
from strategies.canary.strategy import CanaryState
from tests.unit.bot.parts import BTC, a_bar, a_fill


def a_canary(
    broker: MemoryBroker,
    environment: Environment = Environment.PAPER,
    *,
    state: CanaryState | None = None,
    **changes: Any,
) -> Canary:
    return Canary(
        params=load_params(Canary, changes),  # type: ignore[arg-type]
        state=state or CanaryState(),
        symbols=(BTC,),
        broker=broker,
        environment=environment,
    )


def run(canary: Canary, broker: MemoryBroker, bars: int, *, first: int = 1) -> list[tuple[int, Side, Reason]]:
    """Bars with a market that fills every order at once; answers (bar, side, reason) of each order."""
    orders = []
    for n in range(first, first + bars):
        before = len(broker.sent)
        bar = a_bar("100", n=n)
        canary.observe(bar)
        canary.on_bar(bar)
        for sent in broker.sent[before:]:
            orders.append((n, sent.side, sent.reason))
            if broker.answer.accepted:
                held = broker.position(BTC)
                assert held is not None
                quantity = held.quantity + sent.side.sign * sent.quantity
                broker.hold(BTC, str(quantity), "100")
    return orders


def test_it_goes_in_and_out_every_few_bars_on_alternating_sides():
    broker = MemoryBroker()
    assert run(a_canary(broker), broker, 11) == [
        (1, Side.BUY, Reason.ENTRY),
        (4, Side.SELL, Reason.TIME_EXIT),
        (6, Side.SELL, Reason.ENTRY),
        (9, Side.BUY, Reason.TIME_EXIT),
        (11, Side.BUY, Reason.ENTRY),
    ]


def test_thirty_hours_of_five_minute_bars_make_more_than_a_hundred_fills():
    broker = MemoryBroker()
    assert len(run(a_canary(broker), broker, 360)) == 144


@pytest.mark.parametrize(("multiple", "quantity"), [(1, "0.05"), (3, "0.15")])
def test_it_takes_the_smallest_order_and_a_stop(multiple: int, quantity: str):
    # 5 USDT at a price of 100: 0.05; the stop 5 % away
    broker = MemoryBroker()
    run(a_canary(broker, size_multiple=multiple), broker, 1)
    assert (broker.sent[0].quantity, broker.sent[0].stop_loss) == (Decimal(quantity), Decimal(95))


def test_another_position_changes_its_decision():
    broker = MemoryBroker()
    canary = a_canary(broker)
    broker.hold(BTC, "0.7", "100")
    # a position it did not open: no entry, and closed three bars after it was first seen
    assert run(canary, broker, 4) == [(4, Side.SELL, Reason.TIME_EXIT)]
    assert broker.sent[0].quantity == Decimal("0.7")


def test_an_unknown_position_does_nothing():
    broker = MemoryBroker(positions={BTC: None})
    assert run(a_canary(broker), broker, 5) == []


def test_an_exit_that_failed_is_tried_on_every_bar():
    broker = MemoryBroker()
    canary = a_canary(broker)
    run(canary, broker, 3)
    broker.answer = NO
    assert [n for n, _, _ in run(canary, broker, 3, first=4)] == [4, 5, 6]


def test_an_entry_that_was_denied_is_tried_on_the_next_bar():
    broker = MemoryBroker(answer=NO)
    assert [n for n, _, _ in run(a_canary(broker), broker, 2)] == [1, 2]


def test_a_stop_at_the_exchange_does_not_change_the_schedule():
    broker = MemoryBroker()
    canary = a_canary(broker)
    run(canary, broker, 2)
    broker.hold(BTC, "0")
    assert [n for n, _, _ in run(canary, broker, 4, first=3)] == [6]


def test_it_continues_over_a_restart():
    broker = MemoryBroker()
    canary = a_canary(broker)
    orders = []
    for n in range(1, 12):
        orders += run(canary, broker, 1, first=n)
        canary = a_canary(broker, state=CanaryState.model_validate_json(canary.state.model_dump_json()))
    assert [n for n, _, _ in orders] == [1, 4, 6, 9, 11]


@pytest.mark.parametrize(
    ("environment", "changes", "message"),
    [
        (Environment.LIVE, {}, "does not run on a live account"),
        (Environment.LIVE, {"fee_budget_usdt": 5}, "does not run on a live account"),
        (Environment.LIVE, {"allow_live": True}, "needs params.fee_budget_usdt"),
        (Environment.LIVE, {"allow_live": True, "fee_budget_usdt": 5}, None),
        (Environment.PAPER, {}, None),
        (Environment.DEMO, {}, None),
        (Environment.TESTNET, {}, None),
    ],
)
def test_real_money_needs_a_switch_and_a_budget(environment: Environment, changes: dict[str, Any], message: str | None):
    canary = a_canary(MemoryBroker(), environment, **changes)
    if message is None:
        canary.on_start()
    else:
        with pytest.raises(StrategyRefused, match=message):
            canary.on_start()


@pytest.mark.parametrize(("paid", "entries"), [("4.99", 1), ("5", 0)])
def test_a_spent_fee_budget_ends_entries_and_not_exits(paid: str, entries: int):
    broker = MemoryBroker()
    canary = a_canary(broker, fee_budget_usdt=5)
    canary.on_fill(a_fill(Side.BUY, "1", fee=paid))
    assert len(run(canary, broker, 1)) == entries

    broker = MemoryBroker()
    canary = a_canary(broker, fee_budget_usdt=5)
    run(canary, broker, 1)
    canary.on_fill(a_fill(Side.BUY, "1", fee="5"))
    assert run(canary, broker, 10, first=2) == [(4, Side.SELL, Reason.TIME_EXIT)]
