"""What could not be read waits verbatim, and goes into the ledger in the one way when it can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from alpha.domain.ids import AccountName
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import parse_fill
from alpha.ledger.alerts import Alert, alert_answering, alerts_after
from alpha.ledger.connection import Connection, Dsn, connect, transaction
from alpha.ledger.fill_rows import FillSource, RecordedFill
from alpha.ledger.heads import take_account
from alpha.ledger.orders import open_orders
from alpha.ledger.raw_events import RawEvent, add_raw_event, ask_for_replay, waiting_raw_events
from alpha.ledger.reading import fills_between
from alpha.live.connection import RedisAddress
from alpha.live.wire import now
from alpha.service.alerts import AlertWriter
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess
from tests.integration.listener.heard import heard
from tests.integration.listener.platform import Followed
from tests.integration.listener.processes import CANARY, CN1, SHORTSELLER, SS, ServiceProcess
from tests.integration.listener.relay import Relay
from tests.support import Database, eventually
from tests.unit.domain.fills import BTCUSDT, MAIN, START
from tests.unit.exchange import wire
from tests.unit.listener.accounts import ONE, shared
from websocket_listener.bookkeeping import Bookkeeping
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.raw_reading import REFUSED_FILL
from websocket_listener.unread_states import UnreadStates
from websocket_listener.write_queue import Heard
from websocket_listener.writer import Refused, Writer

pytestmark = pytest.mark.slow


class Listening:
    """A writer with its books, which holds the account `main`, and looks into what they made of it."""

    def __init__(self, database: Database, ledger: Connection) -> None:
        self._dsn: Dsn = database.dsn("ledger_writer")
        self._ledger = ledger
        self.alerts = AlertWriter(self._dsn, None, "tests")
        self.books = Bookkeeping(self.alerts, ListenerMetrics())
        self.refused: list[Refused] = []
        self.writer = Writer(
            self._dsn,
            on_committed=self.books.recorded,
            on_refused=self._refused,
            on_fenced=lambda _: None,
            on_turn=self.books.take_turn,
        )
        self.books.use(self.writer)
        self.reading = connect(database.dsn("reader"), "tests")
        self.commanding = connect(database.dsn("commander"), "tests")

    def _refused(self, refused: Refused) -> None:
        self.refused.append(refused)
        self.books.refused(refused)

    def begin(self) -> None:
        """Takes the account, as at a start."""
        self.writer.add_account(shared(), take_account(self._ledger, MAIN, "tests"), [])
        self.writer.start()

    def end(self) -> None:
        self.writer.stop(1.0)
        self.alerts.close()
        self.reading.close()
        self.commanding.close()

    def asked(self) -> Alert:
        """A person asks; the answer."""
        number = ask_for_replay(self.commanding, MAIN, by="cli:test")
        return eventually(lambda: alert_answering(self.reading, number), what="the answer")

    @property
    def fills(self) -> list[RecordedFill]:
        return fills_between(self.reading, MAIN, START.replace(year=2000), START.replace(year=2100))

    @property
    def waiting(self) -> list[RawEvent]:
        return waiting_raw_events(self.reading)

    def results(self) -> list[str]:
        """What came of the messages that were read, oldest first."""
        with transaction(self.reading) as cursor:
            cursor.execute("SELECT replay_result FROM trading.raw_events WHERE replayed_at IS NOT NULL ORDER BY id")
            return [result for (result,) in cursor.fetchall()]

    def keep(self, topic: str, message: Any) -> None:
        """As if an older release could not have read it."""
        self.books.keep_raw(MAIN, topic, UnknownMessage("new to this release", message))


@pytest.fixture
def listening(database: Database, ledger: Connection) -> Iterator[Listening]:
    found = Listening(database, ledger)
    yield found
    found.end()


def store(connection: Connection, topic: str, message: Any, *, account: AccountName = MAIN) -> int:
    raw = message if isinstance(message, str) else json.dumps(message)
    return add_raw_event(
        connection, account=account, topic=topic, reason="new to this release", raw=raw, received_at=now()
    )


def test_what_waits_is_read_when_the_account_is_taken(listening: Listening, ledger: Connection) -> None:
    store(ledger, "execution", wire.execution(execId="a", orderLinkId=""))
    store(ledger, "execution", wire.frame("execution", wire.execution(execId="b"), wire.execution(execId="c")))
    listening.begin()
    eventually(lambda: not listening.waiting, what="the messages to be read")
    assert sorted((fill.fill.exec_id, fill.source) for fill in listening.fills) == [
        ("a", FillSource.REPLAY),
        ("b", FillSource.REPLAY),
        ("c", FillSource.REPLAY),
    ]
    # BTCUSDT is the first bot's alone: attributed and numbered as every fill
    assert [(fill.attribution.bot, fill.bot_seq) for fill in listening.fills] == [(ONE, 1), (ONE, 2), (ONE, 3)]
    assert listening.results() == ["1 fills recorded", "2 fills recorded"]


def test_a_row_of_a_rest_list_which_names_no_category_is_read(listening: Listening, ledger: Connection) -> None:
    row = wire.execution()
    del row["category"]
    store(ledger, "execution", row)
    listening.begin()
    eventually(lambda: listening.fills, what="the fill")
    assert listening.fills[0].fill.category == "linear"


def test_asking_again_changes_nothing(listening: Listening, ledger: Connection) -> None:
    listening.begin()
    store(ledger, "execution", wire.execution())
    first = listening.asked()
    assert (first.fields["read"], first.fields["recorded"], first.fields["unreadable"]) == (1, 1, 0)
    again = listening.asked()
    assert (again.fields["read"], again.fields["recorded"]) == (0, 0)
    assert len(listening.fills) == 1


def test_a_fill_that_is_there_already_is_not_recorded_twice(listening: Listening, ledger: Connection) -> None:
    listening.begin()
    known = heard(1)
    submission = listening.writer.record([known])
    assert submission is not None
    assert submission.done.wait(30)
    store(
        ledger,
        "execution",
        wire.execution(
            execId=known.fill.exec_id,
            execTime=str(int(known.fill.exec_time.timestamp() * 1000)),
            seq=known.fill.seq,
            execPrice="100",
            execQty="1",
            execFee="0",
            orderId=known.fill.order_id,
            orderLinkId="",
        ),
    )
    answer = listening.asked()
    assert (answer.fields["read"], answer.fields["recorded"]) == (1, 0)
    assert listening.results() == ["0 fills recorded, 1 were there already"]
    assert [fill.source for fill in listening.fills] == [FillSource.STREAM]


def test_what_still_cannot_be_read_goes_on_waiting_and_says_why(listening: Listening, ledger: Connection) -> None:
    listening.begin()
    store(ledger, "execution", wire.execution(execType="Conjured"))
    store(ledger, "", "no JSON")
    missing = wire.execution()
    del missing["execQty"]
    store(ledger, "execution", missing)
    store(ledger, "execution", wire.execution(symbol="BTC-30JAN26-90000-C", category="option", feeCurrency=""))
    answer = listening.asked()
    assert (answer.fields["read"], answer.fields["unreadable"]) == (0, 4)
    assert answer.severity == "warning"
    tried = [event.tried or "" for event in listening.waiting]
    assert [
        word for word, text in zip(("Conjured", "no JSON", "execQty", "option"), tried, strict=True) if word in text
    ] == [
        "Conjured",
        "no JSON",
        "execQty",
        "option",
    ]
    assert listening.fills == []


def test_an_order_is_stored_and_a_position_is_of_a_moment_that_has_passed(
    listening: Listening, ledger: Connection
) -> None:
    store(ledger, "order", wire.order(orderLinkId="b1-en-aaaaaaaaaaaaaaaaaaaa"))
    store(ledger, "position", wire.position())
    listening.begin()
    eventually(lambda: not listening.waiting, what="the messages to be read")
    ((order, bot),) = open_orders(listening.reading, MAIN)
    assert (order.symbol, bot) == (BTCUSDT, ONE)
    assert listening.results() == ["1 orders stored", "of a moment that has passed"]


def test_a_message_told_again_after_a_restart_is_kept_once(listening: Listening, ledger: Connection) -> None:
    listening.begin()
    listening.keep("execution", {"execType": "Conjured"})
    eventually(lambda: listening.waiting, what="the message")
    # a restart forgets what was kept, and recovery reads the same row again
    assert store(ledger, "execution", orjson.dumps({"execType": "Conjured"}).decode()) == listening.waiting[0].number
    assert len(listening.waiting) == 1


def test_an_execution_under_two_topics_is_recorded_when_it_is_read_again_and_not_again_by_recovery(
    listening: Listening,
) -> None:
    row = wire.execution(orderLinkId="")
    fill = parse_fill(row, MAIN)
    message = b'{"topic":"order",' + orjson.dumps(wire.frame("execution", row)).removeprefix(b"{")
    listening.begin()
    # what waits is read when the account is taken: that is over before the message comes
    listening.asked()
    states = UnreadStates(MAIN, [message], lambda topic, error: listening.books.keep_raw(MAIN, topic, error))
    assert states.read() == ([], [])
    (kept,) = eventually(lambda: listening.waiting, what="the message")
    assert (kept.topic, kept.reason, kept.raw) == ("order", "it is of the topic execution as well", message.decode())
    assert listening.fills == []
    # when it is read again before the next look over REST
    assert listening.asked().fields["recorded"] == 1
    assert [(fill.fill, fill.source) for fill in listening.fills] == [(fill, FillSource.REPLAY)]
    # then that look brings nothing new
    submission = listening.writer.record([Heard(fill=fill, source=FillSource.RECOVERY, received_at=now())])
    assert submission is not None
    assert submission.done.wait(30)
    assert [fill.source for fill in listening.fills] == [FillSource.REPLAY]


def test_what_nobody_writes_any_more_is_in_the_log(listening: Listening) -> None:
    listening.begin()
    listening.writer.stop()
    with capture_logs() as logged:
        listening.keep("order", wire.order(orderId="a"))
    (line,) = [line for line in logged if line["event"] == "raw_event_in_log_only"]
    assert (line["topic"], json.loads(line["raw"])["orderId"], line["why"]) == ("order", "a", "the process ends")


def test_a_fill_that_the_ledger_refused_is_kept_so_that_it_can_be_read_again(
    listening: Listening, database: Database
) -> None:
    refuse = "ALTER TABLE trading.fills ADD CONSTRAINT not_that CHECK (exec_id <> 'exec-2') NOT VALID"
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute(refuse)
    listening.begin()
    listening.writer.record([heard(1), heard(2)])
    (kept,) = eventually(lambda: listening.waiting, what="the refused fill")
    assert (kept.topic, [fill.fill.exec_id for fill in listening.fills]) == (REFUSED_FILL, ["exec-1"])
    # while the reason stands it waits
    assert listening.asked().fields["unreadable"] == 1
    assert len(listening.waiting) == 1
    # and when it is gone the fill is recorded as it was heard
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("ALTER TABLE trading.fills DROP CONSTRAINT not_that")
    assert listening.asked().fields["recorded"] == 1
    assert [fill.fill for fill in listening.fills] == [heard(1).fill, heard(2).fill]


class OlderListener(ServiceProcess):
    """The listener before the update."""

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.listener.older_release", "listener"],
                cwd=PROJECT_ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
            )


def raw_executions(followed: Followed) -> set[str]:
    """Of which executions messages wait: that of the stream and the row of the list."""
    return {json.loads(event.raw)["execId"] for event in followed.query(waiting_raw_events)}


def test_after_an_update_everything_is_recorded_once_and_the_doubt_is_over(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> None:
    with Relay(paper_exchange.private_url) as relay:
        followed = Followed(tmp_path, paper_exchange, database, redis_address, relay)
        older = OlderListener("listener", tmp_path / "older.log", followed.listener.env)
        with older:
            # given a release that cannot read trades, on the stream or over REST
            older.until_ok()
            proven = older.account(SHORTSELLER)["proven_until"]
            followed.trader.round_trips(SS, 2)
            followed.trader.round_trips(CN1, 1)
            executed = followed.trader.executed()
            eventually(lambda: raw_executions(followed) == set(executed), what="the raw messages")
            assert followed.fills() == []
            # then it counts and says what it does not understand, and proves nothing meanwhile
            eventually(lambda: "cannot be read" in older.account(SHORTSELLER)["trouble"], what="the trouble")
            assert older.account(SHORTSELLER)["proven_until"] == proven
            told = followed.query(lambda c: [alert for _, alert in alerts_after(c, 0)])
            assert {(alert.kind, alert.account) for alert in told} >= {
                ("message_unreadable", SHORTSELLER),
                ("message_unreadable", CANARY),
            }
            assert older.stop() == 0
        # when the release that can read them starts
        with followed.listener as listener:
            listener.until_ok()
            followed.until_recorded()
            # then every message is read, every execution is there once, and the interval is proven
            eventually(lambda: followed.query(waiting_raw_events) == [], what="the raw messages to be read")
            followed.until_published(SS)
            followed.until_published(CN1)
            followed.until_proven(SHORTSELLER)
            followed.until_proven(CANARY)
        followed.trader.close()
