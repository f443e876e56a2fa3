"""One recipient's queue, whatever a single notification in it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from telegram.error import BadRequest, TelegramError, TimedOut

from alpha.ledger.alerts import Severity
from alpha.ledger.connection import Connection, connect
from alpha.ledger.notifications import (
    News,
    Recipient,
    acknowledge,
    begin_message,
    doubtful_messages,
    message_not_sent,
    message_sent,
    queue_news,
    waiting_for,
)
from telegram_manager.door.speaking import Speaker
from telegram_manager.ledger_thread import LedgerThread
from telegram_manager.notifier.delivering import Delivery, Summarising
from telegram_manager.notifier.wording import DAILY
from telegram_manager.rendering.answer import Answer, Picture, Text, answer_of
from tests.integration.telegram.centre import QUICK
from tests.support import Database, eventually

TO = Recipient("c2", "7")
SUMMARY = answer_of([Text("the day in words"), Picture(b"png", "chart.png")])


class Voice:
    """Notes what it is given to say; `refuse` is asked of each text, and of whether a picture comes with it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.tried = 0
        self.refuse: Callable[[str, bool], TelegramError | None] = lambda _text, _picture: None

    async def answer(self, chat: str, answer: Answer) -> int:  # noqa: ARG002
        words = " ".join(block.text for block in answer.blocks if isinstance(block, Text))
        return self._say(words, any(isinstance(block, Picture) for block in answer.blocks))

    async def notice(self, chat: str, text: str, acknowledge: int | None, *, is_silent: bool) -> int:  # noqa: ARG002
        return self._say(text, False)

    def _say(self, text: str, picture: bool) -> int:
        self.tried += 1
        error = self.refuse(text, picture)
        if error is not None:
            raise error
        self.said.append(f"{text} (picture)" if picture else text)
        return len(self.said)

    def order_of(self, *words: str) -> list[str]:
        """Which of the words were said, in the order of the messages that say them."""
        return [word for text in self.said for word in words if word in text]


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    with closing(connect(database.owner, "tests")) as connection:
        yield connection


def deliver(
    database: Database,
    voice: Voice,
    until: Callable[[], bool],
    summarise: Summarising = lambda detail: SUMMARY,  # noqa: ARG005
) -> None:
    """A delivery at work until the check says so."""

    async def run() -> None:
        deliveries = LedgerThread(database.dsn("commander"), "tests")
        delivery = Delivery(TO, cast("Speaker", voice), deliveries, summarise, QUICK)
        running = asyncio.create_task(delivery.run())
        try:
            await asyncio.to_thread(eventually, until)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await asyncio.to_thread(deliveries.close)

    asyncio.run(run())


def queue(ledger: Connection, text: str, severity: Severity = Severity.ERROR, kind: str = "something") -> None:
    news = News(kind=kind, severity=severity, text=text, at=datetime.now(UTC), detail={"day": "2026-11-20"})
    queue_news(ledger, [news], [TO])


def test_a_summary_whose_picture_is_refused_is_told_in_words(database: Database, ledger: Connection) -> None:
    voice = Voice()
    voice.refuse = lambda _, picture: BadRequest("PHOTO_INVALID_DIMENSIONS") if picture else None
    queue(ledger, "summary", Severity.INFO, DAILY)
    queue(ledger, "behind it")
    deliver(database, voice, lambda: len(voice.said) == 2)
    assert voice.order_of("the day in words", "behind it") == ["the day in words", "behind it"]


def test_a_summary_that_cannot_be_made_says_so(database: Database, ledger: Connection) -> None:
    def fail(detail: Mapping[str, Any]) -> Answer:  # noqa: ARG001
        raise ValueError("chart")

    voice = Voice()
    queue(ledger, "summary", Severity.INFO, DAILY)
    queue(ledger, "behind it")
    deliver(database, voice, lambda: len(voice.said) == 2, fail)
    assert voice.order_of("The summary of 2026-11-20 could not be made", "behind it") == [
        "The summary of 2026-11-20 could not be made",
        "behind it",
    ]


def test_a_picture_that_never_gets_through_is_left_out_the_next_time(database: Database, ledger: Connection) -> None:
    voice = Voice()
    voice.refuse = lambda _, picture: TimedOut() if picture else None
    queue(ledger, "summary", Severity.INFO, DAILY)
    deliver(database, voice, lambda: bool(voice.said))
    assert (voice.said, voice.tried) == (["the day in words"], 2)


@pytest.mark.parametrize("error", [BadRequest("not this"), RuntimeError("a fault of the program")])
def test_what_cannot_be_said_holds_up_nothing_else(database: Database, ledger: Connection, error: Exception) -> None:
    voice = Voice()
    broken = {"on"}

    def refuse(text: str, _picture: bool) -> TelegramError | None:
        if broken and "broken" in text:
            raise error
        return BadRequest("nor this") if broken and "could not be shown" in text else None

    voice.refuse = refuse
    queue(ledger, "broken and critical", Severity.CRITICAL)
    queue(ledger, "critical", Severity.CRITICAL)
    queue(ledger, "behind it")
    deliver(database, voice, lambda: len(voice.said) == 2)
    assert voice.order_of("critical", "behind it") == ["critical", "behind it"]
    broken.clear()
    deliver(database, voice, lambda: bool(voice.order_of("broken")))


def test_what_is_critical_comes_before_what_was_perhaps_told(database: Database, ledger: Connection) -> None:
    queue(ledger, "perhaps told")
    begin_message(ledger, TO, [waiting_for(ledger, TO)[0].number])
    queue(ledger, "ordinary")
    queue(ledger, "grave", Severity.CRITICAL)
    voice = Voice()
    deliver(database, voice, lambda: len(voice.said) == 3)
    assert voice.order_of("grave", "ordinary", "Perhaps told before") == ["grave", "ordinary", "Perhaps told before"]


def test_a_repetition_of_what_somebody_has_acknowledged_is_not_begun(ledger: Connection) -> None:
    queue(ledger, "grave", Severity.CRITICAL)
    (grave,) = waiting_for(ledger, TO)
    acknowledge(ledger, grave.number, by="telegram:7")
    assert begin_message(ledger, TO, [grave.number], is_repetition=True) is None
    assert doubtful_messages(ledger, TO) == []


@pytest.mark.parametrize("arrived", ["not", "perhaps"])
def test_a_repetition_that_failed_is_forgotten_when_somebody_acknowledges_it(ledger: Connection, arrived: str) -> None:
    queue(ledger, "grave", Severity.CRITICAL)
    (grave,) = waiting_for(ledger, TO)
    first = begin_message(ledger, TO, [grave.number])
    assert first is not None
    message_sent(ledger, first, 1, {grave.number: 1}, timedelta(0))
    again = begin_message(ledger, TO, [grave.number], is_repetition=True)
    assert again is not None
    if arrived == "not":
        message_not_sent(ledger, again)
    assert waiting_for(ledger, TO) or doubtful_messages(ledger, TO)
    acknowledge(ledger, grave.number, by="telegram:7")
    assert (waiting_for(ledger, TO), doubtful_messages(ledger, TO)) == ([], [])
