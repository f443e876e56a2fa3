"""Alerts reach ledger and bus, and nobody who alerts waits or fails."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import structlog.testing

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.alerts import Alert, alerts_after
from alpha.ledger.connection import Dsn, connect
from alpha.live import bus, waiting_alerts
from alpha.live.connection import BUS_DB, RedisAddress, open_redis
from alpha.local.ports import free_port
from alpha.service.alerts import AlertWriter, Severity
from tests.support import Database, eventually


def stored(database: Database) -> list[Alert]:
    with closing(connect(database.dsn("reader"), "test")) as connection:
        return [alert for _, alert in alerts_after(connection, 0)]


class Door:
    """A port that leads to a server once it is opened."""

    def __init__(self, to_port: int) -> None:
        self.port = free_port()
        self._to_port = to_port
        self._listening: socket.socket | None = None

    def open(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def close(self) -> None:
        if self._listening is not None:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                inside, _ = listening.accept()
            except OSError:
                return
            outside = socket.create_connection(("127.0.0.1", self._to_port))
            for source, target in ((inside, outside), (outside, inside)):
                threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with source, target:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            return


@pytest.fixture
def door(database: Database) -> Iterator[Door]:
    door = Door(database.owner.port)
    yield door
    door.close()


def through(door: Door, dsn: Dsn) -> Dsn:
    return replace(dsn, port=door.port)


def test_an_alert_is_in_the_ledger_and_on_the_bus(database: Database, redis_address: RedisAddress) -> None:
    writer = AlertWriter(database.dsn("ledger_writer"), redis_address, "listener")
    writer.alert(
        "drift",
        "ledger and exchange disagree",
        severity="error",
        account=AccountName("canary"),
        bot=BotId("canary_001"),
        symbol="BTCUSDT",
    )
    assert writer.flush(10)
    (alert,) = stored(database)
    assert (alert.kind, alert.text, alert.severity) == ("drift", "ledger and exchange disagree", Severity.ERROR)
    assert (alert.service, alert.account, alert.bot, alert.fields) == (
        "listener",
        "canary",
        "canary_001",
        {"symbol": "BTCUSDT"},
    )
    with open_redis(redis_address, BUS_DB) as redis:
        ((_, message),) = bus.read(redis, bus.ALERTS, after="0")
    assert (message["kind"], message["bot"], message["fields"]) == ("drift", "canary_001", {"symbol": "BTCUSDT"})
    writer.close()


def test_alerts_wait_for_the_database_and_come_in_order(database: Database, door: Door) -> None:
    writer = AlertWriter(through(door, database.dsn("bot")), None, "bot")
    for number in range(5):
        writer.alert("numbered", str(number))
    assert not writer.flush(0.05)
    assert stored(database) == []
    door.open()
    assert eventually(lambda: writer.flush(0.05), what="all written")
    assert [alert.text for alert in stored(database)] == ["0", "1", "2", "3", "4"]
    assert writer.dropped == 0
    writer.close()


def test_while_the_database_is_away_the_bus_is_told_and_the_next_process_writes_what_waited(
    database: Database, redis_address: RedisAddress, door: Door
) -> None:
    dsn = through(door, database.dsn("bot"))
    first = AlertWriter(dsn, redis_address, "bot")
    for number in range(3):
        first.alert("numbered", str(number), severity="error", field=number)
    with open_redis(redis_address, BUS_DB) as redis:
        eventually(lambda: len(bus.read(redis, bus.ALERTS, after="0")) == 3, what="the bus to be told")
        eventually(lambda: len(waiting_alerts.kept(redis, "bot")) == 3, what="the alerts to be kept")
        # when the process ends before the database comes back
        first.close(0.05)
        door.open()
        second = AlertWriter(dsn, redis_address, "bot")
        second.alert("numbered", "3")
        eventually(lambda: len(stored(database)) == 4, what="all of them")
        # then each of them is in the ledger once, as it was, and nothing waits
        assert [(alert.text, alert.severity) for alert in stored(database)] == [
            ("0", Severity.ERROR),
            ("1", Severity.ERROR),
            ("2", Severity.ERROR),
            ("3", Severity.WARNING),
        ]
        assert stored(database)[1].fields == {"field": 1}
        eventually(lambda: waiting_alerts.kept(redis, "bot") == [], what="nothing to be kept")
        assert len(bus.read(redis, bus.ALERTS, after="0")) == 4
    second.close()


def test_a_full_queue_lets_go_of_the_oldest(database: Database, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpha.service.alerts._KEPT", 3)
    writer = AlertWriter(through(door, database.dsn("bot")), None, "bot")
    writer.alert("numbered", "first")
    eventually(lambda: writer._writing, what="the first is being written")
    for number in range(5):
        writer.alert("numbered", str(number))
    assert writer.dropped == 2
    door.open()
    assert eventually(lambda: writer.flush(0.05), what="all written")
    assert [alert.text for alert in stored(database)] == ["first", "2", "3", "4"]
    writer.close()


def test_one_that_the_database_refuses_does_not_hold_up_the_rest(database: Database) -> None:
    writer = AlertWriter(database.dsn("reader"), None, "reader")
    writer.alert("refused", "readers may not write")
    assert writer.flush(10)
    assert writer.dropped == 1
    writer.close()


def test_closing_does_not_wait_for_a_database_that_is_away(database: Database, door: Door) -> None:
    writer = AlertWriter(through(door, database.dsn("bot")), None, "bot")
    writer.alert("late", "nobody will store this")
    eventually(lambda: writer._writing, what="it is being written")
    writer.close(0.05)
    eventually(lambda: not writer._thread.is_alive(), what="the thread has ended")
    assert writer.dropped == 1


def test_one_that_cannot_be_written_anywhere_is_in_the_log_as_such(
    database: Database, redis_address: RedisAddress, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alpha.service.alerts._KEPT", 1)
    with structlog.testing.capture_logs() as lines:
        writer = AlertWriter(through(door, database.dsn("bot")), None, "bot")
        for number in range(3):
            writer.alert("numbered", str(number))
            eventually(lambda: writer._writing, what="the first is being written")
        writer.close(0.05)
        kept = AlertWriter(through(door, database.dsn("bot")), redis_address, "bot")
        kept.alert("numbered", "3")
        with open_redis(redis_address, BUS_DB) as client:
            eventually(lambda: waiting_alerts.kept(client, "bot"), what="it is kept")
        kept.close(0.05)
    lost = [line for line in lines if line["event"] == "alert_lost"]
    assert [line["text"] for line in lost] == ["1", "0", "2"]
    assert {line["log_level"] for line in lost} == {"error"}
