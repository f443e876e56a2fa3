from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from alpha.ledger.connection import Connection, connect
from alpha.ledger.heads import take_account
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from tests.integration.listener.heard import WritingListener
from tests.support import Database
from tests.unit.domain.fills import BTCUSDT, MAIN
from tests.unit.listener.accounts import ETHUSDT, ONE, TWO, shared


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    """A connection as the listener has one, with one account and two bots on it registered."""
    with closing(connect(database.dsn("ledger_writer"), "tests")) as connection:
        sync_registry(
            connection,
            [RegisteredAccount(account=MAIN, kind=AccountKind.PAPER)],
            [
                RegisteredBot(bot=ONE, code="b1", account=MAIN, strategy="s:S", symbols=[BTCUSDT], redis_db=0),
                RegisteredBot(bot=TWO, code="b2", account=MAIN, strategy="s:S", symbols=[ETHUSDT], redis_db=3),
            ],
        )
        yield connection


@pytest.fixture
def listener(database: Database, ledger: Connection) -> Iterator[WritingListener]:
    """A running writer that holds the account."""
    writing = WritingListener(database.dsn("ledger_writer"))
    writing.writer.start()
    writing.writer.add_account(shared(), take_account(ledger, MAIN, "tests"), [])
    yield writing
    writing.writer.stop(1.0)
