"""A running listener takes up what a person assigns, and follows books that another process has mended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.domain.ids import BotId
from alpha.domain.side import Side
from alpha.ledger.alerts import Alert, alerts_after
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import connect, transaction
from alpha.live import bus
from alpha.live.connection import BUS_DB, RedisAddress, open_redis
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess
from tests.integration.listener.platform import Followed
from tests.integration.listener.processes import BTCUSDT, CANARY, CN1, CN2
from tests.integration.listener.relay import Relay
from tests.support import Database, eventually

pytestmark = pytest.mark.slow  # a listener and a paper exchange as processes


@pytest.fixture
def followed(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> Iterator[Followed]:
    """A listener that is live."""
    with Relay(paper_exchange.private_url) as relay:
        everything = Followed(tmp_path, paper_exchange, database, redis_address, relay)
        with everything.listener as listener:
            listener.until_ok()
            yield everything
        everything.trader.close()


def alpha(followed: Followed, *arguments: str, group: str) -> subprocess.CompletedProcess[str]:
    """A command of a person who has the group's login, where no platform of this directory runs."""
    dsn = followed.database.dsn(group)
    return subprocess.run(
        [sys.executable, "-m", "alpha.cli", *arguments],
        cwd=followed.registry.parent,
        env=followed.listener.env
        | {
            "PYTHONPATH": str(PROJECT_ROOT),
            "ALPHA_HOME": str(followed.registry.parent / "nobody"),
            "POSTGRES_USER": dsn.user,
            "POSTGRES_PASSWORD": dsn.password,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def folded(followed: Followed) -> dict[BotId, Decimal]:
    books = followed.query(lambda ledger: books_of_account(ledger, CANARY))
    return {book.key.bot: book.position.quantity for book in books if book.key.symbol == BTCUSDT}


def alerts(followed: Followed, kind: str) -> list[Alert]:
    return [alert for _, alert in followed.query(lambda ledger: alerts_after(ledger, 0)) if alert.kind == kind]


def test_an_assigned_fill_moves_both_bots_books_positions_and_both_are_told(followed: Followed) -> None:
    # given a long of one bot of a shared account, by an order without a tag
    followed.trader.trade(CN1, Side.BUY, tagged=False)
    (fill,) = followed.until_recorded()
    eventually(lambda: followed.held(CN1) == Decimal("0.001"), what="the position")
    exec_id = fill.fill.exec_id
    # when a person says that it was the other's
    answer = alpha(followed, "assign", exec_id, CN2, "--why", "its test order", "--json", group="commander")
    # then the listener has done it when the command answers
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert (said["done"], said["from"], said["to"]) == (True, CN1, CN2)
    assert folded(followed) == {CN1: Decimal(0), CN2: Decimal("0.001")}
    # and the bot that has it no more sees so at once, without any fill
    eventually(lambda: followed.held(CN1) == 0, what="the position that is gone")
    # and both bots are told, by alert and on the bus
    told = eventually(lambda: found if len(found := alerts(followed, "fill_assigned")) == 2 else None, what="alerts")
    assert {alert.bot for alert in told} == {CN1, CN2}
    with open_redis(followed.redis, BUS_DB) as client:
        (event,) = eventually(
            lambda: [event for _, event in bus.read(client, bus.EVENTS, after="0") if event["kind"] == "fill_assigned"],
            what="the event",
        )
    assert (event["exec_id"], event["from"], event["to"]) == (exec_id, CN1, CN2)
    # and the listener goes on from the books as they are
    followed.trader.trade(CN1, Side.SELL)
    followed.until_recorded()
    assert folded(followed) == {CN1: Decimal("-0.001"), CN2: Decimal("0.001")}
    eventually(lambda: followed.held(CN1) == Decimal("-0.001"), what="the position from its own fill")


def test_books_that_a_rebuild_mended_are_followed(followed: Followed) -> None:
    followed.trader.trade(CN1, Side.BUY)
    followed.until_recorded()
    eventually(lambda: followed.held(CN1) == Decimal("0.001"), what="the position")
    # given a book that somebody has written to, and a listener that has read it since
    with closing(connect(followed.database.owner, "somebody")) as owner, transaction(owner) as cursor:
        cursor.execute("UPDATE trading.books SET quantity = 7 WHERE bot = %s", (CN1,))
        cursor.execute("UPDATE trading.account_head SET books_version = books_version + 1")
    eventually(lambda: followed.held(CN1) == 7, what="the listener to follow what is stored")
    # when it is checked and then rebuilt
    checked = alpha(followed, "rebuild", "--check", "--json", group="reader")
    assert checked.returncode == 1, checked.stderr
    (differing,) = [each for account in json.loads(checked.stdout)["accounts"] for each in account["differing"]]
    assert (differing["bot"], differing["stored"]["quantity"], differing["rebuilt"]["quantity"]) == (CN1, "7", "0.001")
    mended = alpha(followed, "rebuild", group="ledger_writer")
    assert mended.returncode == 0, mended.stderr
    assert "1 books differ and were mended" in mended.stdout
    # then the running listener has the right ones, and goes on from them
    eventually(lambda: followed.held(CN1) == Decimal("0.001"), what="the mended position")
    followed.trader.trade(CN1, Side.SELL)
    followed.until_recorded()
    assert folded(followed)[CN1] == 0
    (alert,) = alerts(followed, "books_rebuilt")
    assert alert.account == CANARY
    assert alpha(followed, "rebuild", "--check", group="reader").returncode == 0
