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
from alpha.domain.order import Order, OrderStatus
from alpha.domain.position import Position
from alpha.ledger.controls import PLATFORM, Control, DesiredState
from alpha.ledger.fill_rows import RecordedFill
from alpha.live import bus, fill_stream, market, order_stream, positions
from alpha.live.bot_database import (
    BotStep,
    NotTheWriter,
    Standing,
    StepAnswer,
    claim,
    claim_answer,
    claim_command,
    epoch_held,
    take_step,
)
from alpha.live.bot_keys import epoch_key, fills_key, position_key
from alpha.live.connection import BUS_DB, STATE_DB, LiveStateError, RedisAddress, open_redis
from alpha.live.controls import KEY, read_controls, write_controls
from alpha.live.databases import execute
from alpha.live.fill_stream import CursorTooOld
from alpha.live.health import ListenerHealth, read_listener_health, write_listener_health
from alpha.live.market import Ticker
from alpha.live.order_stream import report_of
from alpha.live.positions import LivePosition
from alpha.live.wallet import LiveWallet, read_wallet, write_wallet
from alpha.live.wire import now
from tests.integration.listener.recorded import recorded
from tests.unit.domain.fills import BTCUSDT, MAIN, START
from tests.unit.listener.accounts import ETHUSDT, ONE, an_order

FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture
def bot_db(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    """The bot's database, as a listener has claimed it."""
    with open_redis(redis_address, 0) as client:
        claim(client, ONE, 1)
        yield client


@pytest.fixture
def state(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    with open_redis(redis_address, STATE_DB) as client:
        yield client


def publish(client: redis.Redis, fills: list[RecordedFill], *, epoch: int = 1, base: int = 0) -> int:
    return fill_stream.publish(client, ONE, fills, epoch=epoch, base=base)


def stream_ids(client: redis.Redis) -> list[int]:
    return [fill.bot_seq or 0 for fill in fill_stream.read(client, ONE, after=0, limit=100_000)]


class TestFillStream:
    def test_a_fill_comes_out_as_it_went_in(self, bot_db: redis.Redis) -> None:
        fill = recorded(1)
        assert publish(bot_db, [fill]) == 1
        assert fill_stream.read(bot_db, ONE, after=0) == [fill]

    def test_publishing_again_changes_nothing(self, bot_db: redis.Redis) -> None:
        publish(bot_db, [recorded(1), recorded(2)])
        assert publish(bot_db, [recorded(1), recorded(2), recorded(3)]) == 3
        assert stream_ids(bot_db) == [1, 2, 3]

    def test_a_hole_is_answered_with_where_it_begins(self, bot_db: redis.Redis) -> None:
        publish(bot_db, [recorded(1)])
        assert publish(bot_db, [recorded(3), recorded(4)]) == 1
        assert stream_ids(bot_db) == [1]

    def test_after_a_flush_the_numbers_go_on(self, bot_db: redis.Redis) -> None:
        publish(bot_db, [recorded(n) for n in (1, 2, 3)])
        bot_db.flushall()
        with pytest.raises(NotTheWriter):
            publish(bot_db, [recorded(4)])
        claim(bot_db, ONE, 1)
        assert publish(bot_db, [recorded(4)]) == 0
        assert publish(bot_db, [recorded(n) for n in (3, 4)], base=2) == 4
        assert (fill_stream.first_seq(bot_db, ONE), fill_stream.last_seq(bot_db, ONE)) == (3, 4)
        assert [fill.bot_seq for fill in fill_stream.read(bot_db, ONE, after=3)] == [4]
        with pytest.raises(CursorTooOld):
            fill_stream.read(bot_db, ONE, after=0)

    def test_two_publishers_at_once_make_one_stream(self, redis_address: RedisAddress, bot_db: redis.Redis) -> None:
        fills = [recorded(n) for n in range(1, 301)]

        def publish_all() -> None:
            with open_redis(redis_address, 0) as client:
                for start in range(0, 300, 7):
                    publish(client, fills[max(0, start - 20) : start + 7])

        threads = [threading.Thread(target=publish_all) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stream_ids(bot_db) == list(range(1, 301))

    def test_a_reader_waits_for_the_next(self, redis_address: RedisAddress, bot_db: redis.Redis) -> None:
        def publish_later() -> None:
            with open_redis(redis_address, 0) as client:
                publish(client, [recorded(1)])

        threading.Timer(0.1, publish_later).start()
        assert fill_stream.read(bot_db, ONE, after=0, block_ms=1900)[0].bot_seq == 1

    def test_what_is_not_ours_is_named(self, bot_db: redis.Redis) -> None:
        bot_db.xadd(fills_key(ONE), {"fill": "{}"}, id="1-0")
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


def write(client: redis.Redis, *rows: LivePosition, epoch: int = 1, anew: bool = False) -> StepAnswer:
    began_anew = frozenset((row.symbol, row.position_idx) for row in rows) if anew else frozenset()
    return take_step(client, BotStep(bot=ONE, epoch=epoch, positions=rows, anew=began_anew))


def held(client: redis.Redis) -> Decimal | None:
    found = positions.read(client, ONE, BTCUSDT)
    return None if found is None else found.position.quantity


class TestPositions:
    def test_a_position_comes_out_as_it_went_in(self, bot_db: redis.Redis) -> None:
        short = a_position("-0.003")
        assert write(bot_db, short).older == ()
        assert positions.read(bot_db, ONE, BTCUSDT) == short

    def test_missing_is_unknown_and_not_flat(self, bot_db: redis.Redis) -> None:
        assert positions.read(bot_db, ONE, BTCUSDT) is None

    @pytest.mark.parametrize(
        ("seq", "second", "replaces"),
        [
            (9, 0, True),  # a later seq
            (7, 0, False),  # an earlier one
            (8, 5, True),  # the same fill, a later state: a stop was moved
            (8, 4, True),  # the same state told again
            (8, 3, False),  # the same fill, an earlier state
        ],
    )
    @pytest.mark.parametrize("epoch", [2, 3])
    def test_only_what_is_not_older_replaces_also_after_a_takeover(
        self, bot_db: redis.Redis, epoch: int, seq: int, second: int, replaces: bool
    ) -> None:
        claim(bot_db, ONE, 2)
        write(bot_db, a_position("1", epoch=2, seq=8, second=4), epoch=2)
        claim(bot_db, ONE, epoch)
        answer = write(bot_db, a_position("2", epoch=epoch, seq=seq, second=second), epoch=epoch)
        assert answer.older == (() if replaces else (0,))
        assert held(bot_db) == (2 if replaces else 1)

    def test_what_begins_anew_replaces_whatever_is_there(self, bot_db: redis.Redis) -> None:
        write(bot_db, a_position("1", seq=8))
        write(bot_db, a_position("2", seq=1), anew=True)
        assert held(bot_db) == 2

    def test_confirming_refreshes_and_tells_what_is_not_there(self, bot_db: redis.Redis) -> None:
        old = replace(a_position("1"), updated_at=START)
        write(bot_db, old)
        at = now()
        marks = [((BTCUSDT, 0), True), ((ETHUSDT, 0), True)]
        answer = take_step(bot_db, BotStep(bot=ONE, epoch=1, confirmed=marks, confirmed_at=at))
        assert answer.missing == (1,)
        found = positions.read(bot_db, ONE, BTCUSDT)
        assert found is not None
        assert (found.is_fresh(at), found.drifted) == (True, True)
        assert not found.is_fresh(at + timedelta(seconds=6))

    def test_a_row_of_an_earlier_epoch_is_not_confirmed(self, bot_db: redis.Redis) -> None:
        write(bot_db, replace(a_position("1"), updated_at=START))
        claim(bot_db, ONE, 2)
        step = BotStep(bot=ONE, epoch=2, confirmed=[((BTCUSDT, 0), False)], confirmed_at=now())
        assert take_step(bot_db, step).missing == (0,)
        found = positions.read(bot_db, ONE, BTCUSDT)
        assert found is not None
        assert not found.is_fresh()

    def test_in_hedge_mode_each_side_has_its_row(self, bot_db: redis.Redis) -> None:
        long, short = (replace(a_position(size), position_idx=idx) for size, idx in (("1", 1), ("-2", 2)))
        write(bot_db, long, short)
        assert positions.read(bot_db, ONE, BTCUSDT, 2) == short
        assert positions.read(bot_db, ONE, BTCUSDT) is None

    @pytest.mark.parametrize("field", ["size", "side", "avg_price", "updated_at", "seq"])
    def test_a_row_that_is_not_ours_is_named(self, bot_db: redis.Redis, field: str) -> None:
        write(bot_db, a_position("1"))
        bot_db.hset(position_key(ONE, BTCUSDT), field, "rubbish")
        with pytest.raises(LiveStateError, match="not a position"):
            positions.read(bot_db, ONE, BTCUSDT)


class TestOrders:
    def test_open_orders_are_those_that_are_not_terminal(self, bot_db: redis.Redis) -> None:
        self.report(bot_db, an_order("a"), an_order("b"))
        self.report(bot_db, an_order("a", OrderStatus.FILLED))
        assert order_stream.open_orders(bot_db, ONE) == [an_order("b")]
        reports = order_stream.read(bot_db, ONE)
        assert [(order.order_id, order.status) for _, order in reports] == [
            ("a", OrderStatus.NEW),
            ("b", OrderStatus.NEW),
            ("a", OrderStatus.FILLED),
        ]

    def test_the_exchanges_answer_replaces_them(self, bot_db: redis.Redis) -> None:
        self.report(bot_db, an_order("a"), an_order("b"))
        take_step(bot_db, BotStep(bot=ONE, epoch=1, open_orders=[report_of(an_order("c"))]))
        assert order_stream.open_orders(bot_db, ONE) == [an_order("c")]

    def test_reports_that_were_told_are_not_told_again(self, bot_db: redis.Redis) -> None:
        a, b, c = (report_of(an_order(name)) for name in "abc")
        take_step(bot_db, BotStep(bot=ONE, epoch=1, reports=[a, b], first_report=1, teller="one"))
        # the answer was lost, and another came meanwhile
        again = BotStep(bot=ONE, epoch=1, reports=[a, b, c], first_report=1, teller="one")
        take_step(bot_db, again)
        take_step(bot_db, again)
        assert [order.order_id for _, order in order_stream.read(bot_db, ONE)] == ["a", "b", "c"]
        # who writes after it counts anew, even where a restored ledger gives the same epoch again
        claim(bot_db, ONE, 1)
        take_step(bot_db, BotStep(bot=ONE, epoch=1, reports=[c], first_report=1, teller="other"))
        assert [order.order_id for _, order in order_stream.read(bot_db, ONE)] == ["a", "b", "c", "c"]

    @staticmethod
    def report(client: redis.Redis, *orders: Order) -> None:
        take_step(client, BotStep(bot=ONE, epoch=1, reports=[report_of(order) for order in orders]))


def contents(client: redis.Redis) -> dict[str, object]:
    """Every key of the database with what it holds."""
    readers = {"string": client.get, "hash": client.hgetall, "stream": client.xrange}
    return {key: readers[client.type(key)](key) for key in client.keys("*")}  # type: ignore[index,operator]


class TestFencing:
    def everything(self, epoch: int) -> BotStep:
        """A step that would change each key of the bot."""
        return BotStep(
            bot=ONE,
            epoch=epoch,
            emptied=True,
            positions=[a_position("7", epoch=epoch, seq=99)],
            fills=[(1, "fill")],
            reports=[report_of(an_order("x"))],
            open_orders=[report_of(an_order("x"))],
            confirmed=[((BTCUSDT, 0), True)],
            confirmed_at=now(),
        )

    def test_a_fenced_listener_changes_nothing_and_is_told(self, bot_db: redis.Redis) -> None:
        claim(bot_db, ONE, 5)
        write(bot_db, a_position("1", epoch=5), epoch=5)
        before = contents(bot_db)
        answer = take_step(bot_db, self.everything(4))
        assert (answer.standing, answer.held) == (Standing.FENCED, 5)
        with pytest.raises(NotTheWriter):
            claim(bot_db, ONE, 4)
        assert contents(bot_db) == before

    def test_nothing_is_written_where_nobody_has_claimed(self, bot_db: redis.Redis) -> None:
        bot_db.flushdb()
        assert take_step(bot_db, self.everything(4)).standing is Standing.UNCLAIMED
        assert bot_db.keys("*") == []
        # and who is not sure to hold the account may not begin
        reply = execute(bot_db, claim_command(ONE, 4, [], may_create=False))
        assert claim_answer(reply, ONE, []).standing is Standing.UNCLAIMED
        assert bot_db.keys("*") == []

    def test_a_claim_answers_what_an_earlier_holder_left(self, bot_db: redis.Redis) -> None:
        left = a_position("1")
        write(bot_db, left)
        answer = claim(bot_db, ONE, 2, [(ETHUSDT, 0), (BTCUSDT, 0)])
        assert (answer.held, answer.rows) == (1, (left,))
        assert epoch_held(bot_db, ONE) == 2

    def test_a_claim_survives_keys_of_another_kind(self, bot_db: redis.Redis) -> None:
        bot_db.delete(epoch_key(ONE))
        bot_db.lpush(epoch_key(ONE), "rubbish")
        bot_db.lpush(position_key(ONE, BTCUSDT), "rubbish")
        answer = claim(bot_db, ONE, 2, [(BTCUSDT, 0)])
        assert (answer.held, answer.rows) == (None, ())
        assert epoch_held(bot_db, ONE) == 2

    def test_emptying_drops_all_but_the_numbers_of_the_orders_stream(self, bot_db: redis.Redis) -> None:
        publish(bot_db, [recorded(1)])
        write(bot_db, a_position("1"), replace(a_position("1"), symbol=ETHUSDT))
        TestOrders.report(bot_db, an_order("a"))
        ((last_id, _),) = order_stream.read(bot_db, ONE)
        take_step(bot_db, BotStep(bot=ONE, epoch=1, emptied=True, positions=[a_position("2", seq=0)]))
        assert held(bot_db) == 2
        assert positions.read(bot_db, ONE, ETHUSDT) is None
        assert (stream_ids(bot_db), order_stream.open_orders(bot_db, ONE)) == ([], [])
        TestOrders.report(bot_db, an_order("b"))
        assert [order.order_id for _, order in order_stream.read(bot_db, ONE, after=last_id)] == ["b"]

    def test_a_wallet_and_a_health_of_an_earlier_epoch_are_not_taken(self, state: redis.Redis) -> None:
        wallet = LiveWallet(
            account=MAIN, equity=Decimal(1), balance=Decimal(1), available=Decimal(1), epoch=3, updated_at=START
        )
        assert write_wallet(state, wallet)
        assert not write_wallet(state, replace(wallet, epoch=2, equity=Decimal(2)))
        assert read_wallet(state, MAIN) == wallet

        health = a_health(epoch=3)
        assert write_listener_health(state, health)
        assert not write_listener_health(state, replace(health, epoch=2, state="stale"))
        assert read_listener_health(state, MAIN) == health


def a_health(epoch: int) -> ListenerHealth:
    return ListenerHealth(
        account=MAIN,
        state="live",
        since=START,
        epoch=epoch,
        last_frame_at=None,
        proven_until=START,
        backlog=0,
        drifted=False,
        updated_at=now().replace(microsecond=0),
    )


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


def a_control(*, entries_allowed: bool) -> Control:
    return Control(
        scope=PLATFORM,
        entries_allowed=entries_allowed,
        desired_state=DesiredState.RUNNING,
        by="trader",
        why="news",
        at=START,
    )


class TestPlatform:
    def test_the_mirror_of_the_controls_says_how_old_it_is(self, state: redis.Redis) -> None:
        control = a_control(entries_allowed=False)
        assert read_controls(state) is None
        write_controls(state, {PLATFORM: control, "bot:gone": replace(control, scope="bot:gone")}, at=START)
        write_controls(state, {PLATFORM: control}, at=now())
        found = read_controls(state)
        assert found is not None
        assert (found.by_scope, found.is_fresh()) == ({PLATFORM: control}, True)
        assert not found.is_fresh(now() + timedelta(seconds=6))

    def test_a_mirror_of_a_later_state_of_the_ledger_is_not_written_over(self, state: redis.Redis) -> None:
        open_, closed = a_control(entries_allowed=True), a_control(entries_allowed=False)
        assert write_controls(state, {PLATFORM: closed}, version=7, at=now())
        assert not write_controls(state, {PLATFORM: open_}, version=6, at=now())
        assert write_controls(state, {PLATFORM: closed}, version=7, at=now())
        assert read_controls(state).by_scope == {PLATFORM: closed}  # type: ignore[union-attr]
        # one that nobody has written for long is that of a ledger which is gone
        state.hset(KEY, "written_at", "1000")
        assert write_controls(state, {PLATFORM: open_}, version=1, at=now())
        assert read_controls(state).by_scope == {PLATFORM: open_}  # type: ignore[union-attr]

    def test_a_listener_that_says_nothing_is_not_live(self, state: redis.Redis) -> None:
        health = a_health(epoch=3)
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
