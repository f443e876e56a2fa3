"""A PostgreSQL that is there and does not get done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.connection import Connection, connect
from alpha.ledger.heads import take_account
from alpha.ledger.reading import bot_head
from tests.integration.listener.heard import WritingListener, heard
from tests.support import Database, eventually
from tests.unit.domain.fills import MAIN
from tests.unit.listener.accounts import ONE, a_bot, an_account, an_order, shared
from websocket_listener.attribution import AccountOwners

OTHER, THREE = AccountName("other"), BotId("bot_003")
TIMEOUT_S = 0.6


@pytest.fixture
def listener(database: Database, ledger: Connection) -> Iterator[WritingListener]:
    """A writer that holds two accounts, whose statements have little time."""
    writing = WritingListener(database.dsn("ledger_writer"), statement_timeout_s=TIMEOUT_S)
    writing.writer.start()
    writing.writer.add_account(shared(), take_account(ledger, MAIN, "tests"), [])
    owners = AccountOwners(an_account(name=OTHER), [a_bot(THREE, code="b3", redis_db=4, account=OTHER)])
    writing.writer.add_account(owners, take_account(ledger, OTHER, "tests"), [])
    first = writing.writer.record([heard(0), heard(0, account=OTHER)])
    assert first is not None
    assert first.done.wait(30)
    assert len(writing.recorded) == 2
    yield writing
    writing.writer.stop(1.0)


@contextmanager
def locked(database: Database, statement: str) -> Iterator[None]:
    """Somebody keeps locked what the statement locks."""
    with closing(connect(database.owner, "tests")) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        yield
        connection.rollback()


def test_where_nothing_can_be_written_everything_waits(
    listener: WritingListener, ledger: Connection, database: Database
) -> None:
    with locked(database, "LOCK TABLE trading.fills IN SHARE MODE"):
        submission = listener.writer.record([heard(1), heard(1, account=OTHER)])
        eventually(lambda: not listener.writer.available and "timeout" in listener.writer.trouble, what="the trouble")
        listener.writer.save_orders([(an_order("a"), ONE)])
        assert submission is not None
        assert not submission.done.is_set()
    assert submission.done.wait(20)
    assert submission.refused == []
    assert (bot_head(ledger, ONE), bot_head(ledger, THREE)) == (2, 2)
    assert listener.refused == []
