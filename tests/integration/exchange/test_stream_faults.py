"""What faults do to private sockets and messages, as a client sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC
from tests.integration.exchange.listener import Listener, authenticate, listening, open_socket, sockets_of
from tests.support import eventually

_numbers = count()


@pytest.fixture(autouse=True)
def no_faults_left(exchange: ExchangeProcess) -> Iterator[None]:
    yield
    exchange.admin.end_faults()


def test_dropped_sockets_are_cut_and_what_they_miss_is_counted(exchange: ExchangeProcess) -> None:
    with listening(exchange) as listener, listening(exchange, "shortseller") as spared:
        # when the sockets of one account are cut
        fault = _arm(exchange, kind="drop", for_s=0, account="canary")
        eventually(lambda: listener.has_ended, what="the cut")
        _trade(exchange, 3)
        # then nothing was said, the other account's lives, and three executions were missed
        assert listener.end is not None
        assert listener.end.rcvd is None
        assert listener.exec_ids() == []
        assert _counts(exchange, fault) == (1, 3)
        assert not spared.has_ended
        # and what comes after the next subscription is heard, and counted no more
        with listening(exchange) as back:
            made = _trade(exchange, 2)
            eventually(lambda: back.exec_ids() == made, what="the executions after the comeback")
    assert _counts(exchange, fault) == (1, 3)


def test_while_sockets_are_dropped_nobody_comes_back(exchange: ExchangeProcess) -> None:
    fault = _arm(exchange, kind="drop", for_s=60)
    with open_socket(exchange) as listener, pytest.raises(ConnectionClosed):
        authenticate(exchange, listener)
    assert _counts(exchange, fault) == (1, 0)
    exchange.admin.end_faults()
    with listening(exchange) as back:
        made = _trade(exchange, 1)
        eventually(lambda: back.exec_ids() == made, what="the execution after the window")


def test_a_frozen_socket_is_silent_until_it_is_cut_at_the_end_of_the_window(exchange: ExchangeProcess) -> None:
    with listening(exchange) as listener:
        fault = _arm(exchange, kind="freeze", for_s=0.5)
        pong = listener.connection.ping()
        listener.connection.send(json.dumps({"op": "ping"}))
        _trade(exchange, 3)
        assert not listener.has_ended
        # a new socket is not frozen: the fault took those that were there
        with listening(exchange) as other:
            made = _trade(exchange, 1)
            eventually(lambda: other.exec_ids() == made, what="the execution on another socket")
        eventually(lambda: listener.has_ended, what="the end of the window")
        assert listener.received == []
        assert [answer["op"] for answer in listener.answers] == ["auth", "subscribe"]
        assert not pong.is_set()
    assert _counts(exchange, fault) == (1, 3)
    assert _state(exchange, fault) == "over"


def test_a_freeze_that_finds_nobody_takes_the_first_who_subscribes(exchange: ExchangeProcess) -> None:
    fault = _arm(exchange, kind="freeze", for_s=1)
    with pytest.raises(ConnectionClosed), listening(exchange):
        pass
    assert _counts(exchange, fault) == (1, 0)
    assert _state(exchange, fault) == "over"


def test_a_half_closed_socket_says_fin_and_stays_open_on_the_exchange(exchange: ExchangeProcess) -> None:
    with listening(exchange) as listener:
        fault = _arm(exchange, kind="half_close", for_s=60)
        eventually(lambda: listener.has_ended, what="the end of the stream")
        _trade(exchange, 2)
        assert listener.end is not None
        assert listener.end.rcvd is None
        assert sockets_of(exchange, "canary") == [[]]
    assert _counts(exchange, fault) == (1, 2)
    exchange.admin.end_faults()
    eventually(lambda: not sockets_of(exchange, "canary"), what="the socket to be cut")


def test_a_deaf_socket_answers_pings_and_hears_nothing_until_it_subscribes_again(exchange: ExchangeProcess) -> None:
    with listening(exchange) as listener:
        fault = _arm(exchange, kind="deaf", for_s=60)
        _trade(exchange, 2)
        assert listener.connection.ping().wait(10)
        assert listener.ask({"op": "ping"})["op"] == "pong"
        assert listener.exec_ids() == []
        listener.ask({"op": "subscribe", "req_id": "again", "args": ["execution"]})
        eventually(lambda: sockets_of(exchange, "canary") == [["execution"]], what="the new subscription")
        made = _trade(exchange, 1)
        eventually(lambda: listener.exec_ids() == made, what="the execution after it")
    assert _counts(exchange, fault) == (1, 2)


def test_delayed_messages_come_later_and_in_their_order(exchange: ExchangeProcess) -> None:
    with listening(exchange) as listener:
        fault = _arm(exchange, kind="delay", for_s=60, by_s=0.4)
        made = _trade(exchange, 5)
        exchange.admin.end_faults()
        made += _trade(exchange, 5)
        eventually(lambda: len(listener.exec_ids()) == 10, what="all executions")
        assert listener.exec_ids() == made
        # created a moment after the delay had begun to count, so not the whole of it
        late = [received.at_ms - received.frame["creationTime"] for received in listener.received[:5]]
        assert min(late) >= 300
    assert _counts(exchange, fault) == (5, 5)


def test_duplicated_messages_come_twice(exchange: ExchangeProcess) -> None:
    with listening(exchange, topics=["execution", "wallet"]) as listener:
        fault = _arm(exchange, kind="duplicate", for_s=60, by_s=0.1, topics=["execution"])
        made = _trade(exchange, 3)
        eventually(lambda: len(listener.exec_ids()) == 6, what="every execution twice")
        assert sorted(listener.exec_ids()) == sorted(made * 2)
        assert len(listener.rows("wallet")) == 3
        exchange.admin.end_faults()
        once = _trade(exchange, 1)
        eventually(lambda: listener.exec_ids()[6:] == once, what="an execution once")
    assert _counts(exchange, fault) == (3, 3)


def test_reordered_messages_all_come_in_another_order(exchange: ExchangeProcess) -> None:
    with listening(exchange) as listener:
        fault = _arm(exchange, kind="reorder", for_s=60, by_s=0.5)
        made = _trade(exchange, 20)
        eventually(lambda: len(listener.exec_ids()) == 20, what="all executions")
        assert sorted(listener.exec_ids()) == sorted(made)
        assert listener.exec_ids() != made
    assert _counts(exchange, fault) == (20, 20)


def test_withheld_messages_are_never_sent_to_the_account_they_are_withheld_from(exchange: ExchangeProcess) -> None:
    with listening(exchange, topics=["execution", "order"]) as listener, listening(exchange, "shortseller") as other:
        fault = _arm(exchange, kind="withhold", for_s=60, account="canary", topics=["execution"])
        _trade(exchange, 2)
        others = _trade(exchange, 2, "shortseller")
        exchange.admin.end_faults()
        heard = _trade(exchange, 1)
        eventually(lambda: listener.exec_ids() == heard, what="the execution after the window")
        assert len(listener.rows("order")) == 3
        eventually(lambda: other.exec_ids() == others, what="the other account's executions")
    assert _counts(exchange, fault) == (2, 2)


@pytest.mark.slow
def test_the_same_seed_withholds_the_same_messages_and_another_seed_others(tmp_path: Path) -> None:
    heard = []
    for name, seed in (("one", 7), ("again", 7), ("other", 8)):
        with ExchangeProcess(tmp_path / name) as exchange, listening(exchange) as listener:
            exchange.admin.arm({"kind": "withhold", "for_s": 60, "probability": 0.5}, seed=seed)
            exchange.admin.trade([{**_order(), "order_link_id": f"seeded-{number}"} for number in range(40)])
            exchange.admin.end_faults()
            heard.append(_heard_until_the_next(exchange, listener))
    assert heard[0] == heard[1]
    assert heard[0] != heard[2]
    assert 0 < len(heard[0]) < 40


def test_a_fault_waits_for_its_window_and_is_over_after_it(exchange: ExchangeProcess) -> None:
    fault = _arm(exchange, kind="withhold", from_s=0.4, for_s=0.4)
    assert _state(exchange, fault) == "waiting"
    with listening(exchange) as listener:
        eventually(lambda: _state(exchange, fault) == "active", what="the window")
        _trade(exchange, 1)
        eventually(lambda: _state(exchange, fault) == "over", what="the end of the window")
        heard = _trade(exchange, 1)
        eventually(lambda: listener.exec_ids()[-1:] == heard, what="the execution after the window")


def test_totals_add_up_by_kind(exchange: ExchangeProcess) -> None:
    before = exchange.admin.faults()["totals"].get("withhold", {"injected": 0, "hit": 0})
    with listening(exchange), listening(exchange, "shortseller"):
        exchange.admin.arm(
            {"kind": "withhold", "for_s": 60, "account": "canary"},
            {"kind": "withhold", "for_s": 60, "account": "shortseller"},
        )
        _trade(exchange, 2)
        _trade(exchange, 1, "shortseller")
    total = exchange.admin.faults()["totals"]["withhold"]
    assert (total["injected"] - before["injected"], total["hit"] - before["hit"]) == (3, 3)


def _arm(exchange: ExchangeProcess, **fault: Any) -> int:
    identity: int = exchange.admin.arm(fault)[0]["id"]
    return identity


def _row(exchange: ExchangeProcess, fault: int) -> dict[str, Any]:
    return next(row for row in exchange.admin.faults()["faults"] if row["id"] == fault)


def _counts(exchange: ExchangeProcess, fault: int) -> tuple[int, int]:
    row = _row(exchange, fault)
    return row["injected"], row["hit"]


def _state(exchange: ExchangeProcess, fault: int) -> str:
    state: str = _row(exchange, fault)["state"]
    return state


def _order(account: str = "canary") -> dict[str, Any]:
    # The smallest order there is meets one level of the book: one execution each.
    return {"account": account, "symbol": BTC, "side": "Buy", "qty": "0.001"}


def _heard_until_the_next(exchange: ExchangeProcess, listener: Listener) -> list[str]:
    """The link ids of what was heard before one more execution."""
    last = _trade(exchange, 1)
    eventually(lambda: listener.exec_ids()[-1:] == last, what="the last execution")
    return [row["orderLinkId"] for row in listener.rows("execution")[:-1]]


def _trade(exchange: ExchangeProcess, orders: int, account: str = "canary") -> list[str]:
    """So many orders of one execution each; gives the ids of the executions."""
    before = len(exchange.executions())
    side = "Buy" if next(_numbers) % 2 else "Sell"
    assert exchange.admin.trade([{**_order(account), "side": side}] * orders)["executions"] == orders
    return [row["exec_id"] for row in exchange.executions()[before:]]
