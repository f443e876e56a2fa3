"""One account's stream: when it counts as live, and what becomes of fills that waited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from alpha.config.credentials import Credentials
from alpha.domain.ids import AccountName
from alpha.domain.order import OrderStatus
from alpha.domain.side import Side
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.stream import StreamState
from alpha.ledger.fill_rows import FillSource
from alpha.live.wire import now
from tests.unit.domain.fills import START, a_fill
from tests.unit.exchange import wire
from tests.unit.listener.accounts import alone, an_account
from websocket_listener import live_state
from websocket_listener.account_session import AccountSession, AccountState, Role, SessionConfig
from websocket_listener.timing import RecoveryTiming
from websocket_listener.write_queue import Heard, Submission


class Recording:
    """Takes fills in place of the writer, and everything else in place of the live state."""

    def __init__(self, *, is_full: bool = False) -> None:
        self._is_full = is_full
        self.fills: list[Heard] = []
        self.told: list[live_state.Heard] = []
        self.in_turn: list[str] = []
        self.woken = asyncio.Event()

    def put(self, event: live_state.Heard, *, wake: bool = True) -> None:
        self.told.append(event)
        self.in_turn.append("told" if wake else "told quietly")

    def wake(self) -> None:
        self.woken.set()

    def record(self, fills: list[Heard], *, droppable: bool = False) -> Submission | None:  # noqa: ARG002
        self.fills += fills
        self.in_turn.append("recorded")
        return None if self._is_full else Submission(fills)


class Alerts:
    """What a person is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def alert(self, kind: str, text: str, **_: object) -> None:
        self.told.append((kind, text))


def a_session(writer: Recording, keep_raw: Any = None, alerts: Any = None, *, accounts: int = 1) -> AccountSession:
    config = SessionConfig(
        accounts=accounts,
        account=an_account(),
        endpoints=paper_endpoints("http://127.0.0.1:1"),
        credentials=Credentials(key="key", secret="secret"),
        owners=alone(),
        timing=RecoveryTiming(lag_s=0.0, look_every_s=1.0, settle_s=1.0),
    )
    taking: Any = writer
    return AccountSession(config, taking, taking, keep_raw, alerts)


def leading(session: AccountSession, *, epoch: int = 1, proven_until: datetime | None = START) -> None:
    session.took(epoch)
    assert session.lead(epoch, proven_until)


def hear(session: AccountSession, n: int) -> None:
    """The n-th execution on the stream, and the position after it."""
    session.on_frame(wire.frame("execution", wire.execution(execId=f"exec-{n}", seq=n)))
    session.on_frame(wire.frame("position", wire.position(seq=n)))


def heard(n: int) -> Heard:
    return Heard(fill=a_fill(Side.BUY, "1", at="100", n=n), source=FillSource.STREAM, received_at=now())


class BreaksWhileAsked(threading.Event):
    """The connection breaks, on the event loop's thread, just after it was found to be up."""

    def __init__(self, session: AccountSession) -> None:
        super().__init__()
        self._session = session
        self.breaking = threading.Thread(target=session.on_state, args=(StreamState.STALE, "cut off"))

    def is_set(self) -> bool:
        found = super().is_set()
        self.breaking.start()
        self.breaking.join(0.2)
        return found


def test_an_account_whose_stream_breaks_while_it_becomes_live_is_not_live() -> None:
    session = a_session(Recording())
    leading(session)
    session.connected = breaking = BreaksWhileAsked(session)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.live(session.generation)
    breaking.breaking.join(5)
    assert session.state is AccountState.STALE


