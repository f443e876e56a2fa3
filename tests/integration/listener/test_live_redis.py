"""The keys of Redis against a real Valkey."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import redis

from alpha.domain.bar import Bar
from alpha.domain.order import OrderStatus
from alpha.domain.position import Position
from alpha.ledger.controls import PLATFORM, Control, DesiredState
from alpha.live import bus, fill_stream, market, order_stream, positions
from alpha.live.connection import BUS_DB, STATE_DB, LiveStateError, RedisAddress, open_redis
from alpha.live.controls import read_controls, write_controls
from alpha.live.fill_stream import CursorTooOld
from alpha.live.health import ListenerHealth, read_listener_health, write_listener_health
from alpha.live.market import Ticker
from alpha.live.positions import LivePosition
from alpha.live.wallet import LiveWallet, read_wallet, write_wallet
from alpha.live.wire import now
from tests.integration.listener.recorded import recorded
from tests.unit.domain.fills import BTCUSDT, MAIN, START
from tests.unit.listener.accounts import ETHUSDT, ONE, an_order

FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture
def bot_db(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    with open_redis(redis_address, 0) as client:
        yield client


@pytest.fixture
def state(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    with open_redis(redis_address, STATE_DB) as client:
        yield client


def stream_ids(client: redis.Redis) -> list[int]:
    return [fill.bot_seq or 0 for fill in fill_stream.read(client, ONE, after=0, limit=100_000)]


class TestFillStream:
    def test_a_fill_comes_out_as_it_went_in(self, bot_db: redis.Redis) -> None:
        fill = recorded(1)
        assert fill_stream.publish(bot_db, ONE, [fill]) == 1
        assert fill_stream.read(bot_db, ONE, after=0) == [fill]

    def test_publishing_again_changes_nothing(self, bot_db: redis.Redis) -> None:
        fill_stream.publish(bot_db, ONE, [recorded(1), recorded(2)])
        assert fill_stream.publish(bot_db, ONE, [recorded(1), recorded(2), recorded(3)]) == 3
        assert stream_ids(bot_db) == [1, 2, 3]

    def test_a_hole_is_answered_with_where_it_begins(self, bot_db: redis.Redis) -> None:
        fill_stream.publish(bot_db, ONE, [recorded(1)])
        assert fill_stream.publish(bot_db, ONE, [recorded(3), recorded(4)]) == 1
        assert stream_ids(bot_db) == [1]

    def test_after_a_flush_the_numbers_go_on(self, bot_db: redis.Redis) -> None:
        fill_stream.publish(bot_db, ONE, [recorded(n) for n in (1, 2, 3)])
        bot_db.flushall()
        assert fill_stream.publish(bot_db, ONE, [recorded(4)]) == 0
        assert fill_stream.publish(bot_db, ONE, [recorded(n) for n in (3, 4)], base=2) == 4
        assert fill_stream.last_seq(bot_db, ONE) == 4
        assert [fill.bot_seq for fill in fill_stream.read(bot_db, ONE, after=3)] == [4]
        with pytest.raises(CursorTooOld):
            fill_stream.read(bot_db, ONE, after=0)

    def test_two_publishers_at_once_make_one_stream(self, redis_address: RedisAddress, bot_db: redis.Redis) -> None:
        fills = [recorded(n) for n in range(1, 301)]

        def publish_all() -> None:
            with open_redis(redis_address, 0) as client:
                for start in range(0, 300, 7):
                    fill_stream.publish(client, ONE, fills[max(0, start - 20) : start + 7])

        threads = [threading.Thread(target=publish_all) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stream_ids(bot_db) == list(range(1, 301))

    def test_a_reader_waits_for_the_next(self, redis_address: RedisAddress, bot_db: redis.Redis) -> None:
        def publish() -> None:
            with open_redis(redis_address, 0) as client:
                fill_stream.publish(client, ONE, [recorded(1)])

        threading.Timer(0.1, publish).start()
        assert fill_stream.read(bot_db, ONE, after=0, block_ms=1900)[0].bot_seq == 1

    def test_what_is_not_ours_is_named(self, bot_db: redis.Redis) -> None:
        bot_db.xadd(fill_stream.fills_key(ONE), {"fill": "{}"}, id="1-0")
        with pytest.raises(LiveStateError, match="not a recorded fill"):
            fill_stream.read(bot_db, ONE, after=0)


def a_position(quantity: str, *, epoch: int = 1, seq: int = 1, second: int = 0) -> LivePosition:
    return LivePosition(
        bot=ONE,
        symbol=BTCUSDT,
        position=Position(Decimal(quantity), Decimal("100.5")),
        mark_price=Decimal("101"),
        stop_loss=Decimal("90"),
        seq=seq,
        epoch=epoch,
        changed_at=START + timedelta(seconds=second),
        updated_at=now().replace(microsecond=0),
    )


class TestPositions:
    def test_a_position_comes_out_as_it_went_in(self, bot_db: redis.Redis) -> None:
        short = a_position("-0.003")
        assert positions.write(bot_db, [short]) == 1
        assert positions.read(bot_db, ONE, BTCUSDT) == short

    def test_missing_is_unknown_and_not_flat(self, bot_db: redis.Redis) -> None:
        assert positions.read(bot_db, ONE, BTCUSDT) is None

    @pytest.mark.parametrize(
        ("epoch", "seq", "second", "replaces"),
        [
            (2, 9, 0, True),  # a later seq
            (2, 7, 0, False),  # an earlier one
            (3, 1, 0, True),  # a later epoch begins anew
            (1, 99, 9, False),  # a fenced listener changes nothing
            (2, 8, 5, True),  # the same fill, a later state: a stop was moved
            (2, 8, 4, True),  # the same state told again
            (2, 8, 3, False),  # the same fill, an earlier state
        ],
    )
    def test_only_what_is_not_older_replaces(
        self, bot_db: redis.Redis, epoch: int, seq: int, second: int, replaces: bool
    ) -> None:
        positions.write(bot_db, [a_position("1", epoch=2, seq=8, second=4)])
        assert positions.write(bot_db, [a_position("2", epoch=epoch, seq=seq, second=second)]) == int(replaces)
        found = positions.read(bot_db, ONE, BTCUSDT)
        assert found is not None
        assert found.position.quantity == (2 if replaces else 1)

    def test_confirming_refreshes_and_tells_what_is_not_there(self, bot_db: redis.Redis) -> None:
        old = replace(a_position("1"), updated_at=START)
        positions.write(bot_db, [old])
        elsewhere = replace(a_position("1"), symbol=ETHUSDT)
        at = now()
        assert positions.confirm(bot_db, [replace(old, drifted=True), elsewhere], at=at) == [elsewhere]
        found = positions.read(bot_db, ONE, BTCUSDT)
        assert found is not None
        assert (found.is_fresh(at), found.drifted) == (True, True)
        assert not found.is_fresh(at + timedelta(seconds=6))

    def test_another_epochs_listener_cannot_confirm(self, bot_db: redis.Redis) -> None:
        positions.write(bot_db, [a_position("1", epoch=2)])
        assert positions.confirm(bot_db, [a_position("1", epoch=1)], at=now()) != []

    def test_in_hedge_mode_each_side_has_its_row(self, bot_db: redis.Redis) -> None:
        long, short = (replace(a_position(size), position_idx=idx) for size, idx in (("1", 1), ("-2", 2)))
        positions.write(bot_db, [long, short])
        assert positions.read(bot_db, ONE, BTCUSDT, 2) == short
        assert positions.read(bot_db, ONE, BTCUSDT) is None

    @pytest.mark.parametrize("field", ["size", "side", "avg_price", "updated_at", "seq"])
    def test_a_row_that_is_not_ours_is_named(self, bot_db: redis.Redis, field: str) -> None:
        positions.write(bot_db, [a_position("1")])
        bot_db.hset(positions.position_key(ONE, BTCUSDT), field, "rubbish")
        with pytest.raises(LiveStateError, match="not a position"):
            positions.read(bot_db, ONE, BTCUSDT)


class TestOrders:
    def test_open_orders_are_those_that_are_not_terminal(self, bot_db: redis.Redis) -> None:
        order_stream.publish(bot_db, ONE, [an_order("a"), an_order("b")])
        order_stream.publish(bot_db, ONE, [an_order("a", OrderStatus.FILLED)])
        assert order_stream.open_orders(bot_db, ONE) == [an_order("b")]
        reports = order_stream.read(bot_db, ONE)
        assert [(order.order_id, order.status) for _, order in reports] == [
            ("a", OrderStatus.NEW),
            ("b", OrderStatus.NEW),
            ("a", OrderStatus.FILLED),
        ]

    def test_the_exchanges_answer_replaces_them(self, bot_db: redis.Redis) -> None:
        order_stream.publish(bot_db, ONE, [an_order("a"), an_order("b")])
        order_stream.replace_open_orders(bot_db, ONE, [an_order("c")])
        assert order_stream.open_orders(bot_db, ONE) == [an_order("c")]


def a_bar(n: int, symbol: object = BTCUSDT) -> Bar:
    price = Decimal("100.5")
    return Bar(
        symbol=symbol,  # type: ignore[arg-type]
        interval=FIVE_MINUTES,
        start=START + FIVE_MINUTES * n,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=Decimal("12.345"),
        turnover=Decimal("1240.6725"),
    )


class TestMarket:
    def test_a_bar_is_written_once_and_none_before_the_last(self, state: redis.Redis) -> None:
        assert [market.write_bar(state, a_bar(n)) for n in (1, 2, 2, 1, 3)] == [True, True, False, False, True]
        assert market.read_bars(state, FIVE_MINUTES, {BTCUSDT: None}) == [a_bar(1), a_bar(2), a_bar(3)]
        assert market.last_bar_start(state, BTCUSDT, FIVE_MINUTES) == a_bar(3).start

    def test_bars_of_several_symbols_come_in_time_order(self, state: redis.Redis) -> None:
        for bar in (a_bar(1, ETHUSDT), a_bar(2, ETHUSDT), a_bar(1), a_bar(2)):
            market.write_bar(state, bar)
        after = {BTCUSDT: a_bar(1).start, ETHUSDT: None}
        assert market.read_bars(state, FIVE_MINUTES, after) == [a_bar(1, ETHUSDT), a_bar(2), a_bar(2, ETHUSDT)]

    def test_the_newest_bars_oldest_first(self, state: redis.Redis) -> None:
        for n in range(4):
            market.write_bar(state, a_bar(n))
        assert market.newest_bars(state, BTCUSDT, FIVE_MINUTES, 2) == [a_bar(2), a_bar(3)]

    def test_a_ticker_comes_out_as_it_went_in(self, state: redis.Redis) -> None:
        ticker = Ticker(
            symbol=BTCUSDT,
            last_price=Decimal("100.10"),
            mark_price=Decimal("100.2"),
            bid=None,
            ask=Decimal("100.3"),
            funding_rate=Decimal("-0.0001"),
            at=START,
            updated_at=START,
        )
        market.write_ticker(state, ticker)
        assert market.read_ticker(state, BTCUSDT) == ticker
        assert market.read_ticker(state, ETHUSDT) is None


class TestPlatform:
    def test_the_mirror_of_the_controls_says_how_old_it_is(self, state: redis.Redis) -> None:
        control = Control(
            scope=PLATFORM,
            entries_allowed=False,
            desired_state=DesiredState.RUNNING,
            by="trader",
            why="news",
            at=START,
        )
        assert read_controls(state) is None
        write_controls(state, {PLATFORM: control, "bot:gone": replace(control, scope="bot:gone")}, at=START)
        write_controls(state, {PLATFORM: control}, at=now())
        found = read_controls(state)
        assert found is not None
        assert (found.by_scope, found.is_fresh()) == ({PLATFORM: control}, True)
        assert not found.is_fresh(now() + timedelta(seconds=6))

    def test_a_listener_that_says_nothing_is_not_live(self, state: redis.Redis) -> None:
        health = ListenerHealth(
            account=MAIN,
            state="live",
            since=START,
            epoch=3,
            last_frame_at=None,
            proven_until=START,
            backlog=0,
            drifted=False,
            updated_at=now().replace(microsecond=0),
        )
        write_listener_health(state, health)
        found = read_listener_health(state, MAIN)
        assert found == health
        assert found.is_live()
        assert not found.is_live(now() + timedelta(seconds=6))
        assert not replace(health, state="recovering").is_live()

    def test_a_wallet_comes_out_as_it_went_in(self, state: redis.Redis) -> None:
        wallet = LiveWallet(
            account=MAIN, equity=Decimal("10000.5"), balance=Decimal("1E+4"), available=Decimal(0), updated_at=START
        )
        write_wallet(state, wallet)
        assert read_wallet(state, MAIN) == wallet

    def test_the_bus_carries_messages(self, redis_address: RedisAddress) -> None:
        with open_redis(redis_address, BUS_DB) as client:
            bus.publish(client, bus.EVENTS, [{"kind": "started", "price": Decimal("1.5")}, '{"kind":"ended"}'])
            found = bus.read(client, bus.EVENTS, after="0")
        assert [message for _, message in found] == [{"kind": "started", "price": "1.5"}, {"kind": "ended"}]
