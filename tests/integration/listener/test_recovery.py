"""The thread that asks the exchange, against a real PostgreSQL and an exchange that answers what a test says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg2.extras import execute_values

from alpha.config.credentials import Credentials
from alpha.domain.fill import Fill
from alpha.domain.order import Order, OrderStatus
from alpha.domain.side import Side
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.exchange.endpoints import paper_endpoints
from alpha.ledger.connection import Connection, LedgerRefused, connect, transaction
from alpha.ledger.coverage import mark_unproven, proven_until
from alpha.ledger.orders import open_orders, upsert_orders
from alpha.ledger.reading import exec_ids_between
from alpha.live.connection import RedisAddress, open_redis
from tests.support import Database, eventually
from tests.unit.domain.fills import MAIN, START, a_fill
from tests.unit.listener.accounts import ONE, a_wallet, alone, an_account, an_order, said
from websocket_listener import recovery as recovery_module
from websocket_listener.account_session import AccountSession, SessionConfig
from websocket_listener.live_state import LiveHooks, LiveState
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.recovery import Recovery
from websocket_listener.timing import RecoveryTiming
from websocket_listener.writer import Committed, Writer

TIMING = RecoveryTiming(lag_s=0.0, look_every_s=1.0, settle_s=60.0)


@dataclass
class Exchange:
    """What it answers."""

    at: datetime = START
    held: str = "0"
    executed: list[Fill] = field(default_factory=list)
    listed: list[Order] = field(default_factory=list)
    closed: list[Order] = field(default_factory=list)

    def market_time(self) -> datetime:
        return self.at

    def positions(self) -> list[ExchangePosition]:
        return [said(self.held)]

    def positions_of(self, symbol: str) -> list[ExchangePosition]:  # noqa: ARG002
        return self.positions()

    def open_orders(self) -> list[Order]:
        return list(self.listed)

    def order_history(self, start: datetime, end: datetime) -> list[Order]:  # noqa: ARG002
        return list(self.closed)

    def wallet(self) -> WalletBalance:
        return a_wallet("1000")

    def walk(self, _: object, since: datetime, until: datetime, **__: object) -> Iterator[list[Fill]]:
        """In the place of `walk_executions`."""
        yield [fill for fill in self.executed if since <= fill.exec_time <= until]


class Listening:
    """Recovery of one account with its writer and live state, worked by hand; Redis is away."""

    def __init__(self, database: Database, exchange: Exchange) -> None:
        self.exchange = exchange
        redis = open_redis(RedisAddress("127.0.0.1", 1), 0)
        self.writer = Writer(
            database.dsn("ledger_writer"),
            on_committed=self._committed,
            on_refused=lambda _: None,
            on_fenced=lambda _: None,
            on_turn=lambda connection, _: touch(connection),
            on_lost=lambda: self.session.known_fills.forget_all(),
        )
        hooks = LiveHooks(
            health=lambda _: self.session.health(),
            settled=lambda _: False,
            on_hole=lambda: None,
            on_orders=self.writer.save_orders,
            on_positions=lambda _: None,
            on_drift=lambda *_: None,
        )
        self.live = LiveState({ONE: redis}, redis, redis, hooks, ListenerMetrics(), settle_s=60.0)
        alerts: Any = SimpleNamespace(alert=lambda *_, **__: None)
        config = SessionConfig(
            account=an_account(),
            endpoints=paper_endpoints("http://127.0.0.1:1"),
            credentials=Credentials(key="key", secret="secret"),
            owners=alone(),
            timing=TIMING,
        )
        self.session = AccountSession(config, self.writer, self.live, lambda *_: None, alerts)
        client: Any = exchange
        self.recovery = Recovery(
            self.session,
            client,
            self.writer,
            self.live,
            holder="tests",
            identify=lambda _: None,
            keep_raw=lambda *_: None,
            alerts=alerts,
        )
        self.writer.start()
        self.live.start()
        self.recovery._prepare()

    def recover(self) -> None:
        self.recovery._recover(0)

    def look(self, at: datetime, times: int = 1) -> None:
        self.exchange.at = at
        for _ in range(times):
            self.recovery._look()

    def stop(self) -> None:
        self.writer.stop(1.0)
        self.live.stop()

    def _committed(self, committed: Committed) -> None:
        self.session.known_fills.committed(recorded.fill for recorded in committed.result.recorded)


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    made = Exchange()
    monkeypatch.setattr(recovery_module, "walk_executions", made.walk)
    return made


@pytest.fixture
def start(database: Database, ledger: Connection, exchange: Exchange) -> Iterator[Any]:  # noqa: ARG001
    """Starts a listener; each of them is a process's worth of state."""
    started: list[Listening] = []

    def begin() -> Listening:
        started.append(Listening(database, exchange))
        return started[-1]

    yield begin
    for each in started:
        each.stop()