def test_a_gap_that_lasts_is_told_and_so_is_its_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts, clock = Alerts(), [0.0]
    monkeypatch.setattr("websocket_listener.account_session.time.monotonic", lambda: clock[0])
    session = a_session(Recording(), alerts=alerts)
    leading(session)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.live(session.generation)
    session.on_state(StreamState.STALE, "cut off")
    for clock[0] in (1.0, 30.0):
        session.look_after()
    assert alerts.told == []
    for clock[0] in (32.0, 33.0):
        session.look_after()
    ((kind, text),) = alerts.told
    assert kind == "account_not_live"
    assert "stale for more than 30 s" in text
    session.on_state(StreamState.SUBSCRIBED, "")
    session.live(session.generation)
    for clock[0] in (34.0, 35.0):
        session.look_after()
    assert [kind for kind, _ in alerts.told] == ["account_not_live", "account_live"]


def test_fills_wait_for_the_gap_before_them() -> None:
    writer = Recording()
    session = a_session(writer)
    leading(session)
    session.on_state(StreamState.SUBSCRIBED, "")
    assert session.held.offer([heard(1)])
    session.release()
    assert [one.fill.seq for one in writer.fills] == [1]


def test_after_each_new_connection_fills_wait_again() -> None:
    writer = Recording()
    session = a_session(writer)
    leading(session)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.release()
    hear(session, 1)
    session.on_state(StreamState.STALE, "cut off")
    session.on_state(StreamState.SUBSCRIBED, "")
    hear(session, 3)
    assert [one.fill.seq for one in writer.fills] == [1]
    session.release()
    assert [one.fill.seq for one in writer.fills] == [1, 3]


def test_fills_wait_for_at_most_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a gap that takes long to be read
    clock = [0.0]
    monkeypatch.setattr("websocket_listener.held_fills.time.monotonic", lambda: clock[0])
    writer = Recording()
    session = a_session(writer)
    leading(session)
    session.on_state(StreamState.SUBSCRIBED, "")
    hear(session, 1)
    clock[0] = 4.9
    session.look_after()
    assert writer.fills == []
    # when the time is over
    clock[0] = 5.1
    session.look_after()
    # then what waited goes first, and what comes does not wait
    hear(session, 2)
    assert [one.fill.seq for one in writer.fills] == [1, 2]


def test_fills_are_not_folded_before_the_position_they_changed_is_adopted() -> None:
    # given a first start that ends before it could ask for the positions
    writer = Recording()
    session = a_session(writer)
    leading(session, proven_until=None)
    session.on_state(StreamState.SUBSCRIBED, "")
    assert session.held.offer([heard(1)])
    # when
    session.release()
    # then
    assert writer.fills == []


def test_a_standby_remembers_what_it_hears_and_goes_on_with_it_once_it_leads() -> None:
    # given a standby that hears two fills
    taking = Recording()
    session = a_session(taking)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.held_elsewhere("another:1")
    assert (session.state, session.role) == (AccountState.STANDBY, Role.STANDBY)
    hear(session, 1)
    hear(session, 2)
    assert (taking.fills, taking.told) == ([], [])
    # when it leads
    leading(session)
    # then the fills wait for the gap before them, before those that come now, and of the positions the latest is told
    hear(session, 3)
    assert session.state is AccountState.RECOVERING
    assert [[position.seq for position in told.positions] for told in taking.told] == [[2], [3]]
    session.release()
    assert [one.fill.seq for one in taking.fills] == [1, 2, 3]
    assert session.live(session.generation)


def test_what_a_fenced_session_had_not_written_is_let_go_and_what_comes_is_remembered() -> None:
    taking = Recording()
    session = a_session(taking)
    session.on_state(StreamState.SUBSCRIBED, "")
    leading(session)
    hear(session, 1)
    generation = session.generation
    # when another takes the account
    assert session.stand_by("another has it")
    assert not session.stand_by("told again")
    session.held_elsewhere("another:1")
    hear(session, 2)
    session.release()
    # then
    assert session.state is AccountState.STANDBY
    assert taking.fills == []
    assert not session.live(generation)
    assert not session.lead(1, START)
    # and when it is taken again, what it heard since goes on
    leading(session, epoch=3)
    session.release()
    assert [one.fill.seq for one in taking.fills] == [2]


