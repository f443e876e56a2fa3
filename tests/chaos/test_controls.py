"""What a person orders is obeyed: entries stop within a second, a stopped bot stops and stays stopped."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from alpha.ledger.connection import connect, transaction
from tests.chaos.trading import Trading

pytestmark = pytest.mark.slow

_WATCHED_S = 2.5


def entries_sent(trading: Trading, since_s: float) -> list[str]:
    """Entries that were written down for sending in the last `since_s` seconds of the database's clock."""
    with closing(connect(trading.platform.dsn("reader"), "tests")) as connection, transaction(connection) as cursor:
        cursor.execute(
            "SELECT bot FROM trading.order_intents"
            " WHERE reason = 'entry' AND created_at > clock_timestamp() - make_interval(secs => %s)",
            (since_s,),
        )
        return [bot for (bot,) in cursor.fetchall()]


def test_a_pause_stops_entries_within_a_second_and_exits_go_on(trading: Trading) -> None:
    # given bots that trade and hold something
    trading.more_fills(6)
    trading.with_a_position_open()
    # when a person forbids entries
    paused = trading.command("pause", "--why", "test")
    assert paused.returncode == 0, paused.stderr
    since = time.monotonic()
    # then the canaries' positions are closed nevertheless
    canaries = {("canary", "BTCUSDT"), ("canary", "ETHUSDT")}
    trading.until(lambda: not canaries & set(trading.admin.state().positions), what="the canaries' exits")
    # and a second after the order no entry is sent any more
    trading.until(lambda: time.monotonic() - since > 1 + _WATCHED_S, what="the time to watch")
    assert entries_sent(trading, _WATCHED_S) == []
    # until it is lifted
    lifted = trading.command("resume", "--why", "test is over")
    assert lifted.returncode == 0, lifted.stderr
    trading.until(lambda: entries_sent(trading, 2), what="entries again")


def test_a_stopped_bot_stays_stopped_until_it_is_started(trading: Trading) -> None:
    trading.more_fills(2)
    stopped = trading.command("stop", "canary_001", "--why", "test")
    assert stopped.returncode == 0, stopped.stderr
    bot = trading.platform.child("canary_001")
    trading.until(lambda: not bot.running and not bot.wanted, what="the bot to end")
    # the others trade on, and nobody starts it again
    trading.more_fills(4)
    assert not bot.running
    started = trading.command("start", "canary_001", "--why", "test is over")
    assert started.returncode == 0, started.stderr
    trading.until(lambda: bot.running, what="the bot to run")
    assert trading.at_rest().equal


def test_a_control_row_written_by_hand_is_obeyed_as_well(trading: Trading) -> None:
    trading.resume()
    trading.more_fills(2)
    with closing(connect(trading.platform.dsn("commander"), "tests")) as connection, transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.controls (scope, entries_allowed, by, why)"
            " VALUES ('bot:canary_002', false, 'tests', 'by hand')"
            " ON CONFLICT (scope) DO UPDATE SET entries_allowed = false"
        )
    since = time.monotonic()
    trading.until(lambda: time.monotonic() - since > 1 + _WATCHED_S, what="the time to watch")
    sent = entries_sent(trading, _WATCHED_S)
    assert "canary_002" not in sent
    assert "canary_001" in sent
