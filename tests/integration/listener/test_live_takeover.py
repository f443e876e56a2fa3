"""Two listeners and one Redis: who may write, and what a bot sees of a takeover."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from alpha.domain.ids import AccountName
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import Connection
from alpha.ledger.heads import take_account
from alpha.live import bus, order_stream, positions
from alpha.live.bot_database import claim, epoch_held
from alpha.live.connection import BUS_DB, RedisAddress, open_redis
from alpha.live.health import read_listener_health
from alpha.live.wallet import read_wallet
from alpha.local.valkey import EmbeddedValkey
from tests.integration.listener.live_parts import Parts
from tests.support import Database, eventually
from tests.unit.domain.fills import BTCUSDT, MAIN
from tests.unit.listener.accounts import ONE, TWO, a_wallet, alone, an_order, said
from websocket_listener import live_state
from websocket_listener.live_state import NotHeld


@pytest.fixture
def pair(database: Database, ledger: Connection, redis_address: RedisAddress) -> Iterator[tuple[Parts, Parts]]:
    """One listener that holds the account, and one that stands by."""
    first, second = Parts(database, redis_address), Parts(database, redis_address)
    first.start(take_account(ledger, MAIN, "first"))
    second.start()
    yield first, second
    first.stop()
    second.stop()


def take_over(ledger: Connection, listener: Parts, holder: str = "second") -> int:
    epoch = take_account(ledger, MAIN, holder)
    listener.take(epoch, books_of_account(ledger, MAIN))
    listener.refresh()
    return epoch


def test_what_a_resumed_listener_still_has_to_say_changes_nothing(
    pair: tuple[Parts, Parts], ledger: Connection, redis_address: RedisAddress
) -> None:
    first, second = pair
    first.record(1, 2)
    eventually(lambda: first.stream() == [1, 2] and first.held() == 2, what="what the first has recorded")
    epoch = take_over(ledger, second)
    eventually(lambda: second.held() == 2 and epoch_held(second.by_bot[ONE], ONE) == epoch, what="the takeover")
    eventually(lambda: read_listener_health(second.state, MAIN).epoch == epoch, what="the second's health")  # type: ignore[union-attr]
    # given that the first was stopped before the takeover, and wakes with reports in its hands
    first.live.put(
        live_state.Heard(account=MAIN, orders=(an_order("late"),), positions=(said("9", seq=99),), wallet=a_wallet("1"))
    )
    eventually(lambda: first.fenced == [MAIN], what="the first to be told")
    # then nobody hears of them
    assert order_stream.read(second.by_bot[ONE], ONE) == []
    assert order_stream.open_orders(second.by_bot[ONE], ONE) == []
    with closing(open_redis(redis_address, BUS_DB)) as client:
        assert bus.read(client, bus.ORDERS, after="0") == []
    assert read_wallet(second.state, MAIN) is None
    # and what the first does not hold any more it lets go, or says so
    first.live.put(live_state.Heard(account=MAIN, orders=(an_order("later"),)))
    with pytest.raises(NotHeld):
        first.live.call(lambda: first.live.what_is_open(MAIN)).result(5)
    assert (first.live.epochs(), first.live.epoch_met(MAIN)) == ({}, epoch)
    second.record(3)
    eventually(lambda: second.stream() == [1, 2, 3] and second.held() == 3, what="the second to go on")


def test_an_account_may_come_back_to_a_listener_that_has_lost_it(pair: tuple[Parts, Parts], ledger: Connection) -> None:
    first, second = pair
    take_over(ledger, second)
    eventually(lambda: first.fenced == [MAIN], what="the first to be told")
    second.live.drop_account(MAIN)
    epoch = take_over(ledger, first, "first")
    first.record(1)
    eventually(lambda: first.stream() == [1] and first.held() == 1, what="the first to write again")
    assert epoch_held(first.by_bot[TWO], TWO) == epoch
    assert second.fenced == []


@pytest.fixture
def alone_pair(database: Database, ledger: Connection, redis_address: RedisAddress) -> Iterator[tuple[Parts, Parts]]:
    """The same with one bot on an account of its own, whose position is the exchange's word."""
    first, second = (Parts(database, redis_address, alone()) for _ in range(2))
    first.start(take_account(ledger, MAIN, "first"))
    second.start()
    yield first, second
    first.stop()
    second.stop()


def shown(client: redis.Redis) -> tuple[int, int, object] | None:
    row = positions.read(client, ONE, BTCUSDT)
    return None if row is None or not row.is_fresh() else (row.epoch, row.seq, row.position.quantity)


