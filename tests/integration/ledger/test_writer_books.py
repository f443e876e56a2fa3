"""What the listener is told of books when an answer to COMMIT is lost."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal

import pytest

from alpha.ledger import connection as connection_module
from alpha.ledger.connection import Connection, connect
from alpha.ledger.heads import take_account
from alpha.ledger.reading import bot_head
from tests.integration.listener.heard import WritingListener, heard
from tests.support import Database
from tests.unit.domain.fills import BTCUSDT, MAIN
from tests.unit.listener.accounts import ONE, shared


class AnswerLost(Connection):
    """Commits the first batch of fills and then is gone before it can say so."""

    lost = False

    def commit(self) -> None:
        super().commit()
        with closing(self.cursor()) as cursor:
            cursor.execute("SELECT count(*) FROM trading.fills")
            ((fills,),) = cursor.fetchall()
        self.rollback()
        if fills and not AnswerLost.lost:
            AnswerLost.lost = True
            self.close()
            super().commit()


def test_books_are_told_also_when_the_answer_to_their_commit_was_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(connect(database.dsn("ledger_writer"), "tests")) as ledger:
        epoch = take_account(ledger, MAIN, "tests")
        monkeypatch.setattr(connection_module, "Connection", AnswerLost)
        listener = WritingListener(database.dsn("ledger_writer"))
        listener.writer.start()
        listener.writer.add_account(shared(), epoch, [])
        # given a batch that is committed without anybody hearing of it
        submission = listener.writer.record([heard(1), heard(2)])
        assert submission is not None
        assert submission.done.wait(30)
        listener.writer.stop()
        # then the repeat finds both there, and the book they made is told all the same
        assert AnswerLost.lost
        assert (listener.recorded, bot_head(ledger, ONE)) == ([], 2)
        (batch,) = listener.batches
        assert {(key.symbol, book.position.quantity) for key, book in batch.books.items()} == {(BTCUSDT, Decimal(2))}
