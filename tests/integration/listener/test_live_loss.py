"""Redis loses what it holds, in part or all of it, with and without the ledger: it comes back, and bots notice nothing
but the delay."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from redis.exceptions import ConnectionError as NotConnected

from alpha.domain.order import OrderStatus
from alpha.ledger.bot_state import load_state, save_state
from alpha.ledger.connection import Connection, connect
from alpha.ledger.heads import take_account
from alpha.live import fill_stream, order_stream, positions
from alpha.live.bot_database import ORDERS_KEPT, epoch_held
from alpha.live.bot_keys import epoch_key, orders_key, position_key, rebuild_key
from alpha.live.bot_state import read_state
from alpha.live.connection import RedisAddress
from alpha.live.databases import Command, Databases
from alpha.live.health import read_listener_health
from alpha.live.wallet import read_wallet
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.valkey import EmbeddedValkey
from tests.integration.listener.live_parts import Parts
from tests.support import Database, eventually
from tests.unit.domain.fills import BTCUSDT, MAIN
from tests.unit.listener.accounts import ETHUSDT, ONE, TWO, a_wallet, an_order, said
from websocket_listener import live_state


@pytest.fixture
def parts(database: Database, ledger: Connection, redis_address: RedisAddress) -> Iterator[Parts]:
    """A listener with three fills recorded, an open order, a wallet."""
    running = Parts(database, redis_address)
    running.start(take_account(ledger, MAIN, "tests"))
    running.record(1, 2, 3)
    running.live.put(
        live_state.Heard(account=MAIN, orders=(an_order("open"), an_order("done", n=1)), wallet=a_wallet("500"))
    )
    running.live.put(live_state.Heard(account=MAIN, orders=(an_order("done", OrderStatus.FILLED, n=2),)))
    eventually(lambda: everything(running), what="everything in Redis")
    yield running
    running.stop()


def everything(parts: Parts) -> bool:
    """Whether Redis holds all that there is."""
    own = parts.by_bot[ONE]
    assert parts.stream() == [1, 2, 3]
    assert (parts.held(ONE), parts.held(TWO)) == (3, 0)
    assert [order.order_id for order in order_stream.open_orders(own, ONE)] == ["open"]
    assert {(order.order_id, order.status) for _, order in order_stream.read(own, ONE)} >= {
        ("open", OrderStatus.NEW),
        ("done", OrderStatus.FILLED),
    }
    assert read_wallet(parts.state, MAIN) is not None
    health = read_listener_health(parts.state, MAIN)
    assert health is not None
    assert health.is_live()
    return True


def test_a_flush_of_everything(parts: Parts, database: Database) -> None:
    bot = connect(database.dsn("bot"), "tests")
    load_state(bot, ONE, "run")
    save_state(bot, ONE, 2, {"kept": "1.5"})
    bot.close()
    parts.state.flushall()
    eventually(lambda: everything(parts), what="everything again")
    eventually(lambda: read_state(parts.by_bot[ONE], ONE) == {"cursor": 2, "kept": "1.5"}, what="the bot's own state")


def test_a_flush_of_one_bots_database(parts: Parts) -> None:
    first_written = positions.read(parts.by_bot[TWO], TWO, ETHUSDT)
    parts.by_bot[ONE].flushdb()
    eventually(lambda: everything(parts), what="everything again")
    assert first_written is not None
    assert positions.read(parts.by_bot[TWO], TWO, ETHUSDT).epoch == first_written.epoch  # type: ignore[union-attr]


def test_a_flush_of_the_state_database(parts: Parts) -> None:
    parts.state.flushdb()
    eventually(lambda: everything(parts), what="everything again")


def test_a_restart_into_nothing(parts: Parts, valkey_server: EmbeddedValkey) -> None:
    valkey_server.stop()
    valkey_server.start()
    eventually(lambda: everything(parts), what="everything again")


def test_a_reader_gets_each_fill_once_whatever_is_lost(parts: Parts, valkey_server: EmbeddedValkey) -> None:
    read: list[int] = []

    def read_on(up_to: int) -> bool:
        fills = fill_stream.read(parts.by_bot[ONE], ONE, after=len(read))
        read.extend(fill.bot_seq or 0 for fill in fills)
        return read == list(range(1, up_to + 1))

    eventually(lambda: read_on(3), what="the first three")
    parts.state.flushall()
    parts.record(4, 5)
    eventually(lambda: read_on(5), what="two more")
    parts.by_bot[ONE].flushdb()
    parts.record(6)
    eventually(lambda: read_on(6), what="one more")
    valkey_server.stop()
    valkey_server.start()
    parts.record(7)
    eventually(lambda: read_on(7), what="the last")


def test_without_the_ledger_positions_and_orders_go_on_and_come_back(
    parts: Parts, postgres_server: EmbeddedPostgres
) -> None:
    client = parts.by_bot[TWO]
    postgres_server.stop()
    try:
        parts.live.put(live_state.Heard(account=MAIN, orders=(an_order("new"),), positions=(said("3", seq=77),)))
        eventually(lambda: len(order_stream.open_orders(parts.by_bot[ONE], ONE)) == 2, what="the order")
        eventually(lambda: _mark(parts) == 110, what="the exchange's mark on the row")
        parts.state.flushall()
        eventually(lambda: parts.held() == 3 and parts.held(TWO) == 0, what="the positions again")
        eventually(lambda: len(order_stream.open_orders(parts.by_bot[ONE], ONE)) == 2, what="the open orders again")
        first = positions.read(client, TWO, ETHUSDT)
        assert first is not None
        eventually(
            lambda: positions.read(client, TWO, ETHUSDT).updated_at > first.updated_at,  # type: ignore[union-attr]
            what="a confirmation",
        )
        assert parts.stream() == []
    finally:
        postgres_server.start()
    eventually(lambda: parts.stream() == [1, 2, 3], what="the fills, from the ledger")


def _mark(parts: Parts) -> object:
    row = positions.read(parts.by_bot[ONE], ONE, BTCUSDT)
    return None if row is None else row.mark_price


@pytest.mark.patches_source
def test_a_report_whose_answer_was_lost_is_told_once(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[str] = []
    ask = Databases.ask

    def ask_and_lose_the_answer(databases: Databases, commands: Sequence[tuple[int, Command]]) -> list[Any]:
        answers = ask(databases, commands)
        if not cut and any("lost" in str(command) for _, command in commands):
            cut.append("once")
            databases.close()
            raise NotConnected("cut off after it was written")
        return answers

    monkeypatch.setattr(Databases, "ask", ask_and_lose_the_answer)
    parts.live.put(live_state.Heard(account=MAIN, orders=(an_order("lost"),)))
    eventually(lambda: cut, what="the answer to be lost")
    parts.live.put(live_state.Heard(account=MAIN, orders=(an_order("next"),)))

    def told() -> list[str]:
        reports = order_stream.read(parts.by_bot[ONE], ONE)
        return [order.order_id for _, order in reports if order.order_id in ("lost", "next")]

    eventually(lambda: "next" in told(), what="the next report")
    assert told() == ["lost", "next"]


def test_who_is_not_sure_to_hold_the_account_does_not_begin_after_a_flush(parts: Parts) -> None:
    # given a listener that does not know whether its lease still runs, as after a long sleep
    asked: list[object] = []
    parts.holds = False
    parts.on_holds_asked = lambda: asked.append(None)
    parts.state.flushall()
    eventually(lambda: len(asked) > 5, what="to be asked for several times")
    assert epoch_held(parts.by_bot[ONE], ONE) is None
    assert parts.by_bot[ONE].keys("*") == []
    parts.holds = True
    eventually(lambda: everything(parts), what="everything again")


@pytest.mark.parametrize("key", [position_key(ONE, BTCUSDT), orders_key(ONE), epoch_key(ONE), f"{ONE}:fills"])
def test_a_key_of_another_kind_is_replaced(parts: Parts, key: str) -> None:
    client = parts.by_bot[ONE]
    with client.pipeline(transaction=True) as pipe:
        pipe.delete(key)
        pipe.sadd(key, "rubbish")
        pipe.execute()
    parts.live.put(live_state.Heard(account=MAIN, orders=(an_order("open", n=3),)))
    eventually(lambda: client.type(key) != "set", what="the key to be ours again")
    eventually(lambda: everything(parts), what="everything again")


def test_a_person_has_everything_written_anew(parts: Parts) -> None:
    client = parts.by_bot[ONE]
    client.hset(position_key(ONE, BTCUSDT), mapping={"size": "77", "seq": "999999"})
    client.hset(f"{ONE}:open_orders", "stranger", "{}")
    client.xtrim(fill_stream.fills_key(ONE), maxlen=1)
    client.set(rebuild_key(ONE), "1")
    eventually(lambda: not client.exists(rebuild_key(ONE)) and everything(parts), what="everything again")


def test_while_redis_is_away_for_long_what_is_kept_is_bounded(parts: Parts, valkey_server: EmbeddedValkey) -> None:
    valkey_server.stop()
    try:
        eventually(lambda: not parts.live.available, what="the live state to notice")
        for n in range(3 * ORDERS_KEPT):
            # each order is reported once and stays open, but for every second one
            status = OrderStatus.NEW if n % 2 else OrderStatus.CANCELLED
            parts.live.put(live_state.Heard(account=MAIN, orders=(an_order(f"order-{n}", status, n=n),)))
    finally:
        valkey_server.start()
    client = parts.by_bot[ONE]
    # then the open ones are complete, and the stream has the newest reports
    eventually(lambda: client.hlen(f"{ONE}:open_orders") == 1 + 3 * ORDERS_KEPT // 2, what="the open orders")
    eventually(lambda: parts.stream() == [1, 2, 3], what="the fills")
    assert client.xlen(orders_key(ONE)) < 1.2 * ORDERS_KEPT
    newest = order_stream.read(client, ONE, after="0", limit=10_000)[-1][1]
    assert newest.order_id == f"order-{3 * ORDERS_KEPT - 1}"


def test_twenty_bots_with_five_positions_each(
    database: Database, ledger: Connection, redis_address: RedisAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.integration.listener.many_bots import ManyBots

    many = ManyBots(database, ledger, redis_address, bots=20, symbols=5, fills=500)
    try:
        eventually(many.complete, within_s=60, what="everything in Redis")
        began_s = time.perf_counter()
        many.flush()
        eventually(many.complete, within_s=20, what="everything again")
        seconds = time.perf_counter() - began_s
        with capsys.disabled():
            print(f"\n20 bots with 5 positions and 500 fills each were rebuilt in {seconds:.2f} s")
    finally:
        many.stop()