def test_a_takeover_does_not_bring_back_an_older_position(alone_pair: tuple[Parts, Parts], ledger: Connection) -> None:
    first, second = alone_pair
    client = first.by_bot[ONE]
    first.refresh(said("5", seq=9))
    eventually(lambda: shown(client) == (1, 9, 5), what="the first's position")
    epoch = take_account(ledger, MAIN, "second")
    second.take(epoch)
    # when the exchange's list is behind what its stream has told the first
    second.refresh(said("4", seq=8))
    eventually(lambda: shown(client) == (epoch, 9, 5), what="the same position, confirmed by the second")
    assert second.live.call(lambda: second.live.differs_for_s(MAIN)).result(5) > 0
    second.refresh(said("6", seq=10))
    eventually(lambda: shown(client) == (epoch, 10, 6), what="the newer position")


def test_a_position_that_ended_while_nobody_listened_is_flat(
    alone_pair: tuple[Parts, Parts], ledger: Connection
) -> None:
    first, second = alone_pair
    client = first.by_bot[ONE]
    first.refresh(said("5", seq=9))
    eventually(lambda: shown(client) == (1, 9, 5), what="the first's position")
    epoch = take_account(ledger, MAIN, "second")
    second.take(epoch)
    # when the exchange does not mention it
    second.refresh()
    eventually(lambda: shown(client) == (epoch, 9, 0), what="a flat position that is not older")


def test_what_was_written_from_a_newer_ledger_than_ours_is_met_and_named(
    database: Database, ledger: Connection, redis_address: RedisAddress
) -> None:
    # given a ledger that was restored: its epochs begin again below those in Redis
    listener = Parts(database, redis_address)
    claim(listener.by_bot[ONE], ONE, 40)
    listener.start()
    try:
        listener.take(take_account(ledger, MAIN, "tests"))
        eventually(lambda: listener.fenced == [AccountName(MAIN)], what="the refusal")
        # then whoever takes it above that may write
        assert listener.live.epoch_met(MAIN) == 40
        listener.take(41)
        eventually(lambda: listener.live.epochs() == {ONE: 41, TWO: 41}, what="the claim")
    finally:
        listener.stop()


def test_a_listener_that_stands_by_writes_nothing_and_sees_whether_redis_answers(
    database: Database, redis_address: RedisAddress, valkey_server: EmbeddedValkey
) -> None:
    listener = Parts(database, redis_address)
    listener.start()
    try:
        listener.live.put(live_state.Heard(account=MAIN, orders=(an_order("heard"),), wallet=a_wallet("1")))
        eventually(lambda: listener.live.available, what="Redis to answer")
        valkey_server.stop()
        try:
            eventually(lambda: not listener.live.available, what="Redis to be missed")
        finally:
            valkey_server.start()
        eventually(lambda: listener.live.available, what="Redis to answer again")
        assert listener.by_bot[ONE].keys("*") == listener.state.keys("*") == []
    finally:
        listener.stop()


def test_what_was_handed_in_is_written_before_it_ends(pair: tuple[Parts, Parts]) -> None:
    first, _ = pair
    eventually(lambda: first.live.epochs(), what="the claim")
    first.live.put(live_state.Heard(account=MAIN, orders=(an_order("last"),)))
    first.live.stop()
    assert [order.order_id for order in order_stream.open_orders(first.by_bot[ONE], ONE)] == ["last"]


def test_while_the_exchange_answers_nothing_a_takeover_shows_what_is_known_as_never_confirmed(
    database: Database, ledger: Connection, redis_address: RedisAddress
) -> None:
    # given a listener that is gone, and a Redis that has lost what it wrote
    first = Parts(database, redis_address, alone())
    first.start(take_account(ledger, MAIN, "first"))
    first.record(1, 2)
    first.stop()
    with closing(open_redis(redis_address, 0)) as client:
        client.flushall()
    second = Parts(database, redis_address, alone())
    second.start()
    try:

        def shown() -> tuple[int, int, bool] | None:
            row = positions.read(second.by_bot[ONE], ONE, BTCUSDT)
            return None if row is None else (int(row.position.quantity), row.seq, row.is_fresh())

        # when another takes over and the exchange cannot be asked: the fold, then what the stream tells
        second.take(take_account(ledger, MAIN, "second"), books_of_account(ledger, MAIN))
        eventually(lambda: shown() == (2, 2, False), what="the fold")
        second.live.put(live_state.Heard(account=MAIN, positions=(said("3", seq=3),)))
        eventually(lambda: shown() == (3, 3, False), what="the stream's word")
        # and an older answer of the exchange does not replace it, while the same one confirms it
        second.refresh(said("2", seq=2))
        eventually(lambda: shown() == (3, 3, True), what="the exchange's answer")
    finally:
        second.stop()
