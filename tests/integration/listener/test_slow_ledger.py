"""A PostgreSQL that is there and does not get done: what is slow is found and put aside, and the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.connection import Connection, LedgerUnavailable, connect
from alpha.ledger.fill_rows import FillSource
from alpha.ledger.heads import take_account
from alpha.ledger.reading import bot_head, fills_after
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
    writing = WritingListener(database.dsn("ledger_writer"), statement_timeout_s=TIMEOUT_S, aside_s=1.0)
    writing.writer.start()
    writing.writer.add_account(shared(), take_account(ledger, MAIN, "tests"), [])
    owners = AccountOwners(an_account(name=OTHER), [a_bot(THREE, code="b3", redis_db=4, account=OTHER)])
    writing.writer.add_account(owners, take_account(ledger, OTHER, "tests"), [])
    first = writing.writer.record([heard(0), heard(0, account=OTHER)])
    assert first is not None
    assert first.done.wait(10)
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


def test_an_account_that_is_locked_is_set_aside_and_the_others_go_on(
    listener: WritingListener, ledger: Connection, database: Database
) -> None:
    with locked(database, f"SELECT FROM trading.account_head WHERE account = '{OTHER}' FOR UPDATE"):
        submission = listener.writer.record(
            [heard(1), heard(1, account=OTHER, source=FillSource.RECOVERY), heard(2)], droppable=False
        )
        assert submission is not None
        assert submission.done.wait(20)
        # then the others are recorded, and whoever handed in its fill knows that it was not
        assert [fill.fill.exec_id for fill in fills_after(ledger, ONE, 1)] == ["exec-1", "exec-2"]
        assert submission.refused == ["exec-1"]
        ((account, why),) = listener.slow
        assert (account, "locked" in why) == (OTHER, True)
        # and work for it is refused at once instead of holding up the rest
        with pytest.raises(LedgerUnavailable, match="set aside"):
            listener.writer.run(lambda connection: bot_head(connection, THREE), account=OTHER).result(10)
        assert listener.writer.run(lambda connection: bot_head(connection, ONE), account=MAIN).result(10) == 3
    # when the lock is gone it is written again, and that is told
    eventually(lambda: listener.writer.record([heard(1, account=OTHER)]) and (OTHER, "") in listener.slow, what="again")
    assert [fill.fill.exec_id for fill in fills_after(ledger, THREE, 1)] == ["exec-1"]
    assert listener.refused == []


def test_a_fill_that_is_always_too_slow_is_refused_alone(
    listener: WritingListener, ledger: Connection, database: Database
) -> None:
    with closing(connect(database.owner, "tests")) as owner, owner, owner.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION trading.dawdle() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(60); RETURN new; END $$;"
            "CREATE TRIGGER dawdle BEFORE INSERT ON trading.fills FOR EACH ROW"
            " WHEN (new.exec_id = 'exec-3') EXECUTE FUNCTION trading.dawdle()"
        )
    slow = heard(3)
    submission = listener.writer.record([heard(1), heard(2), slow, heard(4), heard(1, account=OTHER)])
    assert submission is not None
    assert submission.done.wait(30)
    assert [fill.fill.exec_id for fill in fills_after(ledger, ONE, 1)] == ["exec-1", "exec-2", "exec-4"]
    assert [fill.fill.exec_id for fill in fills_after(ledger, THREE, 1)] == ["exec-1"]
    assert submission.refused == ["exec-3"]
    ((heard_of, reason),) = [(refused.heard, refused.reason) for refused in listener.refused]
    assert (heard_of, "timeout" in reason) == (slow, True)
    assert listener.slow == []


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
    assert (listener.slow, listener.refused) == ([], [])
