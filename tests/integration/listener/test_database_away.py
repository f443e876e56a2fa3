"""Hours without PostgreSQL while the exchange talks without a pause: what waits is bounded, and so is memory."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from alpha.config.credentials import Credentials
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.stream import StreamState
from alpha.ledger.connection import Dsn
from tests.support import eventually, free_port
from tests.unit.domain.fills import MAIN, START
from tests.unit.exchange import wire
from tests.unit.listener.accounts import alone, an_account
from websocket_listener import live_state
from websocket_listener.account_session import AccountSession, SessionConfig
from websocket_listener.heard_executions import HeardExecutions
from websocket_listener.standby_memory import StandbyMemory
from websocket_listener.timing import RecoveryTiming
from websocket_listener.write_queue import QueueFull, WriteQueue
from websocket_listener.writer import Writer

FILLS, JOBS, STATES = 400, 50, 200


class PassesOn:
    """Hands reports to the writer, as the live state does, and keeps none."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def put(self, heard: live_state.Heard) -> None:
        self._writer.save_orders([(order, None) for order in heard.orders])
        self._writer.save_positions(heard.positions)


@pytest.fixture
def writer() -> Iterator[Writer]:
    """One whose PostgreSQL is away."""
    away = Writer(
        Dsn(host="127.0.0.1", port=free_port(), dbname="alpha", user="nobody", password=""),
        on_committed=lambda _: None,
        on_refused=lambda _: None,
        on_fenced=lambda _: None,
        queue=WriteQueue(max_fills=FILLS, max_batch=100, max_states=STATES, max_jobs=JOBS),
    )
    away.start()
    yield away
    away.stop(0.0)


@pytest.fixture
def session(writer: Writer) -> AccountSession:
    nobody: Any = None
    live: Any = PassesOn(writer)
    config = SessionConfig(
        accounts=1,
        account=an_account(),
        endpoints=paper_endpoints("http://127.0.0.1:1"),
        credentials=Credentials(key="key", secret="secret"),
        owners=alone(),
        timing=RecoveryTiming(lag_s=0.0, look_every_s=1.0, settle_s=1.0),
    )
    made = AccountSession(config, writer, live, nobody, nobody)
    made.on_state(StreamState.SUBSCRIBED, "")
    return made


def talk(session: AccountSession, first: int, last: int) -> None:
    """As many executions, each with its order and position."""
    for n in range(first, last):
        session.on_frame(wire.frame("execution", wire.execution(execId=f"exec-{n}", seq=n)))
        session.on_frame(
            wire.frame("order", wire.order(orderId=f"order-{n % 1000}", updatedTime=str(1795219423990 + n)))
        )
        session.on_frame(wire.frame("position", wire.position(seq=n)))


def grown_by(session: AccountSession, first: int, last: int) -> int:
    """Bytes more in use after the talk than before."""
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    talk(session, first, last)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return after - before


def test_a_holder_lets_go_of_fills_above_the_bound_and_its_memory_is_flat(
    writer: Writer, session: AccountSession
) -> None:
    session.heard_executions = HeardExecutions(kept=FILLS)
    writer.add_account(alone(), 1, [])
    session.took(1)
    assert session.lead(1, START)
    session.release()
    tracemalloc.start()
    try:
        talk(session, 0, 2_000)
        eventually(lambda: writer.waiting and not writer.available, what="a writer that waits")
        waiting, dropped = writer.waiting, writer.dropped
        grown = grown_by(session, 2_000, 5_000)
    finally:
        tracemalloc.stop()
    assert writer.backlog <= FILLS
    assert writer.waiting <= waiting + 1 <= FILLS + JOBS + STATES + 2
    assert writer.dropped == dropped + 3_000
    # 3,000 fills would be some megabytes
    assert grown < 300_000


def test_fills_that_waited_for_a_gap_are_let_go_above_the_bound_too(writer: Writer, session: AccountSession) -> None:
    writer.add_account(alone(), 1, [])
    session.took(1)
    assert session.lead(1, START)
    session.release()
    talk(session, 0, FILLS)
    assert writer.backlog == FILLS
    # when the connection breaks again and again, and nobody can read the gap
    for n in range(1, 4):
        session.on_state(StreamState.SUBSCRIBED, "")
        talk(session, n * 1_000, n * 1_000 + 100)
        session.held.hold(-1.0)
        session.look_after()
    # then
    assert writer.backlog == FILLS
    assert writer.dropped == 300


def test_a_standby_remembers_no_more_the_longer_it_hears(session: AccountSession) -> None:
    session.held_elsewhere("another:1")
    memory = session._memory = StandbyMemory(max_fills=FILLS, max_orders=STATES)
    tracemalloc.start()
    try:
        talk(session, 0, 1_000)
        grown = grown_by(session, 1_000, 4_000)
    finally:
        tracemalloc.stop()
    assert memory.size == FILLS + STATES
    assert grown < 300_000


def test_work_is_refused_above_the_bound(writer: Writer) -> None:
    # it tries something of its own meanwhile, so that everything waits
    eventually(lambda: writer.busy_for_s, what="the writer to try")
    results = [writer.run(lambda _: None) for _ in range(JOBS + 3)]
    refused = [each for each in results if each.done()]
    assert len(refused) == 3
    assert all(isinstance(each.exception(0), QueueFull) for each in refused)


def test_work_for_an_account_that_is_not_ours_does_not_wait(writer: Writer) -> None:
    assert writer.run(lambda _: None, account=MAIN).done()
