"""The thread that asks the exchange, against a real PostgreSQL and an exchange that answers what a test says."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
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
from alpha.exchange.errors import ExchangeUnreachable, UnknownMessage
from alpha.exchange.executions import ExecutionWindow, Readers, windows
from alpha.ledger.connection import Connection, LedgerRefused, connect, transaction
from alpha.ledger.coverage import CoverageKind, intervals, mark_unproven, proven_intervals, proven_until
from alpha.ledger.fills import RecordResult
from alpha.ledger.heads import take_account
from alpha.ledger.orders import open_orders, upsert_orders
from alpha.ledger.reading import exec_ids_between
from alpha.live.connection import RedisAddress, open_redis
from tests.support import Database, eventually
from tests.unit.domain.fills import MAIN, START, a_fill
from tests.unit.listener.accounts import ONE, a_wallet, alone, an_account, an_order, said
from websocket_listener import recovery as recovery_module
from websocket_listener.account_session import AccountSession, AccountState, SessionConfig
from websocket_listener.live_state import LiveHooks, LiveState
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.recovery import Recovery
from websocket_listener.timing import RecoveryTiming
from websocket_listener.writer import Writer

TIMING = RecoveryTiming(lag_s=0.0, look_every_s=1.0, settle_s=60.0)


@dataclass
class Exchange:
    """What it answers."""

    at: datetime = START
    held: str | None = None
    """What its positions say; what the executions make unless given."""
    seq: int = 0
    executed: list[Fill] = field(default_factory=list)
    unlisted: list[Fill] = field(default_factory=list)
    """Executions that its positions know of and its list does not show."""
    answers: bool = True
    """Whether its lists have rows; nothing is true of empty ones."""
    listed: list[Order] = field(default_factory=list)
    closed: list[Order] = field(default_factory=list)
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    is_away: bool = False
    unreadable: tuple[UnknownMessage, ...] = ()
    """Rows of its list that nobody can read."""

    def market_time(self) -> datetime:
        return self.at

    def positions(self) -> list[ExchangePosition]:
        if not self.answers:
            raise UnknownMessage("the list is empty", [])
        done = {fill.exec_id: fill for fill in (*self.executed, *self.unlisted) if fill.exec_time <= self.at}.values()
        held = sum((fill.side.sign * fill.quantity for fill in done), Decimal(0))
        seq = max([self.seq, *(fill.seq for fill in done)])
        return [said(str(held) if self.held is None else self.held, seq=seq)]

    def positions_of(self, symbol: str) -> list[ExchangePosition]:  # noqa: ARG002
        return self.positions()

    def open_orders(self) -> list[Order]:
        return list(self.listed)

    def order_history(self, start: datetime, end: datetime, *, most: int | None = None) -> list[Order]:  # noqa: ARG002
        return [order for order in self.closed if start <= order.created_at <= end]

    def order_by_id(self, symbol: str, order_id: str) -> Order | None:  # noqa: ARG002
        return next((order for order in self.closed if order.order_id == order_id), None)

    def wallet(self) -> WalletBalance:
        return a_wallet("1000")

    def walk(self, _: object, since: datetime, until: datetime, **__: object) -> Iterator[ExecutionWindow]:
        """In the place of `walk_windows`."""
        self.asked.append((since, until))
        if self.is_away:
            raise ExchangeUnreachable("nobody is there", operation="GET /v5/execution/list")
        yield from self.one_window(since, until)

    def one_window(self, since: datetime, until: datetime) -> Iterator[ExecutionWindow]:
        fills = tuple(fill for fill in self.executed if since <= fill.exec_time <= until)
        yield ExecutionWindow(since, until, fills, self.unreadable)


class Listening:
    """Recovery of one account with its writer and live state, worked by hand; Redis is away."""

    def __init__(self, database: Database, exchange: Exchange, accounts: int) -> None:
        self.exchange = exchange
        self.replaced: list[str] = []
        self.is_settled = False
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
            settled=lambda _: self.is_settled,
            on_hole=lambda: None,
            on_orders=self.writer.save_orders,
            on_positions=lambda _: None,
            on_drift=lambda *_: None,
        )
        self.live = LiveState({ONE: redis}, redis, redis, hooks, ListenerMetrics(), settle_s=60.0)
        self.alerts: list[tuple[str, str]] = []
        self.raw: list[tuple[str, str, object]] = []
        alerts: Any = SimpleNamespace(alert=lambda kind, text, **_: self.alerts.append((kind, text)))
        config = SessionConfig(
            accounts=accounts,
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
            keep_raw=lambda account, topic, error: self.raw.append((account, topic, error.raw)),
            alerts=alerts,
            readers=Readers(),
        )
        self.writer.start()
        self.live.start()
        with closing(connect(database.dsn("ledger_writer"), "tests")) as connection:
            self.session.took(take_account(connection, MAIN, "tests"))
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

    def _committed(self, committed: RecordResult) -> None:
        self.live.put(committed)
        self.session.known_fills.committed(recorded.fill for recorded in committed.recorded)


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    made = Exchange()
    monkeypatch.setattr(recovery_module, "walk_windows", made.walk)
    return made


@pytest.fixture
def start(database: Database, ledger: Connection, exchange: Exchange) -> Iterator[Any]:  # noqa: ARG001
    """Starts a listener; each of them is a process's worth of state."""
    started: list[Listening] = []

    def begin(accounts: int = 1) -> Listening:
        started.append(Listening(database, exchange, accounts))
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