def remove_fills(database: Database, exec_ids: Sequence[str]) -> None:
    """Behind everybody's back, as an older copy of the database would lack them."""
    connection = connect(database.owner, "tests")
    with transaction(connection) as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("ALTER TABLE trading.fills DISABLE TRIGGER USER")
        execute_values(cursor, "DELETE FROM trading.fills WHERE exec_id IN (VALUES %s)", [(each,) for each in exec_ids])
        cursor.execute("ALTER TABLE trading.fills ENABLE ALWAYS TRIGGER fills_are_facts")
        cursor.execute("ALTER TABLE trading.fills ENABLE ALWAYS TRIGGER fills_are_facts_statement")
    connection.close()


def touch(connection: Connection) -> None:
    """Something asked of the ledger, as the renewal of the lease is in the listener."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT 1")


def executions(*numbers: int) -> list[Fill]:
    return [a_fill(Side.BUY, "1", at="100", n=n) for n in numbers]


def second(n: int) -> datetime:
    return START + timedelta(seconds=n)


def recorded(ledger: Connection) -> list[str]:
    return sorted(exec_id for _, exec_id in exec_ids_between(ledger, MAIN, START, second(1000)))


def test_a_first_contact_that_is_broken_off_leaves_nothing_behind(
    start: Any, ledger: Connection, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.held = "2"
    first: Listening = start()

    def break_off(*_: object, **__: object) -> None:
        raise LedgerRefused("the process ends here")

    with monkeypatch.context() as broken:
        broken.setattr(recovery_module, "add_interval", break_off)
        with pytest.raises(LedgerRefused):
            first.recover()
    with transaction(ledger) as cursor:
        cursor.execute("SELECT count(*) FROM trading.opening_positions")
        assert cursor.fetchone() == (0,)
    first.stop()
    # what was bought in between is in the position that the next start finds
    exchange.at, exchange.held, exchange.executed = second(10), "3", executions(5)
    again: Listening = start()
    again.recover()
    with transaction(ledger) as cursor:
        cursor.execute("SELECT quantity, at FROM trading.opening_positions")
        assert cursor.fetchall() == [(3, second(10))]
    assert proven_until(ledger, MAIN) == second(10)


def test_an_order_that_ended_while_nobody_listened_is_ended_in_the_ledger(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    upsert_orders(ledger, [(an_order("gone"), ONE), (an_order("there"), ONE)])
    exchange.listed = [an_order("there")]
    exchange.closed = [an_order("gone", OrderStatus.CANCELLED, n=5)]
    start().recover()
    eventually(lambda: [order.order_id for order, _ in open_orders(ledger, MAIN)] == ["there"], what="the end of one")


def test_what_the_ledger_lacks_is_recorded_again_before_anything_is_proven(
    start: Any, ledger: Connection, database: Database, exchange: Exchange
) -> None:
    listening: Listening = start()
    listening.recover()
    exchange.executed = executions(1, 2, 3)
    listening.look(second(10))
    assert recorded(ledger) == ["exec-1", "exec-2", "exec-3"]
    remove_fills(database, ["exec-2"])
    before = proven_until(ledger, MAIN)
    listening.look(second(20))
    assert proven_until(ledger, MAIN) == before
    listening.look(second(30), times=2)
    assert recorded(ledger) == ["exec-1", "exec-2", "exec-3"]
    assert (proven_until(ledger, MAIN) or START) >= second(20)


def test_a_fill_told_with_two_times_does_not_hold_up_the_proof(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    listening: Listening = start()
    listening.recover()
    exchange.executed = executions(1)
    listening.look(second(10), times=2)
    exchange.executed += [a_fill(Side.BUY, "1", at="100", n=12, exec_id="exec-1")]
    listening.look(second(20), times=2)
    listening.look(second(30))
    assert (proven_until(ledger, MAIN) or START) >= second(20)
    assert recorded(ledger) == ["exec-1"]


def test_nothing_counts_as_known_when_the_proven_edge_moves_back(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    listening: Listening = start()
    listening.recover()
    exchange.executed = executions(1, 15)
    listening.look(second(10), times=2)
    assert proven_until(ledger, MAIN) == second(10)
    listening.look(second(20))
    known = listening.session.known_fills
    assert known.lacking(exchange.executed[1:]) == []
    exchange.executed.clear()
    mark_unproven(ledger, MAIN, START, second(20), "a test doubts it")
    listening.recovery._read_unproven()
    assert known.lacking(executions(15)) == executions(15)


def test_nothing_counts_as_known_after_a_lost_connection(start: Any, database: Database, exchange: Exchange) -> None:
    listening: Listening = start()
    listening.recover()
    exchange.executed = executions(1)
    listening.look(second(10))
    known = listening.session.known_fills
    assert known.lacking(exchange.executed) == []
    connection = connect(database.owner, "tests")
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'alpha-listener'"
        )
    connection.close()
    eventually(lambda: known.lacking(exchange.executed) == exchange.executed, what="the loss of the connection")
