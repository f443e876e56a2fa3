"""`/backup` asks whoever takes backups, and says what came of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from alpha.ledger.backups import answer_requests, waiting_requests
from alpha.ledger.connection import connect
from telegram_manager.command import Arguments
from telegram_manager.rendering.answer import Answer
from telegram_manager.rendering.terminal import text
from telegram_manager.seeing.backup import backup
from tests.integration.seeing.stage import Stage
from tests.support import eventually


@contextmanager
def a_backup_service(stage: Stage, *, ok: bool, detail: str = "") -> Iterator[None]:
    """Answers the next request."""

    def serve() -> None:
        with closing(connect(stage.database.dsn("backup"), "tests")) as ledger:
            asked = eventually(lambda: waiting_requests(ledger))
            answer_requests(ledger, asked, ok=ok, detail=detail)

    service = threading.Thread(target=serve)
    service.start()
    yield
    service.join(30)


def asked(stage: Stage, wait_s: float = 30.0) -> Answer:
    return backup(stage.context(), Arguments(), wait_s=wait_s)


def test_a_backup_that_was_made_is_told(empty_stage: Stage) -> None:
    with a_backup_service(empty_stage, ok=True):
        answer = asked(empty_stage)
    assert answer.ok
    assert "backed up" in text(answer)


def test_one_that_failed_says_why(empty_stage: Stage) -> None:
    with a_backup_service(empty_stage, ok=False, detail="no room on the disk"):
        answer = asked(empty_stage)
    assert not answer.ok
    assert "the backup failed: no room on the disk" in text(answer, 200)


def test_where_nobody_takes_backups_it_is_not_done_and_says_what_does(empty_stage: Stage) -> None:
    answer = asked(empty_stage, wait_s=0.0)
    assert not answer.ok
    assert "`alpha backup` takes one" in text(answer, 200)