def test_a_session_whose_stream_comes_back_stands_by_as_before() -> None:
    session = a_session(Recording())
    session.on_state(StreamState.SUBSCRIBED, "")
    session.held_elsewhere("another:1")
    session.on_state(StreamState.STALE, "cut off")
    assert (session.state, session.is_ready) == (AccountState.STALE, False)
    session.on_state(StreamState.SUBSCRIBED, "")
    assert (session.state, session.is_ready) == (AccountState.STANDBY, True)


def test_what_a_standby_cannot_read_is_left_to_the_holder() -> None:
    kept: list[str] = []
    session = a_session(Recording(), keep_raw=lambda *_: kept.append("raw"))
    session.on_state(StreamState.SUBSCRIBED, "")
    session.held_elsewhere("another:1")
    session.on_frame({"topic": "dcp.future", "creationTime": 1, "data": []})
    assert kept == []
    leading(session)
    session.on_frame({"topic": "dcp.future", "creationTime": 1, "data": []})
    assert kept == ["raw"]


def test_what_was_heard_before_the_first_contact_is_in_the_position_that_is_adopted() -> None:
    taking = Recording()
    session = a_session(taking)
    session.on_state(StreamState.SUBSCRIBED, "")
    hear(session, 1)
    leading(session, proven_until=None)
    hear(session, 2)
    session.adopting = False
    session.release()
    assert [one.fill.seq for one in taking.fills] == [2]


def test_a_fill_that_nothing_holds_is_not_folded_before_that_either() -> None:
    taking = Recording()
    session = a_session(taking)
    leading(session, proven_until=None)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.release()
    hear(session, 1)
    assert taking.fills == []
    # and once the position is adopted it is
    session.adopting = False
    hear(session, 2)
    assert [one.fill.seq for one in taking.fills] == [2]


def read(session: AccountSession, *told: tuple[str, dict[str, Any]]) -> list[str]:
    """One read of the socket that brings these messages; answers the topics of those that were taken."""
    messages = [orjson.dumps(wire.frame(topic, item)) for topic, item in told]
    topics = session.take_messages(messages, lambda message: session.on_frame(orjson.loads(message)))
    session.end_read()
    return topics


def a_leader(taking: Recording, keep_raw: Any = None) -> AccountSession:
    session = a_session(taking, keep_raw=keep_raw)
    leading(session)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.release()
    taking.told.clear()
    taking.in_turn.clear()
    return session


@asynccontextmanager
async def on_its_loop(session: AccountSession) -> AsyncIterator[None]:
    running = asyncio.create_task(session.run())
    await asyncio.sleep(0)
    yield
    session.stop()
    await running


def test_fills_are_on_their_way_before_anything_else_of_their_read_is_read() -> None:
    taking = Recording()
    session = a_leader(taking)
    topics = read(
        session,
        ("order", wire.order(orderId="first")),
        ("execution", wire.execution()),
        ("position", wire.position(seq=7)),
        ("order", wire.order(orderId="second")),
    )
    assert topics == ["order", "execution", "position", "order"]
    assert taking.in_turn == ["recorded", "told"]
    (told,) = taking.told
    assert (told.orders, told.positions) == ((), ())
    assert told.unread is not None
    orders, positions = told.unread.read()
    assert [order.order_id for order in orders] == ["first", "second"]
    assert [position.seq for position in positions] == [7]
    assert session.last_frame_at == taking.fills[0].received_at


async def test_what_comes_with_a_fill_wakes_nobody_before_the_commit_unless_that_takes_long() -> None:
    taking = Recording()
    session = a_leader(taking)
    async with on_its_loop(session):
        read(session, ("execution", wire.execution()), ("order", wire.order()))
        assert taking.in_turn == ["recorded", "told quietly"]
        assert not taking.woken.is_set()
        await asyncio.wait_for(taking.woken.wait(), 5)
        # and the next one is not waited for either
        taking.woken.clear()
        read(session, ("execution", wire.execution(execId="another")), ("order", wire.order()))
        await asyncio.wait_for(taking.woken.wait(), 5)