def test_a_window_is_proven_only_when_the_second_reading_brings_the_same(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    listening: Listening = start()
    listening.recover()
    exchange.executed = executions(1)
    listening.look(second(10))
    exchange.executed += executions(2)  # the exchange's list lags
    listening.look(second(20))
    assert proven_until(ledger, MAIN) == START
    listening.look(second(30))
    assert recorded(ledger) == ["exec-1", "exec-2"]
    assert (proven_until(ledger, MAIN) or START) >= second(10)


def test_a_second_look_before_the_exchanges_lag_has_passed_proves_nothing(start: Any, ledger: Connection) -> None:
    listening: Listening = start()
    listening.recover()
    listening.recovery._timing = replace(TIMING, lag_s=3600.0)
    listening.look(second(10))
    # a new connection looks at once
    listening.recover()
    assert proven_until(ledger, MAIN) == START
    listening.recovery._timing = TIMING
    listening.recover()
    assert proven_until(ledger, MAIN) == second(10)


class TestTestimony:
    """What two readings agree on is not proven while something else knows of more."""

    def test_an_execution_of_the_stream_that_rest_does_not_show(
        self, start: Any, ledger: Connection, exchange: Exchange
    ) -> None:
        listening: Listening = start()
        listening.recover()
        # let go at the queue's bound: heard, and not in the ledger
        listening.session.heard_executions.note(executions(5))
        listening.look(second(10), times=3)
        assert proven_until(ledger, MAIN) == START
        exchange.executed = executions(5)
        listening.look(second(20), times=2)
        assert recorded(ledger) == ["exec-5"]
        assert proven_until(ledger, MAIN) == second(20)

    def test_a_fill_of_the_ledger_that_rest_does_not_show(
        self, start: Any, ledger: Connection, exchange: Exchange
    ) -> None:
        listening: Listening = start()
        listening.recover()
        exchange.unlisted = executions(5)
        listening.recovery._record(executions(5))
        listening.look(second(10), times=3)
        assert proven_until(ledger, MAIN) == START
        exchange.executed, exchange.unlisted = executions(5), []
        listening.look(second(20), times=2)
        assert proven_until(ledger, MAIN) == second(20)

    def test_an_order_that_was_filled_by_more_than_rest_shows(
        self, start: Any, ledger: Connection, exchange: Exchange
    ) -> None:
        listening: Listening = start()
        listening.recover()
        exchange.closed = [an_order("order-exec-5", OrderStatus.FILLED, n=6)]
        listening.look(second(10), times=3)
        assert proven_until(ledger, MAIN) == START
        exchange.executed = [replace(fill, quantity=Decimal(2), order_id="order-exec-5") for fill in executions(5)]
        listening.look(second(20), times=2)
        assert proven_until(ledger, MAIN) == second(20)
        # and the order, of which no frame was ever heard, is in the ledger too
        eventually(lambda: order_status(ledger, "order-exec-5") == "Filled", what="the order")

    def test_a_position_that_the_fills_do_not_make(self, start: Any, ledger: Connection, exchange: Exchange) -> None:
        listening: Listening = start()
        listening.recover()
        exchange.held, exchange.seq, listening.is_settled = "1", 2, True
        listening.recovery._refresh()
        eventually(lambda: listening.recovery._differs_for_s() > 0.0, what="the difference")
        listening.look(second(10), times=3)
        assert proven_until(ledger, MAIN) == START
        exchange.executed = executions(5)
        listening.look(second(20))
        eventually(lambda: listening.recovery._differs_for_s() == 0.0, what="the fold to agree")
        listening.look(second(30), times=2)
        assert proven_until(ledger, MAIN) == second(30)

    def test_positions_of_a_gap_that_the_fills_do_not_make_however_long_they_differ(
        self, start: Any, ledger: Connection, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listening: Listening = start()
        listening.recover()
        monkeypatch.setattr(listening.recovery, "_differs_for_s", lambda: 1e9)
        exchange.unlisted = executions(5)
        listening.look(second(10), times=3)
        assert proven_until(ledger, MAIN) == START
        exchange.executed, exchange.unlisted = executions(5), []
        listening.look(second(20), times=3)
        assert recorded(ledger) == ["exec-5"]
        assert proven_until(ledger, MAIN) == second(20)

    def test_an_exchange_whose_lists_are_all_empty(self, start: Any, ledger: Connection, exchange: Exchange) -> None:
        listening: Listening = start()
        listening.recover()
        listening.look(second(10))
        exchange.answers = False
        for _ in range(3):
            with pytest.raises(UnknownMessage):
                listening.look(second(10))
        assert proven_until(ledger, MAIN) == START
        exchange.answers = True
        listening.look(second(10))
        assert proven_until(ledger, MAIN) == second(10)

    def test_a_doubt_of_another_service_while_it_is_read(
        self, start: Any, ledger: Connection, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listening: Listening = start()
        listening.recover()
        listening.look(second(10))

        def doubted(*arguments: Any, **more: Any) -> list[Order]:  # noqa: ARG001
            mark_unproven(ledger, MAIN, second(2), second(3), "a test doubts it")
            return []

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(exchange, "order_history", doubted)
            listening.look(second(20))
        assert proven_until(ledger, MAIN) == START
        listening.look(second(20))
        assert proven_until(ledger, MAIN) == second(20)


def test_only_the_stretches_in_doubt_are_read_again(start: Any, ledger: Connection, exchange: Exchange) -> None:
    listening: Listening = start()
    listening.recover()
    exchange.executed = executions(1, 25, 50, 75)
    listening.look(second(100), times=2)
    assert proven_until(ledger, MAIN) == second(100)
    mark_unproven(ledger, MAIN, second(20), second(30), "first doubt")
    mark_unproven(ledger, MAIN, second(60), second(70), "second doubt")
    exchange.executed += executions(29, 61)
    exchange.asked.clear()
    listening.look(second(110))
    assert exchange.asked == [(second(20), second(30)), (second(60), second(70)), (second(100), second(110))]
    assert recorded(ledger) == ["exec-1", "exec-25", "exec-29", "exec-50", "exec-61", "exec-75"]
    assert proven_until(ledger, MAIN) == second(20)
    listening.look(second(120))
    assert proven_until(ledger, MAIN) == second(110)
    # each of them once more, and what has happened since
    assert len(exchange.asked) == 3 + 3 + 1


def test_a_stretch_that_cannot_be_proven_does_not_hold_up_the_others(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    listening: Listening = start()
    listening.recover()
    listening.session.heard_executions.note(executions(5))  # which REST never shows
    for n in range(1, 8):
        listening.look(second(10 * n))
    assert proven_until(ledger, MAIN) == START
    assert proven_intervals(intervals(ledger, MAIN))[-1] == (second(10), second(60))
    assert "heard on the stream" in listening.session.trouble
    assert len(exchange.asked) < 30


@pytest.mark.parametrize(("accounts", "most"), [(1, 2_000), (10, 2_000), (50, 400)])
def test_what_all_accounts_read_at_once_fits_into_memory(
    start: Any, ledger: Connection, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, accounts: int, most: int
) -> None:
    listening: Listening = start(accounts)
    listening.recover()
    read: list[object] = []

    def whole(_: object, since: datetime, until: datetime, **settings: object) -> Iterator[ExecutionWindow]:
        read.append(settings.get("most"))
        return exchange.one_window(since, until)

    monkeypatch.setattr(recovery_module, "walk_windows", whole)
    exchange.executed = executions(1)
    # a first look and the second, which proves
    listening.look(second(10), times=2)
    assert proven_until(ledger, MAIN) == second(10)
    assert len(read) >= 2
    assert set(read) == {most}


def test_a_long_past_is_recorded_and_proven_window_by_window(
    start: Any, ledger: Connection, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening: Listening = start()
    listening.recover()
    exchange.executed = executions(*range(1, 20))
    exchange.at = second(20)

    def in_parts(_: object, since: datetime, until: datetime, **__: object) -> Iterator[ExecutionWindow]:
        for start_of, end in windows(since, until, timedelta(seconds=4)):
            if start_of > second(10) and exchange.is_away:
                raise ExchangeUnreachable("gone in the middle", operation="GET /v5/execution/list")
            yield from exchange.one_window(start_of, end)

    monkeypatch.setattr(recovery_module, "walk_windows", in_parts)
    exchange.is_away = True
    with pytest.raises(ExchangeUnreachable):
        listening.recovery._look()
    # what was read before the break is there, and is not read again for the first time
    assert len(recorded(ledger)) == 12
    exchange.is_away = False
    exchange.asked.clear()
    listening.recovery._look()
    assert len(recorded(ledger)) == 19
    listening.recovery._look()
    assert proven_until(ledger, MAIN) == second(20)


def test_while_rest_is_away_nothing_is_proven_and_it_says_so(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    listening: Listening = start()
    listening.recover()
    listening.look(second(10), times=2)
    exchange.is_away = True
    exchange.at = second(20)
    with pytest.raises(ExchangeUnreachable):
        listening.recovery._look()
    assert proven_until(ledger, MAIN) == second(10)
    exchange.is_away = False
    listening.look(second(30), times=2)
    assert proven_until(ledger, MAIN) == second(30)


def test_a_window_that_cannot_be_read_is_tried_again_shown_in_status_and_alerted(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    listening: Listening = start()
    listening.recover()
    exchange.is_away, exchange.at = True, second(10)
    session = listening.session
    looking = threading.Thread(target=listening.recovery._until_done, args=(listening.recovery._look,))
    looking.start()
    eventually(lambda: listening.alerts, what="the alert")
    assert listening.alerts == [("recovery", "nobody is there")]
    assert session.status()["trouble"] == "nobody is there"
    assert len(exchange.asked) > 2
    assert proven_until(ledger, MAIN) == START
    exchange.is_away = False
    looking.join(20)
    listening.look(second(10))
    assert proven_until(ledger, MAIN) == second(10)
    assert session.status()["trouble"] == ""


def test_a_row_that_cannot_be_read_is_kept_and_its_window_is_not_proven(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    listening: Listening = start()
    listening.recover()
    row = {"execId": "exec-1", "execType": "Surprise"}
    exchange.unreadable = (UnknownMessage("no such type", row),)
    exchange.executed = executions(5)
    listening.look(second(10), times=3)
    # then the rest of the window is recorded all the same, and a person is told
    assert recorded(ledger) == ["exec-5"]
    assert set(map(str, listening.raw)) == {str((MAIN, "execution", row))}
    assert proven_until(ledger, MAIN) == START
    assert "cannot be read" in listening.alerts[0][1]
    # when they can be read
    exchange.unreadable = ()
    listening.look(second(20), times=3)
    assert proven_until(ledger, MAIN) == second(20)


def test_history_older_than_the_exchange_keeps_is_said_to_be_unreachable(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    listening: Listening = start()
    listening.recover()
    listening.look(START + timedelta(days=800), times=2)
    said = intervals(ledger, MAIN)
    (gone,) = [each for each in said if each.kind is CoverageKind.UNREACHABLE]
    assert (gone.start, gone.end) == (START, START + timedelta(days=70))
    assert proven_intervals(said)[-1] == (START + timedelta(days=70), START + timedelta(days=800))
    assert min(since for since, _ in exchange.asked[1:]) == START + timedelta(days=70)


class TestDeafStream:
    """The socket answers pings, and the exchange has forgotten what it is for."""

    @pytest.fixture
    def live(self, start: Any, monkeypatch: pytest.MonkeyPatch) -> Listening:
        listening: Listening = start()
        monkeypatch.setattr(listening.session, "replace_stream", listening.replaced.append)
        listening.session.connected.set()
        listening.recovery._recover(listening.session.generation)
        assert listening.session.state is AccountState.LIVE
        return listening

    def test_it_is_replaced_when_rest_shows_what_it_did_not_bring(self, live: Listening, exchange: Exchange) -> None:
        exchange.executed = executions(5)
        live.look(second(10))
        assert live.replaced == []  # it may be on its way
        live.look(second(20))
        assert len(live.replaced) == 1
        assert "not on the stream" in live.replaced[0]

    def test_it_stays_when_it_was_only_slower(self, live: Listening, exchange: Exchange) -> None:
        exchange.executed = executions(5)
        live.look(second(10))
        live.session.heard_executions.note(executions(5))
        live.look(second(20), times=2)
        assert live.replaced == []

    def test_what_happened_before_it_was_live_says_nothing(
        self, start: Any, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange.at = START
        listening: Listening = start()
        monkeypatch.setattr(listening.session, "replace_stream", listening.replaced.append)
        listening.session.connected.set()
        listening.recovery._recover(listening.session.generation)
        exchange.executed, exchange.at = executions(5), second(10)
        listening.recovery._recover(listening.session.generation)
        listening.look(second(20), times=2)
        assert listening.replaced == []


def test_heard_reaches_from_the_recovery_to_the_last_execution_before_a_break(
    start: Any, ledger: Connection, exchange: Exchange
) -> None:
    listening: Listening = start()
    session, recovery = listening.session, listening.recovery
    session.connected.set()
    recovery._recover(session.generation)
    listening.look(second(10))
    session.heard_executions.note(executions(17))
    session.heard_executions.broke_off()
    # the next connection brings more before the gap is recovered
    session.heard_executions.note(executions(40))
    exchange.at, exchange.executed = second(50), executions(17, 40)
    recovery._recover(session.generation)
    listening.look(second(60))

    def heard() -> list[tuple[datetime, datetime]]:
        return [(each.start, each.end) for each in intervals(ledger, MAIN) if each.kind is CoverageKind.HEARD]

    eventually(lambda: heard() == [(START, second(17)), (second(50), second(60))], what="what was heard")


class TestOrdersThatEndedUnheard:
    def test_one_that_is_older_than_the_history_is_asked_for_by_its_id(
        self, start: Any, ledger: Connection, exchange: Exchange
    ) -> None:
        upsert_orders(ledger, [(an_order("old"), ONE)])
        exchange.at = START + timedelta(days=20)
        exchange.closed = [an_order("old", OrderStatus.CANCELLED, n=86_400)]
        start().recover()
        eventually(lambda: order_status(ledger, "old") == "Cancelled", what="its end")

    def test_one_that_the_exchange_has_forgotten_is_said_to_be_unknown(
        self, start: Any, ledger: Connection, exchange: Exchange
    ) -> None:
        upsert_orders(ledger, [(an_order("old"), ONE)])
        exchange.at = START + timedelta(days=20)
        start().recover()
        eventually(lambda: order_status(ledger, "old") == "Unknown", what="its unknown end")

    def test_of_a_young_one_nothing_is_concluded_from_a_list_that_lags(
        self, start: Any, ledger: Connection, exchange: Exchange
    ) -> None:
        upsert_orders(ledger, [(an_order("young"), ONE), (an_order("old"), ONE)])
        exchange.closed = [an_order("old", OrderStatus.CANCELLED, n=5)]
        exchange.at = START + timedelta(hours=1)
        start().recover()
        eventually(lambda: order_status(ledger, "old") == "Cancelled", what="the end of the other")
        assert order_status(ledger, "young") == "New"


def order_status(ledger: Connection, order_id: str) -> str | None:
    with transaction(ledger) as cursor:
        cursor.execute("SELECT status FROM trading.orders WHERE order_id = %s", (order_id,))
        row = cursor.fetchone()
    return row[0] if row else None
