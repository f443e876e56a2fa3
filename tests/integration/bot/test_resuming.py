"""Cursor and state in one row, and fills from the stream or the ledger, whichever has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from queue import Queue

import pytest
import redis

from alpha.bot.checkpoint import Checkpoint
from alpha.bot.errors import LeaseLost
from alpha.bot.ledger_link import LedgerLink
from alpha.bot.readers import Event, FillReader, FillsArrived
from alpha.bot.resume import held_by_ledger
from alpha.bot.saving import StateSaver
from alpha.config.registry import BotConfig
from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.ids import AccountName, BotId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.bot_state import load_state
from alpha.ledger.connection import connect
from alpha.ledger.fills import FillRecorder, FillSource, HeardFill, RecordedFill
from alpha.ledger.heads import take_account
from alpha.live import fill_stream
from alpha.live.bot_database import claim
from alpha.live.bot_state import read_state
from alpha.live.connection import LIVE_ERRORS, RedisAddress, open_redis
from alpha.live.wire import now
from tests.support import Database
from tests.unit.bot.parts import BTC, START, a_fill

BOT = BotConfig(
    id=BotId("bot_001"),
    code="bt",
    account=AccountName("main"),
    strategy="strategies.canary:Canary",
    params={},
    redis_db=3,
    symbols=(BTC,),
)


@pytest.fixture
def link(database: Database) -> Iterator[LedgerLink]:
    made = LedgerLink(database.dsn("bot"), "test", pooled=False)
    yield made
    made.close()


@pytest.fixture
def own(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    client = open_redis(redis_address, BOT.redis_db)
    yield client
    client.close()


def record(database: Database, count: int) -> list[RecordedFill]:
    """What the listener does: `count` buys of 1 in the ledger."""
    connection = connect(database.dsn("ledger_writer"), "test")
    try:
        recorder = FillRecorder(connection, {BOT.account: take_account(connection, BOT.account, "test")})
        batch = [
            HeardFill(
                fill=a_fill(Side.BUY, "1", seq=n, at=START + timedelta(seconds=n)).fill,
                attribution=Attribution(bot=BOT.id, reason=Reason.ENTRY, method=AttributionMethod.TAG),
                source=FillSource.STREAM,
                received_at=now(),
            )
            for n in range(1, count + 1)
        ]
        return recorder.record(batch).recorded
    finally:
        connection.close()


def heard(queue: Queue[Event]) -> list[int | None]:
    found = []
    while not queue.empty():
        event = queue.get_nowait()
        assert isinstance(event, FillsArrived)
        found += [fill.bot_seq for fill in event.fills]
    return found


def test_cursor_and_state_come_back_as_they_were_saved(link: LedgerLink, own: redis.Redis):
    first = link.run(lambda connection: load_state(connection, BOT.id, "run-1"))
    assert (first.run, first.cursor, first.state) == ("run-1", 0, {})
    saved = Checkpoint(
        strategy={"ema": 0.1 + 0.2, "fees": "1.50"},
        observed={BTC: START},
        decided=START,
        held={BTC: Decimal("-0.300")},
        entries=[START],
    )
    StateSaver(link, own, BOT.id).save(7, saved)
    again = link.run(lambda connection: load_state(connection, BOT.id, "run-2"))
    # the run stays that of the first start: it is part of every order id
    assert (again.run, again.cursor) == ("run-1", 7)
    assert Checkpoint.model_validate(again.state) == saved
    mirrored = read_state(own, BOT.id)
    assert mirrored is not None
    assert mirrored["cursor"] == 7


def test_a_copy_that_went_further_ends_this_one(link: LedgerLink, own: redis.Redis):
    link.run(lambda connection: load_state(connection, BOT.id, "run"))
    StateSaver(link, own, BOT.id).save(7, Checkpoint())
    with pytest.raises(LeaseLost):
        StateSaver(link, own, BOT.id).save(6, Checkpoint())


def test_while_the_ledger_is_away_the_newest_state_waits(
    link: LedgerLink, own: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("alpha.bot.saving._RETRY_S", 0.0)
    monkeypatch.setattr("alpha.bot.ledger_link._DOWN_FOR_S", 0.0)
    link.run(lambda connection: load_state(connection, BOT.id, "run"))
    link.close()
    there = link._dsn
    link._dsn = replace(there, port=1)
    saver = StateSaver(link, own, BOT.id)
    saver.save(1, Checkpoint())
    saver.save(2, Checkpoint(decided=START))
    assert saver.is_behind
    link._dsn = there
    saver.retry()
    assert not saver.is_behind
    stored = link.run(lambda connection: load_state(connection, BOT.id, "run"))
    assert (stored.cursor, Checkpoint.model_validate(stored.state).decided) == (2, START)


def test_fills_after_the_cursor_come_from_the_stream(database: Database, link: LedgerLink, own: redis.Redis):
    claim(own, BOT.id, 1)
    fill_stream.publish(own, BOT.id, record(database, 5), epoch=1)
    queue: Queue[Event] = Queue()
    FillReader(queue, own, link, BOT.id, after=2).step()
    assert heard(queue) == [3, 4, 5]


def test_fills_the_stream_does_not_reach_back_to_come_from_the_ledger(
    database: Database, link: LedgerLink, own: redis.Redis
):
    # given a stream that begins after the cursor
    claim(own, BOT.id, 1)
    fill_stream.publish(own, BOT.id, record(database, 5)[3:], epoch=1, base=3)
    queue: Queue[Event] = Queue()
    reader = FillReader(queue, own, link, BOT.id, after=1)
    reader.step()
    assert heard(queue) == [2, 3, 4, 5]


def test_while_redis_is_away_fills_come_from_the_ledger(
    database: Database, link: LedgerLink, redis_address: RedisAddress
):
    record(database, 2)
    queue: Queue[Event] = Queue()
    nowhere = open_redis(replace(redis_address, port=1), BOT.redis_db)
    reader = FillReader(queue, nowhere, link, BOT.id, after=0)
    for _ in range(2):
        with pytest.raises(LIVE_ERRORS):
            reader.step()
    assert heard(queue) == [1, 2]
    nowhere.close()


def test_the_ledgers_books_say_what_is_held(database: Database, link: LedgerLink):
    assert held_by_ledger(BOT, link) == (0, {})
    record(database, 3)
    assert held_by_ledger(BOT, link) == (3, {BTC: Decimal(3)})
