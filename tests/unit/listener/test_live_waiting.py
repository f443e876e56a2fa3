"""What the live thread waits for before it takes what it was told."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from alpha.ledger.fills import RecordResult
from tests.unit.domain.fills import MAIN
from tests.unit.listener.accounts import an_order
from websocket_listener import live_state
from websocket_listener.live_state import LiveHooks, LiveState
from websocket_listener.metrics import ListenerMetrics


def a_live_state() -> LiveState:
    """One that does not run."""
    nothing: Any = None
    hooks = LiveHooks(
        health=nothing,
        settled=nothing,
        on_hole=nothing,
        on_orders=nothing,
        on_positions=nothing,
        on_drift=nothing,
    )
    return LiveState({}, redis.Redis(), redis.Redis(), hooks, ListenerMetrics(), settle_s=1.0)


@pytest.mark.patches_source
def test_an_order_waits_for_the_commit_that_comes_after_it_and_a_commit_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a live state that waits as long as it may be waited for
    monkeypatch.setattr(live_state, "COMMIT_AWAITED_S", 600.0)
    live = a_live_state()
    taken: list[object] = []

    def take() -> threading.Thread:
        taking = threading.Thread(target=lambda: taken.extend(live._next_events()), daemon=True)
        taking.start()
        return taking

    # when an order is told, then it waits
    order = live_state.Heard(account=MAIN, orders=(an_order("a"),))
    live.put(order)
    taking = take()
    taking.join(0.2)
    assert taken == []
    # until a commit, which is taken with it
    committed = RecordResult()
    live.put(committed)
    taking.join(30)
    assert taken == [order, committed]
    # and another by itself
    live.put(committed)
    take().join(30)
    assert taken == [order, committed, committed]