async def test_what_no_commit_follows_is_told_at_once() -> None:
    for taking, told in (
        (Recording(), [("order", wire.order())]),
        (Recording(is_full=True), [("execution", wire.execution()), ("order", wire.order())]),
    ):
        session = a_leader(taking)
        async with on_its_loop(session):
            read(session, *told)
            assert taking.in_turn[-1] == "told"


def test_an_order_of_another_shape_is_read_all_the_same_and_what_cannot_be_read_is_kept_raw() -> None:
    kept: list[tuple[str, Any]] = []

    def keep(_: AccountName, topic: str, error: UnknownMessage) -> None:
        kept.append((topic, error.raw))

    taking = Recording()
    session = a_leader(taking, keep)
    unusual = wire.order(orderId="unusual", qty=None, reduceOnly="no")
    read(session, ("order", unusual), ("order", wire.order(orderId="usual")))
    session.take_messages([b'{"topic":"position","data":['], lambda _: None)
    session.end_read()
    read_again = [each.unread.read() for each in taking.told if each.unread is not None]
    assert [[order.order_id for order in orders] for orders, _ in read_again] == [["usual"], []]
    assert kept == [("order", unusual), ("position", b'{"topic":"position","data":[')]
    # and one that only the patient reader can read
    read(session, ("order", wire.order(orderId="patient", price=None)))
    assert taking.told[-1].unread is not None
    assert [order.order_id for order in taking.told[-1].unread.read()[0]] == ["patient"]


def nested(depth: int, **changes: Any) -> bytes:
    """The report of an order with a field that is new to us, nested so deeply."""
    report = orjson.dumps(wire.frame("order", wire.order(orderId="bad", new=0, **changes)))
    return report.replace(b'"new":0', b'"new":' + b"[" * depth + b"]" * depth)


NOT_TO_BE_READ = {
    "nested deeper than is read": nested(2000),
    "nested deeper than is written": nested(300, qty=None),
    "larger than any number": orjson.dumps(wire.frame("position", wire.position(size="1E999999999"))),
}


@pytest.mark.parametrize("message", NOT_TO_BE_READ.values(), ids=NOT_TO_BE_READ)
def test_what_cannot_be_read_takes_nothing_else_with_it(message: bytes) -> None:
    kept: list[bytes] = []

    def keep(_: AccountName, __: str, error: UnknownMessage) -> None:
        kept.append(error.raw if isinstance(error.raw, bytes) else orjson.dumps(error.raw))

    taking = Recording()
    session = a_leader(taking, keep)
    others = [orjson.dumps(wire.frame("order", wire.order(orderId=name))) for name in ("before", "after")]
    session.take_messages([others[0], message, others[1]], lambda _: None)
    session.end_read()
    (told,) = taking.told
    assert told.unread is not None
    orders, positions = told.unread.read()
    assert ([order.order_id for order in orders], positions) == (["before", "after"], [])
    assert len(kept) == 1
    assert kept[0] in message


def test_a_failure_of_ours_is_told_with_its_trace_beside_the_message_that_it_met() -> None:
    kept: list[tuple[str, str, Any]] = []

    def keep(_: AccountName, topic: str, error: UnknownMessage) -> None:
        kept.append((topic, error.reason.partition(":")[0], error.raw))

    taking = Recording()
    session = a_leader(taking, keep)
    message = nested(2000)
    session.take_messages([message], lambda _: None)
    session.end_read()
    (told,) = taking.told
    assert told.unread is not None
    with capture_logs() as logged:
        assert told.unread.read() == ([], [])
    assert kept == [("order", "RecursionError", message)]
    assert [(line["event"], line["topic"], line["exc_info"]) for line in logged] == [("state_not_read", "order", True)]


