"""What services say on the bus reaches the notifier, whenever they say it."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from alpha.ledger.alerts import Alert
from alpha.live import answers
from alpha.live.connection import RedisAddress
from alpha.service.alerts import AlertWriter
from telegram_manager.notifier.bus_follower import BusFollower
from tests.support import Database, eventually


@pytest.mark.parametrize("had_said_something", [False, True])
def test_an_alert_between_two_looks_is_heard(
    database: Database, redis_address: RedisAddress, monkeypatch: pytest.MonkeyPatch, had_said_something: bool
) -> None:
    heard: list[Alert] = []
    looks = 0
    with closing(AlertWriter(database.dsn("ledger_writer"), redis_address, "listener")) as writer:

        def says(text: str) -> None:
            writer.alert("something", text)
            assert writer.flush(20)

        def looks_and_then_somebody_speaks(*arguments: Any, **options: Any) -> Any:
            nonlocal looks
            found = answers.entries_after(*arguments, **options)
            looks += 1
            if looks == 1:
                assert not found
                says("between two looks")
            return found

        if had_said_something:
            says("before anybody listened")
        monkeypatch.setattr("telegram_manager.notifier.bus_follower.entries_after", looks_and_then_somebody_speaks)
        follower = BusFollower(redis_address, on_alert=heard.append, on_fills=lambda: None)
        follower.start()
        try:
            eventually(lambda: heard)
        finally:
            follower.stop()
    assert [alert.text for alert in heard] == ["between two looks"]