def test_a_standby_keeps_the_fills_that_come_with_what_it_cannot_read() -> None:
    taking = Recording()
    session = a_session(taking)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.held_elsewhere("another:1")
    fill, order = wire.frame("execution", wire.execution(seq=7)), wire.frame("order", wire.order(orderId="known"))
    session.take_messages([orjson.dumps(fill), nested(2000), orjson.dumps(order)], lambda _: None)
    session.end_read()
    leading(session)
    session.release()
    assert [heard.fill.seq for heard in taking.fills] == [7]
    (told,) = taking.told
    assert [order.order_id for order in told.orders] == ["known"]


def test_a_message_that_is_left_to_the_frames_keeps_its_place_among_the_fills() -> None:
    taking = Recording()
    session = a_leader(taking)
    topics = read(
        session,
        ("execution", wire.execution(execId="one", seq=1)),
        ("execution", wire.execution(execId="two", seq=2, markPrice=None)),
        ("execution", wire.execution(execId="three", seq=3)),
    )
    assert topics == ["execution", "execution"]
    assert [heard.fill.seq for heard in taking.fills] == [1, 2, 3]


def test_a_topic_within_something_else_is_not_that_of_the_message() -> None:
    taking = Recording()
    session = a_leader(taking)
    fill, order = wire.frame("execution", wire.execution(seq=7)), wire.frame("order", wire.order(orderId="one"))
    messages = [
        orjson.dumps({"of": {"topic": other["topic"]}} | frame) for frame, other in ((fill, order), (order, fill))
    ]
    session.take_messages(messages, lambda message: session.on_frame(orjson.loads(message)))
    session.end_read()
    assert [heard.fill.seq for heard in taking.fills] == [7]
    (told,) = taking.told
    assert [order.order_id for order in told.orders] == ["one"]


def test_a_fill_under_a_topic_that_is_told_twice_is_kept_raw() -> None:
    kept: list[Any] = []
    taking = Recording()
    session = a_leader(taking, lambda *told: kept.append((told[1], told[2].raw)))
    fill = orjson.dumps(wire.frame("execution", wire.execution()))
    message = b'{"topic":"order",' + fill[1:]
    session.take_messages([message], lambda _: None)
    session.end_read()
    (told,) = taking.told
    assert told.unread is not None
    assert told.unread.read() == ([], [])
    assert kept == [("order", message)]


def test_a_standby_keeps_of_an_order_what_was_told_last_however_it_was_read() -> None:
    taking = Recording()
    session = a_session(taking)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.held_elsewhere("another:1")
    first = wire.frame("order", wire.order(orderStatus="New", cumExecQty="0"))
    then = {"of": {}} | wire.frame("order", wire.order(orderStatus="Filled", cumExecQty="0.003"))
    session.take_messages(
        [orjson.dumps(first), orjson.dumps(then)], lambda message: session.on_frame(orjson.loads(message))
    )
    session.end_read()
    leading(session)
    (told,) = taking.told
    assert [order.status for order in told.orders] == [OrderStatus.FILLED]


def test_a_standby_remembers_orders_and_positions_that_nobody_has_read() -> None:
    taking = Recording()
    session = a_session(taking)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.held_elsewhere("another:1")
    read(session, ("position", wire.position(seq=1)), ("order", wire.order(orderId="known")))
    read(session, ("position", wire.position(seq=2)))
    assert taking.told == []
    leading(session)
    (told,) = taking.told
    assert [position.seq for position in told.positions] == [2]
    assert [order.order_id for order in told.orders] == ["known"]


def test_many_accounts_remember_fewer_committed_fills_each() -> None:
    # A fill takes more than a kilobyte: with a thousand of each, 50 accounts would hold as much as all the rest does.
    fills = [heard(n).fill for n in range(1, 1_201)]
    forgotten = {}
    for accounts in (1, 10, 50):
        known = a_session(Recording(), accounts=accounts).known_fills
        known.committed(fills)
        forgotten[accounts] = len(known.lacking(fills))
    assert forgotten == {1: 200, 10: 700, 50: 1_100}
